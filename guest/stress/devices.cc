// SPDX-License-Identifier: Apache-2.0
//
// devices [--seconds N] [--disk PREFIX=BYTES]... [--cpus N] [--memory MIB] [--nics N]: is this
// guest the machine that was asked for? The disks are exactly these (by the start of their names:
// vd, sd, nvme), the CPUs as many, the memory from 5/8 of MIB (what the kernel keeps for itself) to
// MIB, the network cards beside lo as many. Every disk is written and read back. Exit code: 2
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

namespace {

constexpr int kUsage = 2;
constexpr int kNotSo = 3;
constexpr std::uint64_t kSector = 512;
constexpr int kPatienceMs = 10'000;  // SCSI hosts look for their disks in the background
constexpr int kLookMs = 50;

struct Disk {
  std::string name;
  std::uint64_t bytes = 0;
};

struct Asked {
  std::vector<Disk> disks;
  long cpus = -1, memory_mib = -1, nics = -1;
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

bool check_disks(const std::vector<Disk>& asked) {
  std::vector<Disk> found = disks();
  for (int waited = 0; !same(asked, found) && waited < kPatienceMs; waited += kLookMs) {
    usleep(kLookMs * 1000);
    found = disks();
  }
  if (same(asked, found)) return true;
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
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  if (asked.cpus >= 0 && cpus != asked.cpus) {
    return fail(std::to_string(cpus) + " CPUs are online");
  }
  struct sysinfo info {};
  sysinfo(&info);
  const long mib = static_cast<long>((std::uint64_t{info.totalram} * info.mem_unit) >> 20);
  if (asked.memory_mib >= 0 && (mib > asked.memory_mib || mib < asked.memory_mib * 5 / 8)) {
    return fail("the memory is " + std::to_string(mib) + " MiB");
  }
  const std::vector<std::string> cards = names_in("/sys/class/net");
  const long nics = static_cast<long>(cards.size()) - std::count(cards.begin(), cards.end(), "lo");
  if (asked.nics >= 0 && nics != asked.nics) {
    return fail(std::to_string(nics) + " network cards");
  }
  return true;
}

bool parse(const char* option, const std::string& value, Asked& asked) {
  const std::string name = option;
  const auto equals = value.find('=');
  if (name == "--disk" && equals != std::string::npos) {
    const auto bytes = std::strtoull(value.c_str() + equals + 1, nullptr, 10);
    asked.disks.push_back({value.substr(0, equals), bytes});
    return true;
  }
  const long number = std::strtol(value.c_str(), nullptr, 10);
  if (name == "--cpus") asked.cpus = number;
  if (name == "--memory") asked.memory_mib = number;
  if (name == "--nics") asked.nics = number;
  return name == "--cpus" || name == "--memory" || name == "--nics" || name == "--seconds";
}

}  // namespace

int main(int argc, char** argv) {
  Asked asked;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 < argc && parse(argv[i], argv[i + 1], asked)) continue;
    std::fputs("usage: devices [--disk PREFIX=BYTES]... [--cpus N] [--memory MIB] [--nics N]\n",
               stderr);
    return kUsage;
  }
  bool right = check_disks(asked.disks);
  for (const Disk& disk : disks()) right = check_writing(disk) && right;
  right = check_rest(asked) && right;
  return right ? 0 : kNotSo;
}
