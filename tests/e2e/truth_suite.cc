// SPDX-License-Identifier: Apache-2.0
// A guest records what /proc says of it and the back traces of its own unwinder, and ends in a
// known context. What the core says has to be the same.
#include "e2e/truth_suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <set>

#include "base/text.h"
#include "e2e/rig_process.h"
#include "e2e/truth_record.h"

namespace rig::e2e {
namespace {

namespace json = boost::json;
using testing::Contains;
using testing::HasSubstr;

std::uint64_t number(const json::value& value) {
  return value.is_string() ? parse_u64(text_of(value)).value_or(0)
                           : value.to_number<std::uint64_t>();
}

// One guest that ended as `variant` says, its core, and what it had recorded.
class Guest {
 public:
  Guest(const System& system, const std::string& variant) {
    const auto scenario = read_file(fs::path(RIG_ROOT) / "tests/e2e/scenarios/truth.yaml").value();
    const fs::path path = bench_.folder() / "truth.yaml";
    EXPECT_TRUE(write_file_atomically(path, scenario));
    const auto ended =
        bench_.crashrig({"run", path.string(), "--arch", system.arch, "--kernel", system.kernel,
                         "--variant", variant, "--keep-core", "--json"});
    // Whether it is the crash that the scenario expects is not what is tested here.
    EXPECT_THAT(ended.exit_code, testing::AnyOf(0, 1)) << ended.err;
    const auto document = ended.json();
    core_ = text_of(attempt_of(document, variant).at("core"));
    record_ = read_truth(text_of(ask({"log"})[0]));
    EXPECT_FALSE(record_.tasks.empty()) << "the guest recorded nothing";
    findings_ = bench_.crashrig({"analyze", "--json", core_}).json();
  }

  // Each question's answer, in one call; null for one that has none.
  std::vector<json::value> ask(const std::vector<std::string>& questions) {
    std::vector<std::string> args = {"inspect", core_, "--json"};
    for (const std::string& question : questions) {
      if (args.size() > 3) args.emplace_back(",");
      for (std::string& word : split(question, ' ')) args.push_back(std::move(word));
    }
    const auto ended = bench_.crashrig(args);
    std::vector<json::value> answers;
    for (const std::string& line : split(trim(ended.out), '\n')) {
      const auto parsed = json::parse(line).as_object();
      const auto* answer = parsed.if_contains("answer");
      if (answer == nullptr) ADD_FAILURE() << line;
      answers.push_back(answer ? *answer : json::value());
    }
    EXPECT_EQ(answers.size(), questions.size()) << ended.err;
    answers.resize(questions.size());
    return answers;
  }

  const TruthRecord& record() const { return record_; }
  const json::value& findings() const { return findings_; }

