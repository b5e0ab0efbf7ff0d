// SPDX-License-Identifier: Apache-2.0
// Back traces in the form that crash(8) made known: "#N [stack pointer] function+offset at
// address".
#include <boost/json.hpp>

#include <algorithm>
#include <charconv>

#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

namespace json = boost::json;

constexpr std::string_view kBtUsage = "bt [-a | -A | PID | TASK | COMMAND ...] [-l] [-e] [-f]";
constexpr std::uint64_t kMaxFrameBytes = 4096;  // of one frame that -f shows

struct BtRequest {
  bool all_cpus = false;
  bool all_tasks = false;
  bool lines = false;            // -l: file and line where they are known
  bool only_exceptions = false;  // -e
  bool words = false;            // -f: what lies in each frame
  std::vector<std::string> names;
};

// One stack to show: of a CPU, or of a task that sleeps.
struct Subject {
  const CpuSnapshot* cpu = nullptr;
  std::optional<Task> task;
};

Result<BtRequest> parse(Arguments arguments) {
  BtRequest request;
  for (const std::string& each : arguments) {
    if (each == "-a") {
      request.all_cpus = true;
    } else if (each == "-A" || each == "all") {
      request.all_tasks = true;
    } else if (each == "-l") {
      request.lines = true;
    } else if (each == "-e") {
      request.only_exceptions = true;
    } else if (each == "-f") {
      request.words = true;
    } else if (each.starts_with('-')) {
      return fail_hint(Blame::kInput, fmt::format("usage: {}", kBtUsage), "bt: no option '{}'",
                       each);
    } else {
      request.names.push_back(each);
    }
  }
  if (request.all_cpus + request.all_tasks + !request.names.empty() > 1) {
    return fail_hint(Blame::kInput, fmt::format("usage: {}", kBtUsage),
                     "bt: -a, -A and tasks cannot be asked for together");
  }
  return request;
}

// A task's address as people write it, with or without 0x; decimal numbers are PIDs.
std::optional<VirtAddr> parse_address(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || stop != end || static_cast<std::int64_t>(value) >= 0) {
    return std::nullopt;
  }
  return VirtAddr{value};
}

Subject subject_of(Session& session, const Task& task) {
  return {session.cpu_of(task.at), task};
}

// Every task, those of the CPUs first: an idle task is on no list.
std::vector<Subject> every_task(Session& session) {
  std::vector<Subject> subjects;
  for (const CpuSnapshot& cpu : session.cpus()) subjects.push_back({&cpu, cpu.task});
  for (const Task& task : session.tasks()) {
    if (!session.cpu_of(task.at)) subjects.push_back({nullptr, task});
  }
  return subjects;
}

Result<std::vector<Subject>> find_named(Session& session, const std::string& name) {
  std::vector<Subject> found;
  const auto pid = parse_u64(name);
  const auto address = parse_address(name);
  for (Subject& each : every_task(session)) {
    if (!each.task) continue;
    const Task& task = *each.task;
    if ((pid && task.pid == pid) || (address && task.at == *address) || task.comm == name) {
      found.push_back(std::move(each));
    }
  }
  if (!found.empty()) return found;
  // A task that is on no list any more still has a stack.
  if (address) {
    RIG_ASSIGN(const Kernel* kernel, session.kernel());
    if (auto task = read_task(*kernel, session.arch(), *address)) {
      return std::vector<Subject>{subject_of(session, *task)};
    }
  }
  return fail_hint(Blame::kInput, "the question 'ps' lists them",
                   "bt: no task has the PID, the address or the command '{}'", name);
}

