// SPDX-License-Identifier: Apache-2.0
#include "scenario/guest_reader.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/text.h"
#include "scenario/disk_image.h"
#include "scenario/guest_files.h"
#include "scenario/path_bases.h"
#include "scenario/section_reader.h"
#include "scenario/units.h"

namespace rig::scenario {
namespace {

constexpr std::uint64_t kMinMemory = 64u << 20;
constexpr std::uint64_t kMaxMemory = std::uint64_t{1} << 40;
constexpr std::uint64_t kMemoryStep = 1u << 20;  // QEMU's -m is told MiB
constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kMinFileSystem = 8u << 20;  // room for ext4's journal
constexpr std::size_t kMaxDisks = 16;
constexpr std::size_t kMaxDevices = 32;
constexpr std::chrono::seconds kMinWatchdog{2};  // the agent feeds it twice a second

// Of a machine: what the rig says itself, and where a scenario says it instead.
struct OwnedOption {
  std::string_view name;
  std::string_view instead;
};
constexpr OwnedOption kOwnedOptions[] = {
    {"accel", "use --accel"},
    {"type", "the rig chooses the machine's type"},
    {"kernel", "use 'kernel'"},
    {"initrd", "the rig builds the initramfs"},
    {"append", "use 'cmdline'"},
    {"memory", "use 'memory'"},
    {"memory-backend", "use 'memory'"},
    {"smp", "use 'cpus'"},
    {"dumpdtb", "QEMU would end instead of running a guest"},
};

class GuestReader {
 public:
  GuestReader(const PathBases& bases, Problems& problems) : bases_(bases), problems_(problems) {}

  Guest read(const Node& node);

 private:
  void read_memory(const Node& node);
  void read_disks(const Node& node);
  Disk read_disk(const Node& node);
  void read_file_system(const Node& format, Disk& disk);
  void read_image(const Node& node, const Node* format, Disk& disk);
  std::optional<fs::path> find_image(const Node& node);
  template <const format::Section& kSection>
  Hardware read_hardware(SectionReader<kSection>& map);
  void read_hardware_of(Arch arch, const Node* node);
  void check_file_memory(const Node& node);
  void read_machine(const Node& node, Hardware& hardware);
  void read_devices(const Node& node, Hardware& hardware);
  void read_watchdog(const Node& node, Hardware& hardware);

