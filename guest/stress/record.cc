// SPDX-License-Identifier: Apache-2.0
//
// record [--seconds N]: writes what /proc says of this guest, and the kernel's own back trace of
// every task, into the kernel's log, where the core has it; then asks the module `truth` to end the
// kernel. Needs log_buf_len=8M and printk.devkmsg=on. Exit code: 2 usage, 3 something is missing;
// 0 when the kernel went on, which it should not.
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr int kNotSetUp = 3;
constexpr const char* kGo = "/sys/module/truth/parameters/go";
constexpr const char* kSwapDisk = "/dev/vda";
constexpr std::size_t kPage = 4096;

int fail(const char* what) {
  std::fprintf(stderr, "record: %s: %s\n", what, std::strerror(errno));
  return kNotSetUp;
}

bool write_text(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

std::string read_text(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text;
  std::array<char, 16384> part;
  for (ssize_t got; (got = read(fd, part.data(), part.size())) > 0;) text.append(part.data(), got);
  close(fd);
  return text;
}

// One record of the kernel's log for each line: "truth /proc/modules: ext4 917504 ...".
class Recorder {
 public:
  explicit Recorder(int kmsg) : kmsg_(kmsg) {}

  void line(const std::string& name, const std::string& text) {
    const std::string record = "<6>truth " + name + ": " + text + "\n";
    if (write(kmsg_, record.data(), record.size()) < 0) failed_ = true;
  }
  void file(const std::string& path) {
    const std::string text = read_text(path);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      line(path, text.substr(at, end - at));
      at = end + 1;
    }
  }
  bool failed() const { return failed_; }

 private:
  int kmsg_;
  bool failed_ = false;
};

std::vector<std::string> numbers_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) != 0) {
      names.emplace_back(entry->d_name);
    }
  }
  closedir(dir);
  return names;
}

// The lines of a task's status that count how often it was switched: unchanged, it slept on.
std::string switches(const std::string& folder) {
  const std::string status = read_text(folder + "/status");
  std::string found;
  for (const char* key : {"\nvoluntary_ctxt_switches:\t", "\nnonvoluntary_ctxt_switches:\t"}) {
    const std::size_t at = status.find(key);
    if (at == std::string::npos) continue;
    const std::size_t begin = at + std::strlen(key);
    found += " " + status.substr(begin, status.find('\n', begin) - begin);
  }
  return found;
}

void record_tasks(Recorder& recorder) {
  for (const std::string& pid : numbers_in("/proc")) {
    for (const std::string& tid : numbers_in("/proc/" + pid + "/task")) {
      const std::string folder = "/proc/" + pid + "/task/" + tid;
      std::string stat = read_text(folder + "/stat");
      if (stat.empty()) continue;
      stat.pop_back();
      recorder.line("stat", stat);
      recorder.line("switches", tid + switches(folder));
    }
  }
}

void record_own_files(Recorder& recorder) {
  for (const std::string& fd : numbers_in("/proc/self/fd")) {
    std::array<char, 512> target;
    const ssize_t size = readlink(("/proc/self/fd/" + fd).c_str(), target.data(), target.size());
    if (size > 0) recorder.line("fd", fd + " " + std::string(target.data(), size));
  }
}

// Tasks that sleep in well-known places while the kernel ends.
void* sleep_in_read(void* fds) {
  char byte;
  if (read(static_cast<int*>(fds)[0], &byte, 1) < 0) return nullptr;
  return nullptr;
}
void* sleep_in_nanosleep(void*) {
  while (true) sleep(1000);
}
void* sleep_in_futex(void* mutex) {
  pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex));
  return nullptr;
}

bool start_sleepers() {
  static int fds[2];
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  pthread_t thread;
  return pipe(fds) == 0 && pthread_create(&thread, nullptr, sleep_in_read, fds) == 0 &&
         pthread_create(&thread, nullptr, sleep_in_nanosleep, nullptr) == 0 &&
         pthread_create(&thread, nullptr, sleep_in_futex, &mutex) == 0;
}

bool open_files() {
  const int kept = open("/tmp/record.kept", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  const int deleted = open("/tmp/record.deleted", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  return kept >= 0 && deleted >= 0 && unlink("/tmp/record.deleted") == 0 &&
         socket(AF_UNIX, SOCK_STREAM, 0) >= 0 && socket(AF_INET, SOCK_DGRAM, 0) >= 0 &&
         eventfd(0, EFD_CLOEXEC) >= 0;
}

// mkswap and swapon, where the guest has a disk. Format: union swap_header, include/linux/swap.h.
bool start_swap() {
  const int fd = open(kSwapDisk, O_RDWR | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT;
  const off_t size = lseek(fd, 0, SEEK_END);
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<char> header(std::max(page, kPage), 0);
  const std::uint32_t version = 1;
  const std::uint32_t last = static_cast<std::uint32_t>(size / static_cast<off_t>(page)) - 1;
  std::memcpy(header.data() + 1024, &version, sizeof version);
  std::memcpy(header.data() + 1028, &last, sizeof last);
  std::memcpy(header.data() + page - 10, "SWAPSPACE2", 10);
  const bool written =
      pwrite(fd, header.data(), page, 0) == static_cast<ssize_t>(page) && fsync(fd) == 0;
  close(fd);
  return written && swapon(kSwapDisk, 0) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 1 && (argc != 3 || std::strcmp(argv[1], "--seconds") != 0)) {
    std::fprintf(stderr, "usage: record [--seconds N]\n");
    return 2;
  }
  const int kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
  if (kmsg < 0) return fail("/dev/kmsg");
  if (!start_swap()) return fail("swap on /dev/vda");
  if (!open_files()) return fail("files to open");
  if (!start_sleepers()) return fail("threads that sleep");
  sleep(1);  // until the threads do

  Recorder recorder(kmsg);
  recorder.line("self", std::to_string(getpid()));
  record_own_files(recorder);
  record_tasks(recorder);
  for (const char* path : {"/proc/modules", "/proc/mounts", "/proc/swaps", "/proc/cmdline",
                           "/proc/sys/kernel/tainted", "/proc/slabinfo", "/proc/zoneinfo"}) {
    recorder.file(path);
  }
  if (!write_text("/proc/sysrq-trigger", "t")) return fail("sysrq t");
  recorder.line("traces", "done");
  for (const char* path : {"/proc/uptime", "/proc/loadavg", "/proc/meminfo"}) recorder.file(path);
  if (recorder.failed()) return fail("writing to /dev/kmsg");
  if (!write_text(kGo, "1")) return fail("asking the module truth to end the kernel");
  return 0;
}
