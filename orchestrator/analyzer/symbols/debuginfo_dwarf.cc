// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/debuginfo_dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxInlines = 64;
constexpr std::size_t kMaxUnits = 1 << 18;        // vmlinux has 4,000
constexpr std::size_t kUnitsToFindRoot = 1 << 9;  // init/main.c is among the first

struct UnitRange {
  Dwarf_Addr begin = 0, end = 0;
  Dwarf_Off unit = 0;  // of the unit's DIE
};

// What libdw allocates with malloc().
struct Scopes {
  Dwarf_Die* all = nullptr;
  int count = -1;
  ~Scopes() { std::free(all); }
  std::span<Dwarf_Die> span() const { return {all, static_cast<std::size_t>(std::max(count, 0))}; }
};

std::string text_of(Dwarf_Die& die, unsigned name) {
  Dwarf_Attribute attribute;
  const char* text = ::dwarf_formstring(::dwarf_attr_integrate(&die, name, &attribute));
  return text == nullptr ? std::string() : text;
}

unsigned number_of(Dwarf_Die& die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (::dwarf_formudata(::dwarf_attr(&die, name, &attribute), &value) != 0) return 0;
  return static_cast<unsigned>(value);
}

// The file of a unit or of a line, absolute where the unit says where it was compiled.
fs::path absolute_path(const std::string& file, const std::string& compiled_in) {
  return (fs::path(compiled_in) / file).lexically_normal();
}

std::string relative_to(const fs::path& file, const std::string& folder) {
  if (folder.empty()) return {};
  const std::string text = file.string();
  const bool inside =
      text.size() > folder.size() + 1 && text.starts_with(folder) && text[folder.size()] == '/';
  return inside ? text.substr(folder.size() + 1) : std::string();
}

// The innermost folder around `folder` that `file` lies in too, the file system's root excluded.
std::string common_folder(const fs::path& file, const fs::path& folder) {
  for (fs::path each = folder; each.has_relative_path(); each = each.parent_path()) {
    if (!relative_to(file, each.string()).empty()) return each.string();
  }
  return {};
}

// Sections of a module by name, for libdwfl: what is not loaded has no address.
int section_address(Dwfl_Module*, void** user, const char*, Dwarf_Addr, const char* name, GElf_Word,
                    const GElf_Shdr*, Dwarf_Addr* address) {
  const auto& sections = *static_cast<const std::vector<ModuleSection>*>(*user);
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [&](const ModuleSection& each) { return each.name == name; });
  *address = found == sections.end() ? ~Dwarf_Addr{0} : raw(found->address);
  return DWARF_CB_OK;
}

int find_elf(Dwfl_Module*, void**, const char* path, Dwarf_Addr, char** file_name, Elf** elf) {
  *elf = nullptr;
  *file_name = ::strdup(path);
  return *file_name == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
}

// The DWARF is in the same file or nowhere.
int find_debuginfo(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*,
                   GElf_Word, char**) {
  return -1;
}

constexpr Dwfl_Callbacks kModuleCallbacks = {find_elf, find_debuginfo, section_address, nullptr};

constexpr std::string_view kNoDwarf =
    "it was built without CONFIG_DEBUG_INFO or stripped: give the file of the debuginfo package";

}  // namespace

struct DwarfFile::State {
  ~State() {
    if (dwfl != nullptr) {
      ::dwfl_end(dwfl);  // takes the DWARF with it
    } else if (dwarf != nullptr) {
      ::dwarf_end(dwarf);
    }
  }

  std::optional<Dwarf_Die> unit_of(Dwarf_Addr address);
  void index_units();
  std::string shown(const std::string& file, Dwarf_Die& unit, const std::string& root) const;

  UniqueFd fd;
  std::vector<ModuleSection> sections;
  Dwfl* dwfl = nullptr;  // modules only
  Dwarf* dwarf = nullptr;
  Dwarf_Addr bias = 0;  // address asked for - address in the DWARF
  bool indexed = false;
  std::vector<UnitRange> units;  // by begin, when .debug_aranges does not know an address
};

