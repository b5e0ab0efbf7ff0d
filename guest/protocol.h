// SPDX-License-Identifier: Apache-2.0
//
// What the host and the guest's agent say to each other over a virtio-serial port. The only file
// they share: std only, no exceptions, every byte that comes in is treated as hostile.
//
// A frame is a 16-byte little-endian header and a payload:
//
//   u32 magic "CRG1" | u16 version | u16 type | u32 id | u32 payload length (at most kMaxPayload)
//
// A payload is the message's fields in order: u64; string = u32 length + bytes; list = u32 count +
// strings, or u64s.
//
// The host numbers its requests (id > 0); every answer carries the id of its request. Unsolicited
// frames have id 0.
//
//   request               answers; the last one ends the exchange
//   --------------------  ---------------------------------------
//   AskHello              Hello
//   WriteSysctl           Done
//   PutFile, FileChunk*   Done
//   ReadFile              FileChunk*, Done
//   FindSymbols           FileChunk, Done
//   LoadModule            Done
//   RunProgram            Output*, Exited (or Done: it never ran)
//   LoadCrashKernel       Done
//   LoadCrashSegments     Done
//   ReadRanges            FileExtent*, Done
//   KillProgram           Done
//   ArmWatchdog           WatchdogArmed (or Done: it could not be)
//   PowerOff              Done, then the machine goes off
//
// Unsolicited, from the agent: a Hello whenever the host opens the port, and a Heartbeat every
// kHeartbeatPeriod, dropped while the host does not read.
//
// A Hello with id 0 starts a conversation: requests made before it are forgotten, but programs run
// on and keep their ids; their output and end wait for the host. After a stream that is no frame
// the agent sends Done(EPROTO) with id 0 and listens no more until the port is opened anew.
//
// A kernel that crashed with a capture kernel loaded ends in the middle of anything. The agent of
// the capture kernel begins with a Hello whose `capture` is 1; what the stream held before it, in
// either direction, may be half a frame (FrameDecoder::await_speaker). Answers to requests made
// before that Hello mean nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace rig::guest {

inline constexpr std::string_view kPortName = "org.crashrig.agent.0";
inline constexpr std::uint32_t kMagic = 0x31475243;  // "CRG1", read as little-endian
inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::size_t kHeaderSize = 16;
inline constexpr std::size_t kMaxPayload = std::size_t{1} << 20;
inline constexpr std::size_t kMaxChunk = std::size_t{64} << 10;  // bytes of one FileChunk or Output
inline constexpr std::uint64_t kMaxFileSize = std::uint64_t{64} << 20;
inline constexpr std::chrono::milliseconds kHeartbeatPeriod{500};

// Programs find here the number of an inherited descriptor: a page of shared memory that starts
// with a u64. Adding to it, atomically, is how a program shows that work gets done; Heartbeat::work
// carries its value.
inline constexpr char kWorkFdVariable[] = "CRASHRIG_WORK_FD";
inline constexpr std::size_t kWorkPageSize = 4096;

// The initramfs: kernel modules to load before the port is opened, one per line, in dependency
// order: the absolute path of the file, then its parameters. Lines that start with '#' are
// comments.
inline constexpr char kModuleListPath[] = "/lib/crashrig/modules.load";

// The initramfs, where a capture kernel is wanted (kdump): what LoadCrashKernel loads.
inline constexpr char kCrashKernelPath[] = "/lib/crashrig/kdump/kernel";
inline constexpr char kCrashInitramfsPath[] = "/lib/crashrig/kdump/initramfs";

// The memory of the kernel that crashed, as an ELF core, in its capture kernel and nowhere else.
inline constexpr char kVmcorePath[] = "/proc/vmcore";

// What CPUID answers on the boot CPU, written by the agent where there is such an instruction:
// lines of "LEAF EAX EBX ECX EDX", each 8 hexadecimal digits; subleaf 0.
inline constexpr char kCpuidPath[] = "/run/crashrig/cpuid";

enum class MessageType : std::uint16_t {
  kHello = 1,
  kHeartbeat = 2,
  kDone = 3,
  kOutput = 4,
  kExited = 5,
  kFileChunk = 6,  // both ways
  kWatchdogArmed = 7,
  kFileExtent = 8,
  kAskHello = 32,
  kWriteSysctl = 33,
  kPutFile = 34,
  kReadFile = 35,
  kLoadModule = 36,
  kRunProgram = 37,
  kKillProgram = 38,
  kPowerOff = 39,
  kFindSymbols = 40,
  kArmWatchdog = 41,
  kLoadCrashKernel = 48,
  kReadRanges = 49,
  kLoadCrashSegments = 50,
};