 private:
  Bench bench_;
  std::string core_;
  TruthRecord record_;
  json::value findings_;
};

// "function+0x12" of each frame that the unwinder is sure of.
std::vector<std::string> sure_frames(const json::value& frames) {
  std::vector<std::string> found;
  for (const auto& frame : frames.as_array()) {
    if (!frame.at("reliable").as_bool()) continue;
    found.push_back(fmt::format("{}+{:#x}", text_of(frame.at("function")),
                                frame.at("offset").to_number<std::uint64_t>()));
  }
  return found;
}

// Without what the compiler made of them: ".isra.0", ".constprop.0".
std::string plain(std::string function) {
  return function.substr(0, function.find('.'));
}

std::vector<std::string> functions(const json::value& frames) {
  std::vector<std::string> found;
  for (const auto& frame : frames.as_array()) found.push_back(plain(text_of(frame.at("function"))));
  return found;
}

// Are all of `wanted` there, in this order, whatever lies between?
testing::AssertionResult in_order(const std::vector<std::string>& found,
                                  const std::vector<std::string>& wanted) {
  auto at = found.begin();
  for (const std::string& name : wanted) {
    at = std::find(at, found.end(), name);
    if (at == found.end()) {
      return testing::AssertionFailure() << name << " is missing or out of order in "
                                         << fmt::format("{}", fmt::join(found, " "));
    }
    ++at;
  }
  return testing::AssertionSuccess();
}

std::map<std::uint64_t, json::object> tasks_by_pid(const json::value& answer) {
  std::map<std::uint64_t, json::object> tasks;
  for (const auto& task : answer.as_array()) tasks[number(task.at("pid"))] = task.as_object();
  return tasks;
}

void expect_tasks(Guest& guest, const std::map<std::uint64_t, json::object>& tasks) {
  std::size_t compared = 0;
  for (const auto& [tid, recorded] : guest.record().tasks) {
    SCOPED_TRACE(fmt::format("task {} ({})", tid, recorded.comm));
    const auto found = tasks.find(tid);
    if (found == tasks.end()) {
      // A worker may have gone since.
      EXPECT_THAT(recorded.comm, HasSubstr("kworker"));
      continue;
    }
    const json::object& task = found->second;
    ++compared;
    // A kworker's name in /proc has what it works on behind its own.
    EXPECT_TRUE(recorded.comm.starts_with(text_of(task.at("comm")))) << text_of(task.at("comm"));
    EXPECT_EQ(number(task.at("parent")), recorded.parent);
    if (recorded.vsize != 0) {
      EXPECT_EQ(number(task.at("vsize")), recorded.vsize);
    }
    EXPECT_EQ(task.at("kernel_thread").as_bool(), recorded.vsize == 0);
  }
  EXPECT_GT(compared, 35u);
}

// The tasks that were not switched to since before their traces were taken have the same trace.
void expect_traces(Guest& guest, const std::map<std::uint64_t, json::object>& tasks) {
  std::vector<std::string> questions = {"bt -A"};
  std::vector<std::uint64_t> asked;
  for (const auto& [tid, recorded] : guest.record().tasks) {
    const auto found = tasks.find(tid);
    if (found == tasks.end() || recorded.state == 'R' || recorded.state == 'Z') continue;
    questions.push_back("struct task_struct.nvcsw,nivcsw " + text_of(found->second.at("task")));
    asked.push_back(tid);
  }
  const auto answers = guest.ask(questions);
  std::map<std::uint64_t, json::value> traces;
  for (const auto& each : answers[0].as_array()) {
    if (each.at("task").is_object() && !each.at("running").as_bool()) {
      traces[number(each.at("task").at("pid"))] = each.at("backtrace");
    }
  }
  std::size_t compared = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const std::uint64_t tid = asked[i];
    const auto& recorded = guest.record().tasks.at(tid);
    const auto trace = guest.record().traces.find(tid);
    if (trace == guest.record().traces.end()) continue;
    std::uint64_t switches = 0;
    for (const auto& member : answers[i + 1].at("value").as_array()) {
      switches += number(member.at("number"));
    }
    if (switches != recorded.switches) continue;  // it ran in between
    SCOPED_TRACE(fmt::format("task {} ({})", tid, recorded.comm));
    ASSERT_TRUE(traces.contains(tid));
    EXPECT_EQ(sure_frames(traces[tid].at("frames")), trace->second);
    EXPECT_TRUE(traces[tid].at("complete").as_bool()) << text_of(traces[tid].at("end"));
    ++compared;
  }
  EXPECT_GT(compared, 25u) << "too few tasks slept on to compare";
}

// "truth 45056 2 - Live 0xffffffffc0263000 (OE)"
void expect_modules(Guest& guest, const json::value& answer) {
  std::map<std::string, json::object> modules;
  for (const auto& module : answer.as_array()) {
    modules[text_of(module.at("name"))] = module.as_object();
  }
  const auto& lines = guest.record().files.at("/proc/modules");
  EXPECT_EQ(modules.size(), lines.size());
  for (const std::string& line : lines) {
    SCOPED_TRACE(line);
    const auto words = split(line, ' ');
    ASSERT_GE(words.size(), 6u);
    ASSERT_TRUE(modules.contains(words[0]));
    const json::object& module = modules[words[0]];
    EXPECT_EQ(number(module.at("size")), parse_u64(words[1]));
    EXPECT_EQ(text_of(module.at("state")), words[4]);
    if (words.size() > 6) {
      EXPECT_EQ("(" + text_of(module.at("taint")) + ")", words[6]);
    }
    bool begins = false;
    for (const auto& range : module.at("ranges").as_array()) {
      begins |= number(range.at("begin")) == parse_u64(words[5]);
    }
    EXPECT_TRUE(begins) << "no range of it begins there";
    for (const auto& user : module.at("used_by").as_array()) {
      EXPECT_THAT(words[3], HasSubstr(text_of(user)));
    }
  }
}

// "tmpfs /tmp tmpfs rw,nosuid,relatime 0 0"
void expect_mounts(Guest& guest, const json::value& answer) {
  std::multiset<std::string> found, recorded;
  for (const auto& mount : answer.as_array()) {
    found.insert(fmt::format("{} {} {}", text_of(mount.at("device")),
                             text_of(mount.at("directory")), text_of(mount.at("type"))));
  }
  for (const std::string& line : guest.record().files.at("/proc/mounts")) {
    const auto words = split(line, ' ');
    recorded.insert(fmt::format("{} {} {}", words[0], words[1], words[2]));
  }
  EXPECT_EQ(found, recorded);
}

// Figures of /proc/meminfo that do not move, and those that move a little.
void expect_memory(Guest& guest, const json::value& answer, bool all_variables) {
  const auto pages_of = [&](const char* key) {
    return guest.record().meminfo(key).value_or(0) * 1024 / number(answer.at("page_size"));
  };
  const auto& meminfo = answer.at("meminfo").as_object();
  std::vector<const char*> steady = {"MemTotal"};
  if (all_variables) steady.insert(steady.end(), {"SwapTotal", "SwapFree"});
  for (const char* key : steady) {
    ASSERT_TRUE(meminfo.contains(key)) << key;
    EXPECT_EQ(number(meminfo.at(key)), pages_of(key)) << key;
  }
  std::vector<const char*> moving = {"MemFree", "Cached", "Slab",       "AnonPages",
                                     "Mapped",  "Shmem",  "PageTables", "KernelStack"};
  moving.push_back("MemAvailable");
  for (const char* key : moving) {
    ASSERT_TRUE(meminfo.contains(key)) << key;
    const auto drift =
        std::abs(static_cast<double>(number(meminfo.at(key))) - static_cast<double>(pages_of(key)));
    EXPECT_LE(drift, 256) << key << ": " << number(meminfo.at(key)) << " and " << pages_of(key);
  }
}

void expect_counters(const json::value& answer, std::uint64_t first) {
  ASSERT_TRUE(answer.is_object());
  const auto& cpus = answer.at("cpus").as_array();
  EXPECT_EQ(cpus.size(), 2u);
  for (const auto& cpu : cpus) {
    const auto* decoded = cpu.as_object().if_contains("number");
    // Of a variable whose type is not known: its word in hex.
    const auto value =
        decoded ? number(*decoded) : parse_u64("0x" + text_of(cpu.at("value"))).value();
    EXPECT_EQ(value, first + number(cpu.at("cpu")));
  }
}

void expect_known_facts(Guest& guest, bool all_variables) {
  const auto& module = guest.record().module;
  std::vector<std::string> questions = {fmt::format("percpu {:#x} u64", module.at("counter")),
                                        fmt::format("rd -a {:#x} 48", module.at("text")),
                                        fmt::format("bt {}", module.at("sleeper")),
                                        fmt::format("files {}", guest.record().self)};
  if (all_variables) {
    questions.insert(questions.end(), {"swap", "percpu truth_static_counter"});
  }
  const auto answers = guest.ask(questions);
  expect_counters(answers[0], 1000);
  EXPECT_THAT(json::serialize(answers[1]), HasSubstr("crashrig: a know"));
  EXPECT_TRUE(in_order(functions(answers[2].at(0).at("backtrace").at("frames")),
                       {"truth_sleep_inner", "truth_sleep_middle", "truth_sleep_outer", "kthread",
                        "ret_from_fork"}));
  const auto files = json::serialize(answers[3]);
  for (const auto& [fd, target] : guest.record().fds) {
    if (target.starts_with("/proc/")) continue;  // the folder that it read the others from
    EXPECT_THAT(files, HasSubstr(target.substr(0, target.find(" (deleted)")))) << fd;
  }
  if (!all_variables) return;
  EXPECT_THAT(json::serialize(answers[4]), HasSubstr("vda"));
  expect_counters(answers[5], 2000);
}

void expect_system(Guest& guest) {
  const auto& system = guest.findings().at("system");
  const auto& record = guest.record();
  EXPECT_EQ(text_of(system.at("cmdline")), record.files.at("/proc/cmdline").at(0));
  const double up = std::stod(record.files.at("/proc/uptime").at(0));
  EXPECT_NEAR(system.at("uptime").to_number<double>(), up, 2);
  // panic() takes the other one offline, and a guest without hotplug has no more.
  EXPECT_EQ(guest.findings().at("cpus").as_array().size(), 2u);
  std::string letters;
  for (const auto& flag : system.at("taint").as_array()) letters += text_of(flag.at("letter"));
  EXPECT_THAT(letters, HasSubstr("O"));
}

}  // namespace

