// SPDX-License-Identifier: Apache-2.0
// crashrig oops FILE...: what the kernel said in any log. docs/OOPS.md
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "commands/core_source.h"
#include "commands/output.h"
#include "commands/verbs.h"
#include "oops/report.h"
#include "oops/report_names.h"
#include "publish/oops_text.h"

namespace rig::commands {
namespace {

// What is held of a log at a time. A line that is longer is taken for several.
constexpr std::size_t kChunk = 1 << 20;

struct OopsArguments {
  std::vector<std::string> files;
  bool json = false;
  bool all = false;
  CoreSource symbols;
};

// Takes a log piece by piece and gives the parser whole lines.
class LineFeeder {
 public:
  LineFeeder(oops::ReportStream& stream, const oops::AddressNames& names)
      : stream_(stream), names_(names) {}

  // `held` begins with what the last call left. Returns how much of it was used.
  std::size_t feed(std::string_view held) {
    const std::size_t newline = held.rfind('\n');
    const std::size_t whole =
        newline != std::string_view::npos ? newline + 1 : (held.size() < kChunk ? 0 : held.size());
    give(held.substr(0, whole));
    return whole;
  }
  void finish(std::string_view rest) { give(rest); }

 private:
  void give(std::string_view lines) {
    if (lines.empty()) return;
    if (!names_) {
      stream_.feed(lines);
      return;
    }
    std::string named;
    while (!lines.empty()) {
      const std::size_t end = std::min(lines.find('\n'), lines.size() - 1) + 1;
      std::string_view line = lines.substr(0, end);
      const bool ended = line.back() == '\n';
      if (ended) line.remove_suffix(1);
      named += oops::name_addresses(line, names_);
      if (ended) named += '\n';
      lines.remove_prefix(end);
    }
    stream_.feed(named);
  }

  oops::ReportStream& stream_;
  const oops::AddressNames& names_;
};

Result<std::vector<oops::Report>> read_log(const std::string& file,
                                           const oops::AddressNames& names) {
  UniqueFd opened;
  if (file != "-") {
    opened.reset(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened) return fail(Blame::kInput, "{}: {}", file, std::strerror(errno));
  }
  const int from = opened ? opened.get() : STDIN_FILENO;
  oops::ReportStream stream;
  LineFeeder feeder(stream, names);
  std::vector<char> buffer(2 * kChunk);
  std::size_t held = 0;
  while (true) {
    const ssize_t got = ::read(from, buffer.data() + held, buffer.size() - held);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Blame::kInput, "{}: {}", file, std::strerror(errno));
    if (got == 0) break;
    held += static_cast<std::size_t>(got);
    const std::size_t used = feeder.feed({buffer.data(), held});
    held -= used;
    std::memmove(buffer.data(), buffer.data() + used, held);
  }
  feeder.finish({buffer.data(), held});
  return stream.finish();
}

std::string render(const OopsArguments& arguments, const std::string& file,
                   const std::vector<oops::Report>& reports) {
  const std::string name = file == "-" ? "standard input" : file;
  if (!arguments.all || reports.empty()) {
    const oops::Report* report = oops::headline(reports);
    return arguments.json ? publish::oops_json(file, report)
                          : publish::oops_text(name, report, reports);
  }
  std::string text;
  for (const oops::Report& report : reports) {
    text +=
        arguments.json ? publish::oops_json(file, &report) : publish::oops_text(name, &report, {});
  }
  return text;
}

// Every file is read, whatever becomes of those before it; the first error is the verb's.
Result<int> read_logs(const OopsArguments& arguments, const oops::AddressNames& names) {
  std::optional<Error> first;
  for (const std::string& file : arguments.files) {
    const auto reports = read_log(file, names);
    if (!reports) {
      if (first) std::fprintf(stderr, "crashrig: %s\n", reports.error().what.c_str());
      if (!first) first = reports.error();
      continue;
    }
    RIG_TRY(print_out(render(arguments, file, *reports)));
  }
  if (first) return tl::unexpected(*first);
  return kAsExpected;
}

oops::AddressNames names_of(const analyzer::Kernel& kernel) {
  return [&kernel](std::uint64_t address) -> std::optional<std::string> {
    const auto code = kernel.code(VirtAddr{address});
    if (!code || code->function.empty()) return std::nullopt;
    return fmt::format("{}+{:#x}/0x0{}", code->function, code->offset,
                       code->module.empty() ? "" : " [" + code->module + "]");
  };
}

}  // namespace

Action declare_oops(CLI::App& app) {
  auto arguments = std::make_shared<OopsArguments>();
  app.add_option(
      "FILE", arguments->files,
      "console log, dmesg, journal, netconsole ...; - is standard input, and the default");
  app.add_flag("--json", arguments->json,
               "one JSON object for each file, on one line; title is null when there is no crash, "
               "lines are counted from 1");
  app.add_flag("--all", arguments->all,
               "every report in order, not only the one that the others may follow from");
  app.add_option("--core-symbols", arguments->symbols.core,
                 "a vmcore of the same boot: names for addresses that the log leaves bare");
  app.footer(
      "Exit code: 0 when every file could be read, crash or not; 2 when one could not.\n"
      "  journalctl -k | crashrig oops -");
  return [arguments](const Context& context) -> Result<int> {
    const std::stop_callback on_stop(context.stop, [] { ::_exit(kCancelled); });
    if (arguments->files.empty()) arguments->files = {"-"};
    if (arguments->symbols.core.empty()) return read_logs(*arguments, {});
    RIG_ASSIGN(analyzer::Session session, open_session(arguments->symbols, context.stop));
    RIG_ASSIGN(const analyzer::Kernel* kernel, session.kernel());
    return read_logs(*arguments, names_of(*kernel));
  };
}

}  // namespace rig::commands