// ---- payloads
// -------------------------------------------------------------------------------------------------------

namespace detail {

template <class Unsigned>
void append_le(std::string& out, Unsigned value) {
  for (std::size_t i = 0; i < sizeof(value); ++i) {
    out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  }
}

// `bytes` holds at least sizeof(Unsigned) bytes.
template <class Unsigned>
Unsigned load_le(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return static_cast<Unsigned>(value);
}

}  // namespace detail

// Builds a payload. A value that would push it over kMaxPayload is not written and makes the writer
// fail for good.
class PayloadWriter {
 public:
  void put(std::uint64_t value) {
    if (fits(sizeof(value))) detail::append_le(bytes_, value);
  }
  void put(std::string_view text) {
    if (put_length(text.size(), text.size())) bytes_.append(text);
  }
  void put(const std::vector<std::string>& list) {
    if (!put_length(list.size(), 0)) return;
    for (const std::string& text : list) put(std::string_view(text));
  }
  void put(const std::vector<std::uint64_t>& list) {
    if (!put_length(list.size(), list.size() * sizeof(std::uint64_t))) return;
    for (const std::uint64_t value : list) put(value);
  }

  bool ok() const { return ok_; }
  // The payload, or nothing when it did not fit.
  std::optional<std::string> take() && {
    if (!ok_) return std::nullopt;
    return std::move(bytes_);
  }

 private:
  bool fits(std::size_t size) {
    ok_ = ok_ && size <= kMaxPayload && bytes_.size() <= kMaxPayload - size;
    return ok_;
  }
  bool put_length(std::size_t length, std::size_t following) {
    if (!fits(following) || !fits(following + sizeof(std::uint32_t))) return false;
    detail::append_le(bytes_, static_cast<std::uint32_t>(length));
    return true;
  }

  std::string bytes_;
  bool ok_ = true;
};

// Takes a payload apart. The first value that is not wholly there makes the reader fail for good;
// from then on it leaves its targets alone.
class PayloadReader {
 public:
  explicit PayloadReader(std::string_view payload) : rest_(payload) {}

  void get(std::uint64_t& value) {
    if (has(sizeof(value))) value = detail::load_le<std::uint64_t>(take(sizeof(value)));
  }
  void get(std::string& text) {
    const std::uint32_t length = get_length();
    if (has(length)) text.assign(take(length));
  }
  void get(std::vector<std::string>& list) {
    const std::size_t count = get_length();
    // A lying count must not make us reserve: each entry takes at least its length.
    ok_ = ok_ && count <= rest_.size() / sizeof(std::uint32_t);
    if (!ok_) return;
    list.clear();
    for (std::size_t i = 0; i < count && ok_; ++i) get(list.emplace_back());
  }
  void get(std::vector<std::uint64_t>& list) {
    const std::size_t count = get_length();
    ok_ = ok_ && count <= rest_.size() / sizeof(std::uint64_t);
    if (!ok_) return;
    list.resize(count);
    for (std::uint64_t& value : list) get(value);
  }

  bool ok() const { return ok_; }
  // Everything was there and nothing is left over.
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  bool has(std::size_t size) {
    ok_ = ok_ && size <= rest_.size();
    return ok_;
  }
  std::string_view take(std::size_t size) {
    const std::string_view head = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return head;
  }
  std::uint32_t get_length() {
    if (!has(sizeof(std::uint32_t))) return 0;
    return detail::load_le<std::uint32_t>(take(sizeof(std::uint32_t)));
  }

  std::string_view rest_;
  bool ok_ = true;
};

// A message is a struct with its type and one list of its fields, fields(), which serves both
// directions.

// The payload of `message`; nothing when it would exceed kMaxPayload.
template <class M>
std::optional<std::string> encode(const M& message) {
  PayloadWriter writer;
  std::apply([&](const auto&... field) { (writer.put(field), ...); }, M::fields(message));
  return std::move(writer).take();
}

// Nothing unless `payload` is exactly one such message.
template <class M>
std::optional<M> decode(std::string_view payload) {
  M message;
  PayloadReader reader(payload);
  std::apply([&](auto&... field) { (reader.get(field), ...); }, M::fields(message));
  if (!reader.complete()) return std::nullopt;
  return message;
}

// ---- messages from the agent
// ----------------------------------------------------------------------------------------

