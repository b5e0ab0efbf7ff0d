// SPDX-License-Identifier: Apache-2.0
// `files`, `mounts`, `swap`: what tasks have open, and what the names lead through.
#include <boost/json.hpp>

#include "analyzer/facts/mounts.h"
#include "analyzer/facts/open_files.h"
#include "analyzer/facts/swaps.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/task_choice.h"
#include "base/text.h"
#include "base/text_table.h"

namespace rig::analyzer {
namespace {

std::string address(VirtAddr at) {
  return raw(at) == 0 ? "?" : fmt::format("{:x}", raw(at));
}

// The task whose mount namespace is meant: PID 1, or what -n names.
Result<VirtAddr> namespace_of(Session& session, Arguments arguments) {
  if (!arguments.empty()) {
    if (arguments[0] != "-n" || arguments.size() != 2) {
      return fail_hint(Blame::kInput, "usage: mounts [-n PID]", "mounts: '{}' is no option of it",
                       arguments[0]);
    }
    RIG_ASSIGN(const TaskFacts task, choose_task(session, arguments.subspan(1)));
    return task.at;
  }
  for (const Task& task : session.tasks()) {
    if (task.pid == 1u) return task.at;
  }
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  if (const auto first = kernel->symbol("init_task")) return *first;
  return fail(Blame::kInput, "mounts: neither PID 1 nor init_task can be found");
}

}  // namespace

Result<Answer> answer_files(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  RIG_ASSIGN(const TaskFacts task, choose_task(session, arguments));
  const PathReader paths(*kernel);
  const TaskFilesFacts facts = task_files(paths, task.at);
  const auto or_none = [](const std::string& text) { return text.empty() ? "-" : printable(text); };
  std::string text = task_headline(task);
  text += fmt::format("ROOT: {}    CWD: {}    EXE: {}\n", or_none(facts.root),
                      or_none(facts.directory), or_none(facts.executable));
  TextTable table({">FD", "<FILE", "<DENTRY", "<INODE", "<TYPE", "<PATH"});
  for (const OpenFileFacts& each : facts.files) {
    table.row({std::to_string(each.fd), address(each.file), address(each.dentry),
               address(each.inode), each.kind.empty() ? "?" : each.kind, each.path});
  }
  text += table.empty() ? "no open files\n" : table.text();
  text += note_lines(facts.problems);
  return Answer{std::move(text), boost::json::serialize(task_files_json(facts))};
}

Result<Answer> answer_mounts(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  RIG_ASSIGN(const VirtAddr task, namespace_of(session, arguments));
  std::vector<std::string> problems;
  const auto mounts = mount_facts(PathReader(*kernel), task, problems);
  TextTable table({"<MOUNT", "<SUPERBLK", "<TYPE", "<DEVICE", "<DIRECTORY", "<OPTIONS"});
  for (const MountFacts& each : mounts) {
    table.row({address(each.at), address(each.superblock), each.type, each.device, each.directory,
               each.options});
  }
  return Answer{table.text() + note_lines(problems),
                boost::json::serialize(list(mounts, mount_json))};
}

Result<Answer> answer_swap(Session& session, Arguments arguments) {
  RIG_TRY(expect_no_arguments("swap", arguments));
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  std::vector<std::string> problems;
  const auto areas =
      swap_facts(PathReader(*kernel), session.arch().layout(*kernel).page_size, problems);
  if (!areas) return fail(Blame::kInput, "{}", problems.back());
  TextTable table({"<SWAP_INFO", "<TYPE", ">SIZE", ">USED", ">PCT", ">PRI", "<FILENAME"});
  for (const SwapFacts& each : *areas) {
    const auto share = each.bytes != 0 ? each.used * 100 / each.bytes : 0;
    table.row({address(each.at), each.partition ? "PARTITION" : "FILE",
               fmt::format("{}k", each.bytes / 1024), fmt::format("{}k", each.used / 1024),
               fmt::format("{}%", share), std::to_string(each.priority), each.path});
  }
  return Answer{(areas->empty() ? "no swap\n" : table.text()) + note_lines(problems),
                boost::json::serialize(list(*areas, swap_json))};
}

}  // namespace rig::analyzer
