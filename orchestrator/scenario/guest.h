// SPDX-License-Identifier: Apache-2.0
// The machine that a scenario asks for. Pure data; the backend makes it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arch.h"
#include "base/file.h"

namespace rig::scenario {

enum class DiskBus {
  kVirtio,
  kNvme,
  kMegasas,  // a MegaRAID controller
  kScsi,     // virtio-scsi
};

// Their names in scenarios.
struct NamedDiskBus {
  std::string_view name;
  DiskBus bus;
};
inline constexpr NamedDiskBus kDiskBuses[] = {{"virtio", DiskBus::kVirtio},
                                              {"nvme", DiskBus::kNvme},
                                              {"megasas", DiskBus::kMegasas},
                                              {"scsi", DiskBus::kScsi}};

inline constexpr std::string_view kExt4 = "ext4";

struct Disk {
  std::uint64_t bytes = 0;  // of a disk without an image; 0 with one
  fs::path image = {};      // absolute; never written: the guest writes to a copy that goes away
  // Of the image: "raw", "qcow2". Of a disk without one: the file system that it has, kExt4, or
  // none.
  std::string format = {};
  DiskBus bus = DiskBus::kVirtio;
};

inline constexpr std::uint64_t kMaxGuestFileBytes = 64u << 20;  // of all files together
inline constexpr std::size_t kMaxGuestFiles = 1000;

// A file of the host's that the guest gets a copy of, before anything is injected.
struct GuestFile {
  fs::path from;         // absolute
  std::string to;        // "/lib/firmware/my.bin"
  unsigned mode = 0644;  // its permissions
  std::uint64_t bytes = 0;
};

enum class Network {
  kNone,
  kUser,  // QEMU's user-mode network, cut off from the world: only the guest and its gateway
};

// Of the machine, what may differ by architecture. The texts are in the words of QEMU's options.
struct Hardware {
  std::string cpu;                                           // "max,+x2apic"; empty: the rig's
  std::vector<std::pair<std::string, std::string>> machine;  // "kernel-irqchip", "split"
  std::vector<std::string> devices;                          // "intel-iommu,intremap=on"
  // The agent arms the machine's watchdog with it; 0: nobody does.
  std::chrono::seconds watchdog{};
};

inline constexpr std::chrono::seconds kMaxWatchdog{2046};  // drivers/watchdog/i6300esb.c

struct Guest {
  std::uint64_t memory_bytes = 512u << 20;
  unsigned cpus = 2;
  std::vector<Disk> disks;
  std::vector<std::string> drivers;  // modules of the kernel's own to load at boot: "sd_mod"
  std::vector<GuestFile> files;
  Network network = Network::kNone;
  Hardware hardware;                     // on every architecture
  std::map<Arch, Hardware> hardware_of;  // on this one beside it; its CPU, options and watchdog win

  Hardware hardware_on(Arch arch) const;
};

}  // namespace rig::scenario