DwarfFile::DwarfFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
DwarfFile::DwarfFile(DwarfFile&&) noexcept = default;
DwarfFile& DwarfFile::operator=(DwarfFile&&) noexcept = default;
DwarfFile::~DwarfFile() = default;

Result<DwarfFile> DwarfFile::open_kernel(const fs::path& path) {
  auto state = std::make_unique<State>();
  state->fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!state->fd) {
    return fail_errno(errno, fmt::format("cannot open {}", path.string()), Blame::kInput);
  }
  state->dwarf = ::dwarf_begin(state->fd.get(), DWARF_C_READ);
  Dwarf_Off first = 0;
  std::size_t header = 0;
  if (state->dwarf == nullptr ||
      ::dwarf_nextcu(state->dwarf, 0, &first, &header, nullptr, nullptr, nullptr) != 0) {
    return fail_hint(Blame::kInput, std::string(kNoDwarf), "{} has no DWARF debuginfo",
                     path.string());
  }
  return DwarfFile(std::move(state));
}

Result<DwarfFile> DwarfFile::open_module(const fs::path& path,
                                         std::vector<ModuleSection> sections) {
  auto state = std::make_unique<State>();
  state->sections = std::move(sections);
  std::uint64_t begin = ~std::uint64_t{0};
  std::uint64_t end = 0;
  for (const ModuleSection& each : state->sections) {
    begin = std::min(begin, raw(each.address));
    end = std::max(end, raw(each.address));
  }
  state->dwfl = ::dwfl_begin(&kModuleCallbacks);
  if (state->dwfl == nullptr) return fail(Blame::kRig, "libdwfl: {}", ::dwfl_errmsg(-1));
  ::dwfl_report_begin(state->dwfl);
  Dwfl_Module* module =
      ::dwfl_report_module(state->dwfl, path.c_str(), begin, std::max(begin, end) + 1);
  ::dwfl_report_end(state->dwfl, nullptr, nullptr);
  void** user = nullptr;
  if (module != nullptr) {
    ::dwfl_module_info(module, &user, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  }
  if (user == nullptr) return fail(Blame::kRig, "libdwfl: {}", ::dwfl_errmsg(-1));
  *user = &state->sections;
  state->dwarf = ::dwfl_module_getdwarf(module, &state->bias);
  if (state->dwarf == nullptr) {
    return fail_hint(Blame::kInput, std::string(kNoDwarf), "{} has no usable DWARF debuginfo ({})",
                     path.string(), ::dwfl_errmsg(-1));
  }
  return DwarfFile(std::move(state));
}

// clang writes no .debug_aranges, and assembly may lack them: then the units say what they cover.
void DwarfFile::State::index_units() {
  indexed = true;
  Dwarf_Off offset = 0;
  Dwarf_Off next = 0;
  std::size_t header = 0;
  for (std::size_t i = 0; i < kMaxUnits; ++i, offset = next) {
    if (::dwarf_nextcu(dwarf, offset, &next, &header, nullptr, nullptr, nullptr) != 0) break;
    Dwarf_Die unit;
    if (::dwarf_offdie(dwarf, offset + header, &unit) == nullptr) continue;
    Dwarf_Addr base = 0, begin = 0, end = 0;
    for (std::ptrdiff_t at = 0; (at = ::dwarf_ranges(&unit, at, &base, &begin, &end)) > 0;) {
      if (begin < end) units.push_back({begin, end, offset + header});
    }
  }
  std::sort(units.begin(), units.end(),
            [](const UnitRange& a, const UnitRange& b) { return a.begin < b.begin; });
}

std::optional<Dwarf_Die> DwarfFile::State::unit_of(Dwarf_Addr address) {
  Dwarf_Die unit;
  if (::dwarf_addrdie(dwarf, address, &unit) != nullptr) return unit;
  if (!indexed) index_units();
  auto after =
      std::upper_bound(units.begin(), units.end(), address,
                       [](Dwarf_Addr a, const UnitRange& range) { return a < range.begin; });
  if (after == units.begin() || std::prev(after)->end <= address) return std::nullopt;
  if (::dwarf_offdie(dwarf, std::prev(after)->unit, &unit) == nullptr) return std::nullopt;
  return unit;
}

// Generated files lie below the folder of the build, all others below that of the source.
std::string DwarfFile::State::shown(const std::string& file, Dwarf_Die& unit,
                                    const std::string& root) const {
  if (file.empty()) return {};
  const std::string compiled_in = text_of(unit, DW_AT_comp_dir);
  const fs::path path = absolute_path(file, compiled_in);
  for (const std::string& folder : {compiled_in, root}) {
    if (auto relative = relative_to(path, folder); !relative.empty()) return relative;
  }
  return path.string();
}

std::vector<SourceLine> DwarfFile::lines(std::uint64_t address,
                                         const std::string& source_root) const {
  const Dwarf_Addr at = address - state_->bias;
  auto unit = state_->unit_of(at);
  if (!unit) return {};
  SourceLine here;
  if (Dwarf_Line* line = ::dwarf_getsrc_die(&*unit, at); line != nullptr) {
    const char* file = ::dwarf_linesrc(line, nullptr, nullptr);
    int number = 0;
    if (file != nullptr) here.file = state_->shown(file, *unit, source_root);
    if (::dwarf_lineno(line, &number) == 0) here.line = static_cast<unsigned>(std::max(number, 0));
  }
  // The scopes go by the source, from an inlined function to what surrounds its definition; the
  // parents of the innermost one go by the code.
  Scopes scopes, parents;
  scopes.count = ::dwarf_getscopes(&*unit, at, &scopes.all);
  if (scopes.count > 0) parents.count = ::dwarf_getscopes_die(scopes.all, &parents.all);
  Dwarf_Files* files = nullptr;
  ::dwarf_getsrcfiles(&*unit, &files, nullptr);

  std::vector<SourceLine> result;
  for (Dwarf_Die& die : parents.span()) {
    const int tag = ::dwarf_tag(&die);
    if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram) continue;
    here.function = text_of(die, DW_AT_name);
    here.inlined = tag == DW_TAG_inlined_subroutine;
    result.push_back(here);
    if (!here.inlined || result.size() == kMaxInlines) return result;
    const char* file = files == nullptr ? nullptr
                                        : ::dwarf_filesrc(files, number_of(die, DW_AT_call_file),
                                                          nullptr, nullptr);
    here.file = file == nullptr ? std::string() : state_->shown(file, *unit, source_root);
    here.line = number_of(die, DW_AT_call_line);
  }
  if (result.empty() && !here.file.empty()) result.push_back(here);
  return result;
}

// init/main.c, which every kernel has, tells. Where its name was mapped to the build's folder,
// those of assembly are not: they lie around it (debian/build/x of the source, say).
std::string DwarfFile::source_root() const {
  constexpr std::string_view kMain = "/init/main.c";
  std::string around;
  Dwarf_Off offset = 0;
  Dwarf_Off next = 0;
  std::size_t header = 0;
  for (std::size_t i = 0; i < kUnitsToFindRoot; ++i, offset = next) {
    if (::dwarf_nextcu(state_->dwarf, offset, &next, &header, nullptr, nullptr, nullptr) != 0)
      break;
    Dwarf_Die unit;
    if (::dwarf_offdie(state_->dwarf, offset + header, &unit) == nullptr) continue;
    const std::string compiled_in = text_of(unit, DW_AT_comp_dir);
    const fs::path path = absolute_path(text_of(unit, DW_AT_name), compiled_in);
    const std::string text = path.string();
    const bool inside = !relative_to(path, compiled_in).empty();
    if (around.empty() && !inside) around = common_folder(path, compiled_in);
    if (!text.ends_with(kMain)) continue;
    return inside ? around : text.substr(0, text.size() - kMain.size());
  }
  return around;
}

}  // namespace rig::analyzer