TEST_P(Truth, TheCoreSaysWhatTheKernelSaid) {
  const System& system = GetParam();
  Guest guest(system, "panic");
  const auto answers = guest.ask({"ps", "mods", "mounts", "mem"});
  const auto tasks = tasks_by_pid(answers[0]);
  expect_tasks(guest, tasks);
  expect_traces(guest, tasks);
  expect_modules(guest, answers[1]);
  expect_mounts(guest, answers[2]);
  expect_memory(guest, answers[3], system.names_all_variables);
  expect_known_facts(guest, system.names_all_variables);
  expect_system(guest);
  EXPECT_EQ(text_of(guest.findings().at("panic").at("message")), "truth: as asked");
  EXPECT_TRUE(in_order(functions(guest.findings().at("backtrace")),
                       {"panic", "truth_end_panic", "truth_crash", "vfs_write", "ksys_write"}));
  EXPECT_TRUE(guest.findings().at("backtrace_complete").as_bool());
}

void PrintTo(const System& system, std::ostream* out) {
  *out << system.arch << " " << system.kernel;
}

std::string system_name(const testing::TestParamInfo<System>& each) {
  return each.param.arch;
}

namespace {

// How each end looks from the CPU that panicked. The handlers of double faults, of bad stacks and,
// on x86_64, of breakpoints count as NMI.
const std::vector<End> kEndsX86 = {
    {"irq_warn",
     {"panic", "truth_in_irq", "sysvec_call_function_single"},
     "truth_in_irq",
     "hardirq"},
    {"softirq_bug",
     {"panic", "truth_in_softirq", "tasklet_action_common"},
     "truth_in_softirq",
     "softirq"},
    {"nmi_warn",
     {"panic", "truth_pre_handler", "exc_int3", "truth_probed", "truth_crash", "vfs_write"},
     "truth_probed",
     "NMI"},
    {"nested",
     {"panic", "truth_fault", "truth_pre_handler", "truth_probed", "truth_crash"},
     "truth_fault",
     "NMI"},
    {"overflow", {"panic", "truth_recurse", "truth_crash", "vfs_write"}, "truth_recurse", "NMI"}};

const std::vector<End> kEndsArm64 = {
    {"irq_warn", {"panic", "truth_in_irq", "generic_handle_domain_irq"}, "truth_in_irq", "hardirq"},
    {"softirq_bug",
     {"panic", "truth_in_softirq", "tasklet_action_common"},
     "truth_in_softirq",
     "softirq"},
    {"nested",
     {"panic", "truth_fault", "truth_pre_handler", "truth_probed", "truth_crash"},
     "truth_fault",
     "task"},
    {"overflow", {"panic", "truth_recurse", "truth_crash", "vfs_write"}, "truth_recurse", "NMI"}};

}  // namespace

