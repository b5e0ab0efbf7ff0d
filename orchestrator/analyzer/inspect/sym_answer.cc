// SPDX-License-Identifier: Apache-2.0
// sym: symbols by name, by address, by part of the name; of the kernel and its modules.
#include <algorithm>

#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/options.h"
#include "analyzer/inspect/place.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr OptionSpec kSym{"sym", "lnp", "q",
                          "[-n] [-p] NAME|ADDR|NAME+OFFSET ... | -q TEXT | -l [MODULE]"};

struct Row {
  VirtAddr address{};
  char type = '?';
  std::string name;
  std::string module;
  std::uint64_t offset = 0;  // of what was asked for, behind `address`
};

class SymAnswer {
 public:
  explicit SymAnswer(const Kernel& kernel) : kernel_(kernel) {}

  // Calls `take(row)` for every symbol, the kernel's first.
  template <typename Take>
  void each_symbol(Take take) const {
    const auto& symbols = kernel_.symbols();
    for (std::uint32_t i = 0; symbols && i < symbols->size(); ++i) {
      if (const auto each = symbols->at(i)) take(Row{each->address, each->type, each->name, {}, 0});
    }
    each_of_modules(take);
  }

  template <typename Take>
  void each_of_modules(Take take, std::string_view only = {}) const {
    if (!kernel_.modules()) return;
    for (const Module& module : kernel_.modules()->all()) {
      if (!only.empty() && module.name != only) continue;
      for (const ModuleSymbol& each : kernel_.modules()->symbols(module)) {
        take(Row{VirtAddr{each.address}, each.type, each.name, module.name, 0});
      }
    }
  }

  // The symbol at or before `address`.
  std::optional<Row> at(VirtAddr address) const {
    if (kernel_.modules()) {
      if (const Module* module = kernel_.modules()->containing(address)) {
        const auto found = kernel_.modules()->nearest(*module, address);
        if (!found) return std::nullopt;
        return Row{VirtAddr{found->address}, found->type, found->name, module->name,
                   raw(address) - found->address};
      }
    }
    if (!kernel_.symbols() || !kernel_.in_image(address)) return std::nullopt;
    const auto found = kernel_.symbols()->nearest(address);
    if (!found) return std::nullopt;
    return Row{found->address, found->type, found->name, {}, address - found->address};
  }

  bool add_named(std::string_view name) {
    bool any = false;
    each_symbol([&](const Row& row) {
      if (row.name != name) return;
      any = true;
      add(row);
    });
    // VMCOREINFO and hunts know symbols that the kernel's own table lacks.
    if (any) return true;
    const auto at = kernel_.symbol(name);
    if (!at) return false;
    add({*at, '?', std::string(name), {}, 0});
    add_origin(name);
    return true;
  }

  void add(const Row& row) {
    text_ +=
        fmt::format("{:x} ({}) {}", raw(row.address + row.offset), row.type, printable(row.name));
    if (row.offset != 0) text_ += fmt::format("+{}", row.offset);
    if (!row.module.empty()) text_ += fmt::format(" [{}]", row.module);
    text_ += '\n';
    boost::json::object json{{"address", hex(row.address + row.offset)},
                             {"type", std::string(1, row.type)},
                             {"name", utf8(row.name)},
                             {"offset", row.offset}};
    if (!row.module.empty()) json["module"] = utf8(row.module);
    json_.push_back(std::move(json));
  }

  // Of several, one that is not there does not hide the others.
  void add_failed(const std::string& word, const Error& error) {
    text_ += fmt::format("{}: {}\n", printable(word), error.what);
    json_.push_back(boost::json::object{{"asked", utf8(word)}, {"error", utf8(error.what)}});
  }

  // How a symbol was found that is in no table of them.
  void add_origin(std::string_view name) {
    if (!kernel_.hunt()) return;
    const std::string begin = fmt::format("{}: ", name);
    for (const std::string& each : kernel_.hunt()->provenance()) {
      if (!each.starts_with(begin)) continue;
      const auto how = printable(std::string_view(each).substr(begin.size()));
      text_.back() = ' ';
      text_ += fmt::format(" (found: {})\n", how);
      json_.back().as_object()["found"] = utf8(how);
      return;
    }
  }

  bool empty() const { return json_.empty(); }
  Answer finish() { return {std::move(text_), boost::json::serialize(json_)}; }

 private:
  const Kernel& kernel_;
  std::string text_;
  boost::json::array json_;
};

// The symbol, with its neighbours by address where they are wanted.
Status add_address(SymAnswer& answer, VirtAddr address, bool previous, bool next) {
  const auto found = answer.at(address);
  if (!found) {
    return fail_hint(Blame::kInput, "`whatis` says more about addresses of data",
                     "sym: {} is in neither the kernel's image nor a module's", address);
  }
  std::optional<Row> before, after;
  if (previous || next) {
    answer.each_symbol([&](const Row& row) {
      if (row.address < found->address && (!before || row.address > before->address)) before = row;
      if (row.address > found->address && (!after || row.address < after->address)) after = row;
    });
  }
  if (previous && before) answer.add(*before);
  answer.add(*found);
  if (next && after) answer.add(*after);
  return {};
}

Result<Answer> list(const Kernel& kernel, const GivenOptions& options) {
  SymAnswer answer(kernel);
  const auto add = [&](const Row& row) { answer.add(row); };
  if (options.words.empty()) {
    answer.each_symbol(add);
    return answer.finish();
  }
  for (const std::string& module : options.words) answer.each_of_modules(add, module);
  if (!answer.empty()) return answer.finish();
  std::vector<std::string> names;
  if (kernel.modules()) {
    for (const Module& each : kernel.modules()->all()) names.push_back(each.name);
  }
  return fail(Blame::kInput, "sym: no symbols of a module '{}'{}", options.words[0],
              suggest(options.words[0], names));
}

}  // namespace

Result<Answer> answer_sym(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  RIG_ASSIGN(const GivenOptions options, parse_options(kSym, arguments));
  if (options.has('l')) return list(*kernel, options);
  SymAnswer answer(*kernel);
  if (const auto text = options.value('q')) {
    answer.each_symbol([&](const Row& row) {
      if (row.name.find(*text) != std::string::npos) answer.add(row);
    });
    if (answer.empty()) return fail(Blame::kInput, "sym: no symbol's name has '{}' in it", *text);
    return answer.finish();
  }
  if (options.words.empty()) return misused(kSym, "wants a name or an address");
  const bool neighbours = options.has('p') || options.has('n');
  for (const std::string& word : options.words) {
    const bool plain = !parse_number(word) && word.find_first_of("+-:") == std::string::npos;
    if (plain && !neighbours && answer.add_named(word)) continue;
    const auto address = parse_place(*kernel, word);
    const Status added = address ? add_address(answer, *address, options.has('p'), options.has('n'))
                                 : Status(tl::unexpected(address.error()));
    if (added) continue;
    if (options.words.size() == 1) return tl::unexpected(added.error());
    answer.add_failed(word, added.error());
  }
  return answer.finish();
}

}  // namespace rig::analyzer
