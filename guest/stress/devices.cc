// SPDX-License-Identifier: Apache-2.0
//
// devices [--seconds N] [--disk PREFIX=BYTES]... [--cpus N] [--memory MIB] [--nics N]: is this
// guest the machine that was asked for? The disks are exactly these (by the start of their names:
// vd, sd, nvme), the CPUs as many, the memory from 5/8 of MIB (what the kernel keeps for itself) to
// MIB, the network cards beside lo as many. Every disk is written and read back. --seconds: how
// long disks are waited for (default 10), which SCSI hosts look for in the background. Exit code: 2
// usage, 3 something is not so, and stderr says what.
#include <dirent.h>
#include <fcntl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "guest/stress/options.h"

namespace {

constexpr int kNotSo = 3;
constexpr std::uint64_t kSector = 512;
constexpr int kLookMs = 50;
constexpr std::uint64_t kAnyNumber = ~std::uint64_t{0};

struct Disk {
  std::string name;
  std::uint64_t bytes = 0;
};

struct Asked {
  std::vector<Disk> disks;
  std::uint64_t seconds = 10;
  std::uint64_t cpus = kAnyNumber, memory_mib = kAnyNumber, nics = kAnyNumber;
};

std::vector<std::string> names_in(const char* folder) {
  std::vector<std::string> names;
  DIR* const dir = opendir(folder);
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

// Disks with a size, in the order of their names.
std::vector<Disk> disks() {
  std::vector<Disk> found;
  for (const std::string& name : names_in("/sys/block")) {
    std::FILE* const file = std::fopen(("/sys/block/" + name + "/size").c_str(), "re");
    if (file == nullptr) continue;
    unsigned long long sectors = 0;
    const bool read = std::fscanf(file, "%llu", &sectors) == 1;
    std::fclose(file);
    if (read && sectors != 0) found.push_back({name, sectors * kSector});
  }
  return found;
}

bool fail(const std::string& what) {
  std::fprintf(stderr, "devices: %s\n", what.c_str());
  return false;
}

bool same(std::vector<Disk> asked, const std::vector<Disk>& found) {
  if (asked.size() != found.size()) return false;
  for (const Disk& disk : found) {
    const auto match = std::find_if(asked.begin(), asked.end(), [&](const Disk& each) {
      return each.bytes == disk.bytes && disk.name.starts_with(each.name);
    });
    if (match == asked.end()) return false;
    asked.erase(match);
  }
  return true;
}

bool check_disks(const Asked& asked) {
  std::vector<Disk> found = disks();
  for (std::uint64_t ms = 0; !same(asked.disks, found) && ms < asked.seconds * 1000;
       ms += kLookMs) {
    usleep(kLookMs * 1000);
    found = disks();
  }
  if (same(asked.disks, found)) return true;
  std::string text = "the disks are";
  for (const Disk& disk : found) text += " " + disk.name + "=" + std::to_string(disk.bytes);
  return fail(text);
}

// Through the device, not the page cache: opened anew to read.
bool check_writing(const Disk& disk) {
  const std::string path = "/dev/" + disk.name;
  std::string text(kSector, '\0');
  std::snprintf(text.data(), text.size(), "written by the guest to %s", disk.name.c_str());
  const off_t last = static_cast<off_t>(disk.bytes - kSector);
  for (const off_t at : {off_t{0}, last}) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return fail("cannot open " + path + ": " + std::strerror(errno));
    std::string back(kSector, '\0');
    const bool right = pwrite(fd, text.data(), kSector, at) == ssize_t{kSector} && fsync(fd) == 0 &&
                       posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 &&
                       pread(fd, back.data(), kSector, at) == ssize_t{kSector} && back == text;
    close(fd);
    if (!right) return fail(path + " does not keep what is written to it");
  }
  return true;
}

bool check_rest(const Asked& asked) {
  const auto cpus = static_cast<std::uint64_t>(sysconf(_SC_NPROCESSORS_ONLN));
  if (asked.cpus != kAnyNumber && cpus != asked.cpus) {
    return fail(std::to_string(cpus) + " CPUs are online");
  }
  struct sysinfo info {};
  sysinfo(&info);
  const std::uint64_t mib = (std::uint64_t{info.totalram} * info.mem_unit) >> 20;
  if (asked.memory_mib != kAnyNumber &&
      (mib > asked.memory_mib || mib < asked.memory_mib * 5 / 8)) {
    return fail("the memory is " + std::to_string(mib) + " MiB");
  }
  const std::vector<std::string> cards = names_in("/sys/class/net");
  const auto nics =
      cards.size() - static_cast<std::size_t>(std::count(cards.begin(), cards.end(), "lo"));
  if (asked.nics != kAnyNumber && nics != asked.nics) {
    return fail(std::to_string(nics) + " network cards");
  }
  return true;
}

// "vd=67108864"
bool parse_disk(const std::string& text, std::vector<Disk>& disks) {
  const auto equals = text.find('=');
  if (equals == std::string::npos) return false;
  char* end = nullptr;
  const std::uint64_t bytes = std::strtoull(text.c_str() + equals + 1, &end, 10);
  if (*end != '\0' || bytes == 0) return false;
  disks.push_back({text.substr(0, equals), bytes});
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  using rig::guest::Options;
  Asked asked;
  std::vector<std::string> disk_options;
  Options options("devices");
  options.number("--seconds", asked.seconds, 1, 3600);
  options.texts("--disk", "PREFIX=BYTES", disk_options);
  options.number("--cpus", asked.cpus);
  options.number("--memory", asked.memory_mib);
  options.number("--nics", asked.nics, 0);
  if (!options.parse(argc, argv)) return Options::kUsage;
  for (const std::string& disk : disk_options) {
    if (!parse_disk(disk, asked.disks)) {
      return options.refuse("--disk is PREFIX=BYTES, and not '" + disk + "'");
    }
  }
  bool right = check_disks(asked);
  for (const Disk& disk : disks()) right = check_writing(disk) && right;
  right = check_rest(asked) && right;
  return right ? 0 : kNotSo;
}
