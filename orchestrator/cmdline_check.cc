// SPDX-License-Identifier: Apache-2.0
#include "cmdline_check.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "cmdline/check.h"
#include "cmdline/parameter.h"
#include "guest_evidence.h"
#include "image/content_hash.h"
#include "machine_config.h"

namespace rig {
namespace {

constexpr auto kLookTime = std::chrono::seconds(60);  // hundreds of small files of a slow guest
constexpr std::string_view kFormat = "crashrig command line 1";  // first line of an answer

// --- Remembered answers: after the first line, "STATE<tab>PARAMETER<tab>HOW" for each parameter
// ----

std::string to_text(const std::vector<cmdline::Effect>& effects) {
  std::string text = fmt::format("{}\n", kFormat);
  for (const cmdline::Effect& effect : effects) {
    text += fmt::format("{}\t{}\t{}\n", to_string(effect.state), effect.parameter, effect.how);
  }
  return text;
}

// Nothing unless the whole file is as written.
std::optional<std::vector<cmdline::Effect>> parse_effects(std::string_view text) {
  if (!text.ends_with('\n')) return std::nullopt;
  text.remove_suffix(1);
  const auto lines = split(text, '\n');
  if (lines[0] != kFormat) return std::nullopt;
  std::vector<cmdline::Effect> effects;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto fields = split(lines[i], '\t');
    const auto state = cmdline::parse_state(fields[0]);
    if (fields.size() != 3 || !state) return std::nullopt;
    effects.push_back({fields[1], *state, fields[2]});
  }
  return effects;
}

// Path, size and time stand for a kernel's content: those in the cache never change, and a build
// of one's own changes its time.
std::string identify_file(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return file.string();
  return fmt::format("{} {} {}.{}", file.string(), info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

// All that the answer depends on; the name of an initramfs is its content's.
std::string key_of(const std::string& machine, const Payload& payload) {
  image::ContentHash hash;
  hash.add(kFormat).add(fmt::format("table {}", cmdline::kTableVersion)).add(machine);
  hash.add(payload.kernel.package).add(payload.kernel.version);
  return hash.add(identify_file(payload.kernel.boot_file)).finish();
}

vm::VmConfig whole_config(const scenario::Cell& cell, const Payload& payload,
                          const CmdlineCheckOptions& options) {
  vm::VmConfig config = machine_config(cell, options.accelerator, options.stop);
  config.kernel = payload.kernel.boot_file;
  config.initramfs = payload.initramfs;
  config.cmdline = payload.cmdline;
  return config;
}

// --- One boot ---------------------------------------------------------------------------------

// The console's last line that is not blank, for a message.
std::string last_line(const fs::path& console) {
  const auto text = read_file(console);
  const std::string_view trimmed = trim(text ? std::string_view(*text) : std::string_view());
  if (trimmed.empty()) return "it printed nothing at all";
  constexpr std::size_t kQuoted = 160;
  return "its last line: " +
         printable(trimmed.substr(trimmed.rfind('\n') + 1)).substr(0, kQuoted);  // npos + 1 is 0
}

// Boots, looks, switches off. An error tells why there is no answer.
Result<std::vector<cmdline::Effect>> look(const scenario::Cell& cell, const Payload& payload,
                                          const CmdlineCheckOptions& options) {
  RIG_ASSIGN(const TempDir folder, TempDir::create("crashrig-cmdline"));
  vm::VmConfig config = whole_config(cell, payload, options);
  config.folder = folder.path();
  RIG_ASSIGN(const auto machine, options.start(config));
  const fs::path console = folder.path() / "console.log";
  RIG_ASSIGN(const auto guest,
             machine->wait_for_agent(Deadline::after(cell.scenario->timeouts.boot)));
  if (!guest) return fail(Blame::kKernel, "the guest did not boot; {}", last_line(console));

  const Deadline deadline = Deadline::after(kLookTime);
  GuestEvidence evidence(*machine, payload.kernel.modules, console, deadline);
  auto effects =
      cmdline::check_cmdline(fmt::format("{}", fmt::join(cell.cmdline(), " ")), evidence);
  RIG_TRY(evidence.fault());
  // Files that a guest cannot give because it has died must not count as absent.
  if (const Status off = machine->power_off(deadline); !off) {
    if (off.error().blame == Blame::kCancelled) return tl::unexpected(off.error());
    return fail(Blame::kKernel, "the guest died while it was looked at; {}", last_line(console));
  }
  return effects;
}

// --- All cells --------------------------------------------------------------------------------

class Checker {
 public:
  explicit Checker(const CmdlineCheckOptions& options) : options_(options) {}

  Result<CheckedCmdline> check(const scenario::Cell& cell, const Payload& payload) {
    if (cell.cmdline().empty()) return CheckedCmdline{};
    if (cell.expectation().during == scenario::During::kBoot) {
      return CheckedCmdline{{}, "the guest is not to boot with it"};
    }
    const auto machine = options_.identify(whole_config(cell, payload, options_));
    if (!machine) return not_checked(cell, machine.error());
    const std::string key = key_of(*machine, payload);
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    RIG_ASSIGN(CheckedCmdline checked, recall_or_look(key, cell, payload));
    return known_.emplace(key, std::move(checked)).first->second;
  }

 private:
  // What the attempts will meet as well is told by them; the user's own doing ends the run.
  Result<CheckedCmdline> not_checked(const scenario::Cell& cell, const Error& why) {
    if (why.blame == Blame::kCancelled || why.blame == Blame::kInput) return tl::unexpected(why);
    if (options_.on_note) {
      options_.on_note(
          fmt::format("{}: its command line is not checked: {}", cell.name(), why.message()));
    }
    return CheckedCmdline{{}, why.message()};
  }

  Result<CheckedCmdline> recall_or_look(const std::string& key, const scenario::Cell& cell,
                                        const Payload& payload) {
    const fs::path file = options_.cache / key;
    const auto text = read_file(file);
    if (auto effects = text ? parse_effects(*text) : std::nullopt)
      return CheckedCmdline{*effects, {}};
    if (options_.on_step) {
      options_.on_step(fmt::format("check the command line of {}/{}/{}", to_string(cell.arch),
                                   cell.kernel_name(), cell.detector.name));
    }
    auto effects = look(cell, payload, options_);
    if (options_.on_step) options_.on_step("");
    if (!effects) return not_checked(cell, effects.error());
    std::error_code error;
    fs::create_directories(options_.cache, error);
    // Not remembering costs the next run a boot, no more.
    (void)write_file_atomically(file, to_text(*effects));
    return CheckedCmdline{std::move(*effects), {}};
  }

  const CmdlineCheckOptions& options_;
  std::map<std::string, CheckedCmdline> known_;
};

std::string name_of(const cmdline::Effect& effect) {
  return effect.parameter.substr(0, effect.parameter.find('='));
}

bool is_excused(const scenario::Cell& cell, const cmdline::Effect& effect) {
  const auto names = cell.ignored_ok();
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return cmdline::same_name(name, name_of(effect));
  });
}

// What is wrong with a cell's command line, a line each.
std::string complain(const scenario::Cell& cell, const Payload& payload,
                     const cmdline::Effect& effect) {
  const bool unknown = effect.state == cmdline::State::kUnknown;
  const auto near = unknown ? nearest(name_of(effect), cmdline::known_parameters()) : std::nullopt;
  return fmt::format(
      "{}: {}/{}/{}: {} {} {}{}: {}", cell.scenario->file.filename().string(), to_string(cell.arch),
      cell.kernel_name(), cell.detector.name, effect.parameter,
      unknown ? "is unknown to the kernel" : "has no effect in", payload.kernel.release,
      near && *near != name_of(effect) ? fmt::format(", did you mean '{}'?", *near) : "",
      effect.how);
}

}  // namespace

Result<std::vector<CheckedCmdline>> check_cmdlines(const std::vector<scenario::Cell>& cells,
                                                   const std::vector<Payload>& payloads,
                                                   const CmdlineCheckOptions& options) {
  Checker checker(options);
  std::vector<CheckedCmdline> all;
  std::vector<std::string> complaints;
  std::set<std::string> names;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    RIG_ASSIGN(CheckedCmdline checked, checker.check(cells[i], payloads[i]));
    for (const cmdline::Effect& effect : checked.effects) {
      if (!effect.failed() || is_excused(cells[i], effect)) continue;
      std::string complaint = complain(cells[i], payloads[i], effect);
      names.insert(name_of(effect));
      // Variants share a command line.
      if (std::find(complaints.begin(), complaints.end(), complaint) == complaints.end()) {
        complaints.push_back(std::move(complaint));
      }
    }
    all.push_back(std::move(checked));
  }
  if (complaints.empty()) return all;
  return fail_hint(Blame::kInput,
                   fmt::format("correct the command line, or declare what may be without effect: "
                               "ignored_ok: [{}]; docs/COMMAND-LINES.md tells what each needs",
                               fmt::join(names, ", ")),
                   "{}", fmt::join(complaints, "\n"));
}

}  // namespace rig