struct Hello {
  static constexpr MessageType kType = MessageType::kHello;
  std::uint64_t protocol = kProtocolVersion;
  std::string release;                     // uname: 6.1.0-56-amd64
  std::string version;                     // uname: #1 SMP PREEMPT_DYNAMIC Debian ...
  std::string machine;                     // uname: x86_64, aarch64
  std::string cmdline;                     // /proc/cmdline without its newline
  std::uint64_t boot_ns = 0;               // CLOCK_BOOTTIME when this was sent
  std::uint64_t cpus = 0;                  // online
  std::uint64_t memory_bytes = 0;          // MemTotal
  std::vector<std::string> module_errors;  // modules of kModuleListPath that did not load, and why
  std::uint64_t capture = 0;               // 1: a capture kernel, kVmcorePath is there

  static auto fields(auto& m) {
    return std::tie(m.protocol, m.release, m.version, m.machine, m.cmdline, m.boot_ns, m.cpus,
                    m.memory_bytes, m.module_errors, m.capture);
  }
};

struct Heartbeat {
  static constexpr MessageType kType = MessageType::kHeartbeat;
  std::uint64_t uptime_ns = 0;  // CLOCK_BOOTTIME
  std::uint64_t sequence = 0;   // a gap means that beats were dropped: the host did not read
  std::uint64_t work = 0;       // see kWorkFdVariable; never reset
  std::uint64_t programs = 0;   // running now

  static auto fields(auto& m) { return std::tie(m.uptime_ns, m.sequence, m.work, m.programs); }
};

// Ends most requests. On failure `what` names the step, its object and the error: "open /x: No such
// file or directory".
struct Done {
  static constexpr MessageType kType = MessageType::kDone;
  std::uint64_t error = 0;  // errno of the guest, 0 = success
  std::string what;

  static auto fields(auto& m) { return std::tie(m.error, m.what); }
};

struct Output {
  static constexpr MessageType kType = MessageType::kOutput;
  std::uint64_t descriptor = 1;  // 1 stdout, 2 stderr
  std::string bytes;

  static auto fields(auto& m) { return std::tie(m.descriptor, m.bytes); }
};

// The program is gone and all its output has been sent before this.
struct Exited {
  static constexpr MessageType kType = MessageType::kExited;
  std::uint64_t code = 0;
  std::uint64_t signal = 0;     // what killed it; `code` means nothing then
  std::uint64_t timed_out = 0;  // 1: the agent killed it for RunProgram::timeout_ms
  std::uint64_t cpu_ns = 0;     // user and system time

  static auto fields(auto& m) { return std::tie(m.code, m.signal, m.timed_out, m.cpu_ns); }
};

// A piece of a file, at most kMaxChunk bytes, in order, under the id of its PutFile or ReadFile.
struct FileChunk {
  static constexpr MessageType kType = MessageType::kFileChunk;
  std::string bytes;

  static auto fields(auto& m) { return std::tie(m.bytes); }
};

struct WatchdogArmed {
  static constexpr MessageType kType = MessageType::kWatchdogArmed;
  std::uint64_t seconds = 0;  // that it was set to: drivers round

  static auto fields(auto& m) { return std::tie(m.seconds); }
};

// What a file holds from `offset` on, at most kMaxChunk bytes.
struct FileExtent {
  static constexpr MessageType kType = MessageType::kFileExtent;
  std::uint64_t offset = 0;
  std::string bytes;

  static auto fields(auto& m) { return std::tie(m.offset, m.bytes); }
};

// ---- requests of the host
// -------------------------------------------------------------------------------------------

struct AskHello {
  static constexpr MessageType kType = MessageType::kAskHello;
  static auto fields(auto&) { return std::tie(); }
};

// Writes an existing knob in one write: "kernel.panic_on_warn", or an absolute path below /proc or
// /sys.
struct WriteSysctl {
  static constexpr MessageType kType = MessageType::kWriteSysctl;
  std::string name;
  std::string value;

  static auto fields(auto& m) { return std::tie(m.name, m.value); }
};

// Creates or replaces a file and its folders; `size` bytes follow as FileChunks. Done comes after
// the last, or at once on an error: the chunks still under way are then ignored.
struct PutFile {
  static constexpr MessageType kType = MessageType::kPutFile;
  std::string path;
  std::uint64_t mode = 0644;
  std::uint64_t size = 0;  // at most kMaxFileSize

  static auto fields(auto& m) { return std::tie(m.path, m.mode, m.size); }
};

// Reads until the end of the file, whatever length it claims (/proc); of one without an end
// (/proc/kmsg) what is there. With more than `limit` bytes
// there, `limit` are sent and Done says EFBIG.
struct ReadFile {
  static constexpr MessageType kType = MessageType::kReadFile;
  std::string path;
  std::uint64_t limit = kMaxFileSize;

  static auto fields(auto& m) { return std::tie(m.path, m.limit); }
};