Result<std::vector<Subject>> find_subjects(Session& session, const BtRequest& request) {
  RIG_TRY(session.kernel());
  std::vector<Subject> subjects;
  if (request.all_tasks) return every_task(session);
  if (request.all_cpus) {
    for (const CpuSnapshot& cpu : session.cpus()) subjects.push_back({&cpu, cpu.task});
  } else if (request.names.empty()) {
    if (const CpuSnapshot* cpu = session.panic_cpu()) subjects.push_back({cpu, cpu->task});
  }
  for (const std::string& name : request.names) {
    RIG_ASSIGN(const auto found, find_named(session, name));
    subjects.insert(subjects.end(), found.begin(), found.end());
  }
  if (subjects.empty()) {
    return fail_hint(Blame::kInput, "ask for a task, or for all of them with -A",
                     "bt: no CPU's registers are in the core");
  }
  return subjects;
}

std::optional<std::uint64_t> cpu_number(Session& session, const Subject& subject) {
  if (subject.cpu) return subject.cpu->number;
  const auto kernel = session.kernel();
  if (!kernel || !subject.task) return std::nullopt;
  // Since bcf9033e5449 (v5.16) in thread_info.
  for (const std::string_view member : {"task_struct.thread_info.cpu", "task_struct.cpu"}) {
    if (const auto number = (*kernel)->field(subject.task->at, member)) return number;
  }
  return std::nullopt;
}

std::string header(Session& session, const Subject& subject) {
  const auto number = cpu_number(session, subject);
  const std::string cpu = number ? fmt::format("{}", *number) : "?";
  if (!subject.task) return fmt::format("PID: ?        TASK: ?  CPU: {:<4} COMMAND: ?\n", cpu);
  const auto& pid = subject.task->pid;
  return fmt::format("PID: {:<8} TASK: {:x}  CPU: {:<4} COMMAND: \"{}\"\n",
                     pid ? fmt::format("{}", *pid) : "?", raw(subject.task->at), cpu,
                     printable(subject.task->comm));
}

std::string registers_text(const std::vector<RegisterValue>& registers) {
  constexpr std::size_t kColumns = 3;
  std::string text;
  for (std::size_t i = 0; i < registers.size(); ++i) {
    text += fmt::format("{}{:>{}}: {:016x}{}", i % kColumns == 0 ? "   " : " ", registers[i].name,
                        i % kColumns == 0 ? 6 : 8, registers[i].value,
                        i % kColumns == kColumns - 1 || i + 1 == registers.size() ? "\n" : "");
  }
  return text;
}

std::string frame_text(std::size_t number, const BacktraceFrame& frame, const BtRequest& request) {
  const std::string function =
      frame.at.function.empty()
          ? "(unknown)"
          : fmt::format("{}+{:#x}", printable(frame.at.function), frame.at.offset);
  std::string text;
  if (!frame.exception.empty()) {
    text += fmt::format("    [interrupted: {}; {} saved its registers", function,
                        printable(frame.exception));
    if (frame.registers_at) text += fmt::format(" at {:x}", raw(*frame.registers_at));
    text += "]\n" + registers_text(frame.registers);
  }
  text +=
      fmt::format("{:>3} [{:016x}] {}{} at {:x}{}\n", fmt::format("#{}", number), raw(frame.sp),
                  frame.reliable ? "" : "? ", function, raw(frame.at.address),
                  frame.at.module.empty() ? "" : fmt::format(" [{}]", printable(frame.at.module)));
  if (!frame.note.empty()) text += fmt::format("    ({})\n", printable(frame.note));
  if (!request.lines) return text;
  for (const SourceLine& line : frame.source) {
    text +=
        fmt::format("    {}: {}{}\n", printable(line.file), line.line,
                    line.inlined ? fmt::format("  (inlined {})", printable(line.function)) : "");
  }
  return text;
}

struct FrameWords {
  VirtAddr begin{};
  std::vector<std::uint64_t> words;
};