  const PathBases& bases_;
  Problems& problems_;
  Guest guest_;
};

Guest GuestReader::read(const Node& node) {
  static const std::array<std::string, 2> kNetworks = {"none", "user"};
  SectionReader<format::kGuest> map(node, "'guest'", problems_);
  if (const Node* memory = map.find("memory")) read_memory(*memory);
  if (const Node* cpus = map.find("cpus")) {
    guest_.cpus =
        static_cast<unsigned>(read_number(*cpus, "'cpus'", problems_, 1, 255).value_or(1));
  }
  if (const Node* disks = map.find("disks")) read_disks(*disks);
  if (const Node* drivers = map.find("drivers")) {
    for (const Node& item : read_list(*drivers, "'drivers'", "[sd_mod]", problems_)) {
      if (auto name = read_name(item, "driver", problems_)) {
        guest_.drivers.push_back(std::move(*name));
      }
    }
  }
  if (const Node* network = map.find("network")) {
    const auto name = read_choice(*network, "network", kNetworks, problems_);
    if (name == "user") guest_.network = Network::kUser;
  }
  guest_.hardware = read_hardware(map);
  read_hardware_of(Arch::kX86_64, map.find("x86_64"));
  read_hardware_of(Arch::kArm64, map.find("arm64"));
  if (const Node* files = map.find("files")) {
    guest_.files = read_guest_files(*files, bases_, problems_);
    check_file_memory(*files);
  }
  map.finish();
  return std::move(guest_);
}

void GuestReader::read_hardware_of(Arch arch, const Node* node) {
  if (node == nullptr) return;
  SectionReader<format::kHardware> map(*node, fmt::format("'{}'", to_string(arch)), problems_);
  guest_.hardware_of[arch] = read_hardware(map);
  map.finish();
}

// They lie in the guest's memory, which has to be enough for the rest as well.
void GuestReader::check_file_memory(const Node& node) {
  constexpr std::uint64_t kPart = 4;
  std::uint64_t bytes = 0;
  for (const GuestFile& file : guest_.files) bytes += file.bytes;
  if (bytes <= guest_.memory_bytes / kPart) return;
  problems_.add(node.mark,
                fmt::format("'files' lie in the guest's memory and may take a quarter of "
                            "its {} MiB, found {}: give it more 'memory'",
                            guest_.memory_bytes >> 20, human_bytes(bytes)));
}

void GuestReader::read_memory(const Node& node) {
  const auto bytes = read_bytes(node, "'memory'", problems_);
  if (bytes && (*bytes < kMinMemory || *bytes > kMaxMemory)) {
    problems_.add(node.mark,
                  fmt::format("'memory' must be from 64M to 1024G, found {}", node.text));
  } else if (bytes && *bytes % kMemoryStep != 0) {
    problems_.add(node.mark,
                  fmt::format("'memory' must be a multiple of 1M, found {}; the next one is {}M",
                              node.text, *bytes / kMemoryStep + 1));
  }
  guest_.memory_bytes = bytes.value_or(guest_.memory_bytes);
}

void GuestReader::read_disks(const Node& node) {
  const auto items = read_list(node, "'disks'", "[{size: 64M}]", problems_);
  if (items.size() > kMaxDisks) {
    problems_.add(node.mark,
                  fmt::format("a guest can have {} disks, found {}", kMaxDisks, items.size()));
  }
  for (const Node& item : items) guest_.disks.push_back(read_disk(item));
}

Disk GuestReader::read_disk(const Node& node) {
  std::vector<std::string> buses;
  for (const NamedDiskBus& each : kDiskBuses) buses.emplace_back(each.name);
  Disk disk;
  SectionReader<format::kDisk> map(node, "the disk", problems_);
  const Node* size = map.find("size");
  const Node* image = map.find("image");
  const Node* format = map.find("format");
  if (const Node* bus = map.find("bus")) {
    const auto name = read_choice(*bus, "bus", buses, problems_);
    for (const NamedDiskBus& each : kDiskBuses) {
      if (name == each.name) disk.bus = each.bus;
    }
  }
  map.finish();
  if (size != nullptr && image != nullptr) {
    problems_.add(image->mark, "a disk has a 'size' or an 'image', not both");
  } else if (image != nullptr) {
    read_image(*image, format, disk);
  } else if (size != nullptr) {
    const auto bytes = read_bytes(*size, "'size'", problems_);
    if (bytes && (*bytes == 0 || *bytes % kSector != 0)) {
      problems_.add(size->mark,
                    fmt::format("a disk's 'size' must be a multiple of {} bytes, found {}", kSector,
                                size->text));
    }
    disk.bytes = bytes.value_or(0);
    if (format != nullptr) read_file_system(*format, disk);
  } else if (node.kind == Node::Kind::kMap) {
    problems_.add(node.mark, "the disk has neither 'size' nor 'image'");
  }
  return disk;
}

void GuestReader::read_file_system(const Node& format, Disk& disk) {
  const auto name = read_text(format, "'format'", problems_);
  if (name && *name == kExt4 && disk.bytes != 0 && disk.bytes < kMinFileSystem) {
    problems_.add(format.mark, fmt::format("a disk with a file system has at least {}M, found {}",
                                           kMinFileSystem >> 20, human_bytes(disk.bytes)));
  } else if (name && *name == kExt4) {
    disk.format = *name;
  } else if (name) {
    problems_.add(
        format.mark,
        fmt::format("'format' is ext4 on a disk without an 'image', found {}", shown(*name)));
  }
}

void GuestReader::read_image(const Node& node, const Node* format, Disk& disk) {
  static const std::array<std::string, 2> kFormats = {"raw", "qcow2"};
  std::optional<std::string> asked;
  if (format != nullptr) asked = read_choice(*format, "format", kFormats, problems_);
  const auto path = find_image(node);
  if (!path) return;
  const auto found = disk_image_format(*path);
  if (!found) {
    problems_.add(node.mark, found.error().message());
    return;
  }
  // A raw disk may hold an image as its data, and is then read as what the author says.
  if (asked == "qcow2" && *found == "raw") {
    problems_.add(format->mark, fmt::format("{} is no qcow2 image", shown(node.text)));
  }
  disk.image = *path;
  disk.format = asked.value_or(*found);
}

std::optional<fs::path> GuestReader::find_image(const Node& node) {
  const auto text = read_text(node, "'image'", problems_);
  if (!text) return std::nullopt;
  if (auto path = bases_.find(*text)) return path;
  problems_.add(node.mark, fmt::format("image {} does not exist", shown(*text)));
  return std::nullopt;
}

template <const format::Section& kSection>
Hardware GuestReader::read_hardware(SectionReader<kSection>& map) {
  Hardware hardware;
  if (const Node* cpu = map.find("cpu")) {
    hardware.cpu = read_text(*cpu, "'cpu'", problems_).value_or("");
    if (parse_u64(hardware.cpu)) {
      problems_.add(cpu->mark,
                    fmt::format("'cpu' is a model, like \"max\", found {}; the number of "
                                "CPUs is 'cpus'",
                                hardware.cpu));
    } else if (hardware.cpu.find_first_of(" \t\n") != std::string::npos ||
               hardware.cpu.starts_with(',')) {
      problems_.add(cpu->mark, fmt::format("'cpu' is a model and its flags without blanks, like "
                                           "\"max,+x2apic\", found {}",
                                           shown(hardware.cpu)));
    }
  }
  if (const Node* machine = map.find("machine")) read_machine(*machine, hardware);
  if (const Node* devices = map.find("devices")) read_devices(*devices, hardware);
  if (const Node* watchdog = map.find("watchdog")) read_watchdog(*watchdog, hardware);
  return hardware;
}

void GuestReader::read_machine(const Node& node, Hardware& hardware) {
  for (const Field& entry : read_named(node, "'machine'", problems_)) {
    const auto owned = std::find_if(std::begin(kOwnedOptions), std::end(kOwnedOptions),
                                    [&](const auto& each) { return each.name == entry.key; });
    if (owned != std::end(kOwnedOptions)) {
      problems_.add(entry.mark,
                    fmt::format("machine option '{}': {}", owned->name, owned->instead));
    } else if (!is_name(entry.key)) {
      problems_.add(entry.mark, fmt::format("{} is no machine option", shown(entry.key)));
    }
    const auto value =
        read_text(entry.value, fmt::format("machine option {}", shown(entry.key)), problems_);
    if (value) hardware.machine.emplace_back(entry.key, *value);
  }
}

void GuestReader::read_devices(const Node& node, Hardware& hardware) {
  const auto items = read_list(node, "'devices'", "[\"intel-iommu,intremap=on\"]", problems_);
  if (items.size() > kMaxDevices) {
    problems_.add(node.mark, fmt::format("a guest can have {} devices of the scenario's, found {}",
                                         kMaxDevices, items.size()));
  }
  for (const Node& item : items) {
    auto text = read_text(item, "an item of 'devices'", problems_);
    if (!text) continue;
    if (!is_name(text->substr(0, text->find(',')))) {
      problems_.add(item.mark, fmt::format("a device is written as QEMU's -device has it, like "
                                           "\"intel-iommu,intremap=on\", found {}",
                                           shown(*text)));
    }
    hardware.devices.push_back(std::move(*text));
  }
}

void GuestReader::read_watchdog(const Node& node, Hardware& hardware) {
  const auto time = read_duration(node, "'watchdog'", problems_);
  if (!time) return;
  hardware.watchdog = std::chrono::duration_cast<std::chrono::seconds>(*time);
  if (hardware.watchdog == *time && *time >= kMinWatchdog && *time <= kMaxWatchdog) return;
  problems_.add(node.mark, fmt::format("'watchdog' must be whole seconds, {} to {}, found {}",
                                       kMinWatchdog.count(), kMaxWatchdog.count(), node.text));
}

}  // namespace

Guest read_guest(const Node& node, const PathBases& bases, Problems& problems) {
  return GuestReader(bases, problems).read(node);
}

std::optional<Entry> read_boot(const Node& node, Problems& problems) {
  std::vector<std::string> names;
  for (const NamedEntry& each : kEntries) names.emplace_back(each.name);
  const auto name = read_choice(node, "boot", names, problems);
  for (const NamedEntry& each : kEntries) {
    if (name == each.name) return each.entry;
  }
  return std::nullopt;
}

Hardware Guest::hardware_on(Arch arch) const {
  Hardware all = hardware;
  const auto own = hardware_of.find(arch);
  if (own == hardware_of.end()) return all;
  if (!own->second.cpu.empty()) all.cpu = own->second.cpu;
  if (own->second.watchdog.count() != 0) all.watchdog = own->second.watchdog;
  for (const auto& option : own->second.machine) {
    const auto same = [&](const auto& each) { return each.first == option.first; };
    std::erase_if(all.machine, same);
    all.machine.push_back(option);
  }
  all.devices.insert(all.devices.end(), own->second.devices.begin(), own->second.devices.end());
  return all;
}

}  // namespace rig::scenario