// The lines of /proc/kallsyms with these names, also where the compiler has added a suffix to one
// (".isra.0"). More than kMaxChunk bytes of them are EFBIG.
struct FindSymbols {
  static constexpr MessageType kType = MessageType::kFindSymbols;
  std::vector<std::string> names;

  static auto fields(auto& m) { return std::tie(m.names); }
};

// A module already loaded is EEXIST here: nobody knows with which parameters.
struct LoadModule {
  static constexpr MessageType kType = MessageType::kLoadModule;
  std::string path;
  std::string params;  // "late_write=1 late_value=0x106"

  static auto fields(auto& m) { return std::tie(m.path, m.params); }
};

struct RunProgram {
  static constexpr MessageType kType = MessageType::kRunProgram;
  std::vector<std::string> argv;          // argv[0] is an absolute path
  std::vector<std::string> environment;   // "NAME=value", added to the agent's own
  std::uint64_t timeout_ms = 0;           // SIGKILL after it; 0 = none
  std::uint64_t address_space_bytes = 0;  // RLIMIT_AS; 0 = unlimited

  static auto fields(auto& m) {
    return std::tie(m.argv, m.environment, m.timeout_ms, m.address_space_bytes);
  }
};

// Signals a program and all its children. ESRCH when it is gone.
struct KillProgram {
  static constexpr MessageType kType = MessageType::kKillProgram;
  std::uint64_t program = 0;  // id of its RunProgram
  std::uint64_t signal = 9;

  static auto fields(auto& m) { return std::tie(m.program, m.signal); }
};

// From now on every heartbeat feeds the machine's watchdog, until PowerOff disarms it.
struct ArmWatchdog {
  static constexpr MessageType kType = MessageType::kArmWatchdog;
  std::uint64_t seconds = 0;

  static auto fields(auto& m) { return std::tie(m.seconds); }
};

// The kernel to boot when this one crashes (kexec_file_load(2), KEXEC_FILE_ON_CRASH): paths in the
// guest, of files that are removed once they are loaded. EADDRNOTAVAIL: no memory is reserved for
// it, or too little (crashkernel=).
struct LoadCrashKernel {
  static constexpr MessageType kType = MessageType::kLoadCrashKernel;
  std::string kernel;
  std::string initramfs;
  std::string cmdline;

  static auto fields(auto& m) { return std::tie(m.kernel, m.initramfs, m.cmdline); }
};

// The same where the kernel has no kexec_file_load(2): kexec_load(2), KEXEC_ON_CRASH. `places` has
// the address and size of each segment, those of `files` first.
struct LoadCrashSegments {
  static constexpr MessageType kType = MessageType::kLoadCrashSegments;
  std::uint64_t entry = 0;
  std::vector<std::string> files;  // paths in the guest, removed once they are loaded
  std::vector<std::string> blobs;
  std::vector<std::uint64_t> places;

  static auto fields(auto& m) { return std::tie(m.entry, m.files, m.blobs, m.places); }
};

// Parts of a large file that can be mapped: pairs of offset and size, ascending, not overlapping.
// They come in order; aligned blocks of kZeroBlock bytes of zeros are left out.
inline constexpr std::uint64_t kZeroBlock = 4096;
struct ReadRanges {
  static constexpr MessageType kType = MessageType::kReadRanges;
  std::string path;
  std::vector<std::uint64_t> ranges;

  static auto fields(auto& m) { return std::tie(m.path, m.ranges); }
};

struct PowerOff {
  static constexpr MessageType kType = MessageType::kPowerOff;
  static auto fields(auto&) { return std::tie(); }
};

// ---- frames
// ---------------------------------------------------------------------------------------------------------

struct Frame {
  MessageType type{};  // maybe one this side does not know: an agent answers Done(ENOSYS)
  std::uint32_t id = 0;
  std::string payload;

  // The message, when the frame is of that type and whole.
  template <class M>
  std::optional<M> as() const {
    if (type != M::kType) return std::nullopt;
    return decode<M>(payload);
  }
};

// The bytes of a frame; nothing when the message is too long.
template <class M>
std::optional<std::string> encode_frame(std::uint32_t id, const M& message) {
  const std::optional<std::string> payload = encode(message);
  if (!payload) return std::nullopt;
  std::string bytes;
  bytes.reserve(kHeaderSize + payload->size());
  detail::append_le(bytes, kMagic);
  detail::append_le(bytes, kProtocolVersion);
  detail::append_le(bytes, static_cast<std::uint16_t>(M::kType));
  detail::append_le(bytes, id);
  detail::append_le(bytes, static_cast<std::uint32_t>(payload->size()));
  bytes.append(*payload);
  return bytes;
}