std::vector<End> ends_on(const char* kernel) {
  std::vector<End> all;
  for (const char* arch : {"x86_64", "arm64"}) {
    for (End end : std::string_view(arch) == "arm64" ? kEndsArm64 : kEndsX86) {
      end.system = {.arch = arch, .kernel = kernel};
      all.push_back(std::move(end));
    }
  }
  return all;
}

void PrintTo(const End& end, std::ostream* out) {
  *out << end.system.arch << " " << end.variant;
}

TEST_P(TruthEnd, IsSeenFromTheStacks) {
  const End& end = GetParam();
  Guest guest(end.system, end.variant);
  const auto& findings = guest.findings();
  EXPECT_TRUE(in_order(functions(findings.at("backtrace")), end.trace));
  EXPECT_TRUE(findings.at("backtrace_complete").as_bool()) << text_of(findings.at("backtrace_end"));
  for (const auto& frame : findings.at("backtrace").as_array()) {
    EXPECT_TRUE(frame.at("reliable").as_bool()) << text_of(frame.at("function"));
  }
  if (!end.interrupted.empty()) {
    std::vector<std::string> interrupted;
    for (const auto& frame : findings.at("backtrace").as_array()) {
      if (!text_of(frame.at("exception")).empty())
        interrupted.push_back(plain(text_of(frame.at("function"))));
    }
    EXPECT_THAT(interrupted, Contains(end.interrupted));
  }
  for (const auto& cpu : findings.at("cpus").as_array()) {
    if (cpu.at("panicking").as_bool()) {
      EXPECT_EQ(text_of(cpu.at("context").at("words")), end.context);
    }
  }
}

std::string end_name(const testing::TestParamInfo<End>& each) {
  return fmt::format("{}_{}", each.param.system.arch, each.param.variant);
}
}  // namespace rig::e2e