// From the frame's stack pointer to the caller's, where that is on the same stack; else to the
// stack's end, as far as the core has it.
FrameWords frame_words(Session& session, const Backtrace& trace, std::size_t number) {
  const VirtAddr begin{align_down(raw(trace.frames[number].sp), 8)};
  FrameWords found{begin, {}};
  const auto kernel = session.kernel();
  const auto& stacks = session.stacks();
  const auto stack =
      std::ranges::find_if(stacks, [&](const StackRange& each) { return each.contains(begin); });
  if (!kernel || stack == stacks.end()) return found;
  VirtAddr end = stack->end();
  if (number + 1 < trace.frames.size()) {
    const VirtAddr next = trace.frames[number + 1].sp;
    if (stack->contains(next) && next >= begin) end = next;
  }
  const auto bytes = (*kernel)->memory().read_up_to(begin, std::min(end - begin, kMaxFrameBytes));
  for (std::uint64_t at = 0; at + 8 <= bytes.size(); at += 8) {
    found.words.push_back(load<std::uint64_t>(bytes, at).value_or(0));
  }
  return found;
}

std::string words_text(const FrameWords& frame) {
  std::string text;
  for (std::size_t i = 0; i < frame.words.size(); ++i) {
    if (i % 2 == 0) text += fmt::format("    {:x}:", raw(frame.begin + i * 8));
    text += fmt::format(" {:016x}", frame.words[i]);
    if (i % 2 == 1 || i + 1 == frame.words.size()) text += '\n';
  }
  return text;
}

std::string trace_text(Session& session, const Backtrace& trace, const Subject& subject,
                       const BtRequest& request) {
  std::string text;
  const std::string own = subject.task ? subject.task->stack.name : std::string();
  for (std::size_t i = 0; i < trace.frames.size(); ++i) {
    const BacktraceFrame& frame = trace.frames[i];
    // That a task is on its own stack goes without saying.
    if (!frame.stack.empty() && !(i == 0 && frame.stack == own)) {
      text += fmt::format("--- <{}> ---\n", printable(frame.stack));
    }
    if (request.only_exceptions && frame.exception.empty()) continue;
    text += frame_text(i, frame, request);
    if (request.words) text += words_text(frame_words(session, trace, i));
  }
  text += fmt::format("    {}: {}\n", trace.complete ? "end" : "lost", printable(trace.end));
  return text + registers_text(trace.user_registers);
}

json::array words_json(Session& session, const Backtrace& trace) {
  json::array frames;
  for (std::size_t i = 0; i < trace.frames.size(); ++i) {
    const FrameWords found = frame_words(session, trace, i);
    json::array words;
    for (const std::uint64_t word : found.words) words.push_back(json::value(hex(word)));
    frames.push_back(json::object{{"address", hex(found.begin)}, {"words", std::move(words)}});
  }
  return frames;
}

json::object trace_json(Session& session, const Subject& subject, const Backtrace& trace) {
  json::value task;
  if (subject.task) {
    task = json::object{{"address", hex(subject.task->at)},
                        {"pid", or_null(subject.task->pid)},
                        {"comm", utf8(subject.task->comm)}};
  }
  return {{"task", std::move(task)},
          {"cpu", or_null(cpu_number(session, subject))},
          {"running", subject.cpu != nullptr},
          {"panicking", subject.cpu && subject.cpu->panicking},
          {"backtrace", backtrace_json(trace)}};
}

}  // namespace

Result<Answer> answer_bt(Session& session, Arguments arguments) {
  RIG_ASSIGN(const BtRequest request, parse(arguments));
  RIG_ASSIGN(const auto subjects, find_subjects(session, request));
  Answer answer;
  json::array all;
  for (const Subject& subject : subjects) {
    const Backtrace trace = subject.cpu    ? session.backtrace(*subject.cpu)
                            : subject.task ? session.backtrace(*subject.task)
                                           : Backtrace{};
    if (!answer.text.empty()) answer.text += '\n';
    answer.text += header(session, subject) + trace_text(session, trace, subject, request);
    all.push_back(trace_json(session, subject, trace));
    if (request.words) all.back().as_object()["words"] = words_json(session, trace);
  }
  answer.json = json::serialize(all);
  return answer;
}

}  // namespace rig::analyzer