// How every frame begins, and every Hello that was not asked for.
inline std::string frame_mark() {
  std::string bytes;
  detail::append_le(bytes, kMagic);
  detail::append_le(bytes, kProtocolVersion);
  return bytes;
}
inline std::string hello_mark() {
  std::string bytes = frame_mark();
  detail::append_le(bytes, static_cast<std::uint16_t>(MessageType::kHello));
  detail::append_le(bytes, std::uint32_t{0});
  return bytes;
}

enum class FrameError { kNone, kBadMagic, kVersionMismatch, kOversized };

constexpr std::string_view to_string(FrameError error) {
  switch (error) {
    case FrameError::kNone:
      return "no error";
    case FrameError::kBadMagic:
      return "bad magic: not a frame";
    case FrameError::kVersionMismatch:
      return "the other side speaks another protocol version";
    case FrameError::kOversized:
      return "payload length over the limit";
  }
  return "unknown error";
}

// Cuts a stream of bytes into frames. The first error is final: there is no guessing where the next
// frame may start, what is fed afterwards is dropped. Feed, then drain next(): what is kept stays
// below one frame plus one feed.
class FrameDecoder {
 public:
  void feed(std::string_view bytes) {
    if (error_ != FrameError::kNone) return;
    buffer_.erase(0, std::exchange(consumed_, 0));
    buffer_.append(bytes);
  }

  // Nothing: more bytes are needed, or error() says why there will never be more.
  std::optional<Frame> next() {
    if (error_ != FrameError::kNone) return std::nullopt;
    if (!mark_.empty()) skip_to_mark();
    const std::string_view rest = std::string_view(buffer_).substr(consumed_);
    error_ = check_header(rest);
    if (error_ != FrameError::kNone && !mark_.empty() && rest.size() <= kMaxPayload) {
      error_ = FrameError::kNone;  // the mark may follow
      return std::nullopt;
    }
    if (error_ != FrameError::kNone) {
      buffer_.clear();
      consumed_ = 0;
      return std::nullopt;
    }
    if (rest.size() < kHeaderSize) return std::nullopt;
    const std::size_t length = detail::load_le<std::uint32_t>(rest.substr(12));
    if (rest.size() - kHeaderSize < length) return std::nullopt;
    if (rest.starts_with(mark_)) mark_.clear();
    consumed_ += kHeaderSize + length;
    return Frame{.type = static_cast<MessageType>(detail::load_le<std::uint16_t>(rest.substr(6))),
                 .id = detail::load_le<std::uint32_t>(rest.substr(8)),
                 .payload = std::string(rest.substr(kHeaderSize, length))};
  }

  // A new speaker may take over in the middle of a frame (a capture kernel's agent): it begins with
  // `mark`, the first bytes of a frame. What came before it and is no whole frame is dropped; until
  // then nothing but too much of it is an error. Ends with the frame that begins so.
  void await_speaker(std::string mark) { mark_ = std::move(mark); }

  FrameError error() const { return error_; }
  // The version the other side put into its frame, once error() is kVersionMismatch.
  std::uint16_t peer_version() const { return peer_version_; }

 private:
  // Each field is judged as soon as it is there: garbage must not make us wait for the rest of a
  // header.
  FrameError check_header(std::string_view rest) {
    if (rest.size() >= 4 && detail::load_le<std::uint32_t>(rest) != kMagic)
      return FrameError::kBadMagic;
    if (rest.size() >= 6) {
      peer_version_ = detail::load_le<std::uint16_t>(rest.substr(4));
      if (peer_version_ != kProtocolVersion) return FrameError::kVersionMismatch;
    }
    if (rest.size() >= kHeaderSize &&
        detail::load_le<std::uint32_t>(rest.substr(12)) > kMaxPayload) {
      return FrameError::kOversized;
    }
    return FrameError::kNone;
  }

  void skip_to_mark() {
    const std::size_t at = buffer_.find(mark_, consumed_);
    if (at == std::string::npos || at == consumed_) return;
    const std::string_view before = std::string_view(buffer_).substr(consumed_, at - consumed_);
    const bool whole =
        before.size() >= kHeaderSize && check_header(before) == FrameError::kNone &&
        before.size() - kHeaderSize >= detail::load_le<std::uint32_t>(before.substr(12));
    if (!whole) consumed_ = at;
  }

  std::string buffer_;
  std::string mark_;
  std::size_t consumed_ = 0;
  FrameError error_ = FrameError::kNone;
  std::uint16_t peer_version_ = 0;
};

}  // namespace rig::guest
