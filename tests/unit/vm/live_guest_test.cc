// SPDX-License-Identifier: Apache-2.0
// Guests of a QEMU that is not ours: a scripted one, whose "process" is this one, and a real one.
#include "vm/live.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "fakes/scripted_qmp.h"
#include "fakes/tiny_kernel.h"
#include "unit/vm/real_machine.h"
#include "vm/child.h"
#include "vm/qmp.h"

namespace rig::vm {
namespace {

using fakes::ScriptedQmp;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

template <typename T>
std::string bytes_of(const T& value) {
  return std::string(as_text(std::as_bytes(std::span(&value, 1))));
}

// An ELF dump of one range of memory with a note, as QEMU streams it.
std::string dump_of(std::uint64_t begin, std::string_view memory) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_type = ET_CORE;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 2;
  const std::uint64_t notes = sizeof header + 2 * sizeof(Elf64_Phdr);
  const Elf64_Phdr note{PT_NOTE, 0, notes, 0, 0, 16, 16, 0};
  const Elf64_Phdr load{PT_LOAD, 0, notes + 16, 0, begin, memory.size(), memory.size(), 0};
  return bytes_of(header) + bytes_of(note) + bytes_of(load) + "0123456789abcdef" +
         std::string(memory);
}

class LiveGuestTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kBegin = 0x100000;

  // What a QEMU does whose guest's memory is memory_.
  std::map<std::string, ScriptedQmp::Handler> handlers() {
    return {
        {"query-status",
         [this](ScriptedQmp&, ScriptedQmp::Call& call) {
           return ScriptedQmp::ok(call, fmt::format(R"({{"status": "{}"}})", status_));
         }},
        {"stop",
         [this](ScriptedQmp&, ScriptedQmp::Call& call) {
           status_ = "paused";
           return ScriptedQmp::ok(call);
         }},
        {"cont",
         [this](ScriptedQmp&, ScriptedQmp::Call& call) {
           status_ = "running";
           return ScriptedQmp::ok(call);
         }},
        {"getfd",
         [this](ScriptedQmp&, ScriptedQmp::Call& call) {
           dump_to_ = std::move(call.fd);
           return ScriptedQmp::ok(call);
         }},
        {"dump-guest-memory",
         [this](ScriptedQmp&, ScriptedQmp::Call& call) {
           std::string_view rest = dump_;
           while (!rest.empty()) {
             const ssize_t count = ::write(dump_to_.get(), rest.data(), rest.size());
             if (count <= 0) return ScriptedQmp::refuse(call, "dump: failed to save memory");
             rest.remove_prefix(static_cast<std::size_t>(count));
           }
           dump_to_.reset();
           return ScriptedQmp::ok(call);
         }},
        {"human-monitor-command",
         [this](ScriptedQmp&, ScriptedQmp::Call& call) {
           return ScriptedQmp::ok(
               call, boost::json::serialize(boost::json::value(
                         monitor(std::string(call.arguments.at("command-line").as_string())))));
         }},
        {"pmemsave",
         [this](ScriptedQmp&, ScriptedQmp::Call& call) {
           const auto at = static_cast<std::uint64_t>(call.arguments.at("val").as_int64()) - kBegin;
           const auto size = static_cast<std::uint64_t>(call.arguments.at("size").as_int64());
           std::ofstream(std::string(call.arguments.at("filename").as_string()))
               << memory_.substr(at, size);
           return ScriptedQmp::ok(call);
         }},
    };
  }
  std::string monitor(const std::string& line) {
    if (!monitor_works_) return "unknown command\r\n";
    const auto address = std::stoull(line.substr(line.find("0x")), nullptr, 16);
    if (line.starts_with("gpa2hva")) {
      return fmt::format("Host virtual address for {:#x} (pc.ram) is {}\r\n", address,
                         fmt::ptr(seen_.data() + (address - kBegin)));
    }
    std::uint64_t words[2];
    std::memcpy(words, memory_.data() + (address - kBegin), sizeof words);
    return fmt::format("{:016x}: {:#018x} {:#018x}\r\n", address, words[0], words[1]);
  }
  Result<std::unique_ptr<LiveGuest>> open(ScriptedQmp& server, std::stop_token stop = {}) {
    return LiveGuest::create(server.client(), eventually(), std::move(stop));
  }
  std::string read(LiveGuest& guest, std::uint64_t address, std::size_t size) {
    std::string text(size, '?');
    const Status got = guest.read(PhysAddr{address}, std::as_writable_bytes(std::span(text)));
    EXPECT_TRUE(got) << got.error().message();
    return text;
  }

  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);  // as QEMU does
    for (std::size_t i = 0; i < memory_.size(); ++i) memory_[i] = static_cast<char>(i / 1000 + i);
    seen_ = memory_;
    dump_ = dump_of(kBegin, memory_);
  }

  std::string memory_ = std::string(1 << 20, '\0');
  std::string seen_;  // what lies where gpa2hva points
  std::string dump_;
  std::string status_ = "running";
  bool monitor_works_ = true;
  UniqueFd dump_to_;
};

TEST_F(LiveGuestTest, ARunningGuestIsHeldReadAndLetGo) {
  ScriptedQmp server(handlers());
  {
    const auto guest = open(server);
    ASSERT_TRUE(guest) << guest.error().message();
    EXPECT_EQ(status_, "paused");
    EXPECT_TRUE((*guest)->was_running());
    EXPECT_TRUE((*guest)->reads_process());
    EXPECT_EQ(read(**guest, kBegin + 12345, 70000), memory_.substr(12345, 70000));
    std::byte one{};
    const Status outside = (*guest)->read(PhysAddr{kBegin - 1}, MutableBytes(&one, 1));
    ASSERT_FALSE(outside);
    EXPECT_EQ(outside.error().blame, Blame::kInput);
  }
  EXPECT_EQ(status_, "running");
}

TEST_F(LiveGuestTest, HeadersAreACoreOfTheNotesAndRangesWithoutBytes) {
  ScriptedQmp server(handlers());
  const auto guest = open(server);
  ASSERT_TRUE(guest) << guest.error().message();
  ASSERT_EQ((*guest)->ranges().size(), 1u);
  EXPECT_EQ((*guest)->ranges()[0].begin, PhysAddr{kBegin});
  EXPECT_EQ((*guest)->ranges()[0].size, memory_.size());
  const std::string& core = (*guest)->headers();
  EXPECT_THAT(core, HasSubstr("0123456789abcdef"));
  EXPECT_LT(core.size(), 4096u);
  const auto load = rig::load<Elf64_Phdr>(as_bytes(core), sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr));
  ASSERT_TRUE(load);
  EXPECT_EQ(load->p_filesz, 0u);
  EXPECT_EQ(load->p_memsz, memory_.size());
}

TEST_F(LiveGuestTest, AGuestThatWasStoppedStaysAsItWas) {
  status_ = "guest-panicked";
  ScriptedQmp server(handlers());
  {
    const auto guest = open(server);
    ASSERT_TRUE(guest) << guest.error().message();
    EXPECT_FALSE((*guest)->was_running());
  }
  EXPECT_EQ(status_, "guest-panicked");
  EXPECT_THAT(server.commands(), Not(Contains("stop")));
  EXPECT_THAT(server.commands(), Not(Contains("cont")));
}

TEST_F(LiveGuestTest, AGuestThatPanickedMeanwhileIsNotLetGo) {
  ScriptedQmp server(handlers());
  {
    const auto guest = open(server);
    ASSERT_TRUE(guest);
    status_ = "guest-panicked";
  }
  EXPECT_EQ(status_, "guest-panicked");
}

TEST_F(LiveGuestTest, WithoutItsProcessMemoryComesThroughPmemsave) {
  monitor_works_ = false;
  ScriptedQmp server(handlers());
  const auto guest = open(server);
  ASSERT_TRUE(guest) << guest.error().message();
  EXPECT_FALSE((*guest)->reads_process());
  EXPECT_EQ(read(**guest, kBegin + 200000, 400000), memory_.substr(200000, 400000));
  EXPECT_EQ(read(**guest, kBegin + memory_.size() - 8, 8), memory_.substr(memory_.size() - 8));
}

TEST_F(LiveGuestTest, AProcessThatDoesNotHoldTheGuestIsNotBelieved) {
  for (char& each : seen_) each = static_cast<char>(each + 1);
  ScriptedQmp server(handlers());
  const auto guest = open(server);
  ASSERT_TRUE(guest) << guest.error().message();
  EXPECT_FALSE((*guest)->reads_process());
  EXPECT_EQ(read(**guest, kBegin, 100), memory_.substr(0, 100));
}

TEST_F(LiveGuestTest, NonsenseIsAnErrorAndTheGuestRunsOn) {
  struct Case {
    std::string command, answer, what;
  };
  const Case cases[] = {
      {"dump-guest-memory", "{}", "ended before its memory"},
      {"getfd", "", ""},
      {"query-status", "{}", "without a status"},
      {"query-status", "7", "without a status"},
  };
  for (const Case& each : cases) {
    status_ = "running";
    auto all = handlers();
    all[each.command] = [&](ScriptedQmp&, ScriptedQmp::Call& call) {
      dump_to_.reset();
      return each.answer.empty() ? ScriptedQmp::refuse(call, "no")
                                 : ScriptedQmp::ok(call, each.answer);
    };
    ScriptedQmp server(all);
    const auto guest = open(server);
    ASSERT_FALSE(guest) << each.command;
    EXPECT_EQ(guest.error().blame, Blame::kRig);
    EXPECT_THAT(guest.error().what, HasSubstr(each.what));
    EXPECT_EQ(status_, "running") << each.command;
  }
}

TEST_F(LiveGuestTest, ADumpThatIsNoneIsAnErrorAndTheGuestRunsOn) {
  std::string endless = dump_;
  endless.replace(offsetof(Elf64_Ehdr, e_phnum), 2, "\xff\xff");
  for (const std::string& dump : {std::string(5000, 'x'), endless, dump_.substr(0, 100)}) {
    status_ = "running";
    dump_ = dump;
    ScriptedQmp server(handlers());
    const auto guest = open(server);
    ASSERT_FALSE(guest);
    EXPECT_EQ(guest.error().blame, Blame::kRig);
    EXPECT_EQ(status_, "running");
  }
}

TEST_F(LiveGuestTest, CancelledWhileQemuIsSilentTheGuestRunsOn) {
  std::stop_source source;
  auto all = handlers();
  all["human-monitor-command"] = [&](ScriptedQmp&, ScriptedQmp::Call& call) {
    source.request_stop();
    return ScriptedQmp::ok(call, "\"late\"");
  };
  ScriptedQmp server(all);
  const auto guest = open(server, source.get_token());
  ASSERT_FALSE(guest);
  EXPECT_EQ(guest.error().blame, Blame::kCancelled);
  EXPECT_EQ(status_, "running");
}

// A QEMU with two monitors: one for the code under test, one for a look at what it did.
class RealLiveGuestTest : public RealMachineTest {
 protected:
  void SetUp() override {
    const fs::path kernel = folder_->path() / "kernel";
    ASSERT_TRUE(write_file_atomically(kernel, fakes::tiny_kernel(kText, fakes::TinyEnd::kSpin)));
    const fs::path serial = folder_->path() / "serial";
    const auto monitor = [&](const char* name) {
      return fmt::format("unix:{},server=on,wait=off", (folder_->path() / name).string());
    };
    auto child =
        Child::start(loop_,
                     {"qemu-system-x86_64",
                      {"-machine", "q35,accel=tcg", "-m", "64M", "-display", "none", "-nodefaults",
                       "-kernel", kernel.string(), "-serial", "file:" + serial.string(), "-qmp",
                       monitor("first"), "-qmp", monitor("second")},
                      {},
                      {}},
                     {});
    ASSERT_TRUE(child) << child.error().message();
    qemu_ = std::move(*child);
    const auto greeted = [&] { return read_file(serial).value_or("").find("hello") != npos; };
    while (!greeted() && qemu_->alive() && !started_.expired()) {
      loop_.run_until([] { return false; }, Deadline::after(std::chrono::milliseconds(5)));
    }
    ASSERT_TRUE(greeted()) << qemu_->output();
  }
  // "running", as QEMU tells on its other monitor; after the command, if any.
  std::string status(std::string_view command = "query-status") {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (folder_->path() / "second").string().copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::connect(fd.get(), name, sizeof address), 0);
    auto qmp = Qmp::create(loop_, std::move(fd), [](const QmpEvent&) {}).value();
    EXPECT_TRUE(qmp->connect(eventually()));
    EXPECT_TRUE(qmp->execute(command, {}, eventually()));
    const auto reply = qmp->execute("query-status", {}, eventually());
    return reply ? std::string(reply->at("status").as_string()) : reply.error().message();
  }

  static constexpr auto npos = std::string::npos;
  static constexpr std::string_view kText = "hello from a guest that is not ours\r\n";
  Deadline started_ = eventually();
  Loop loop_ = Loop::create().value();
  std::unique_ptr<Child> qemu_;
};

TEST_F(RealLiveGuestTest, IsHeldReadDirectlyAndRunsOnAfterwards) {
  {
    const auto guest = open_live(folder_->path() / "first", eventually());
    ASSERT_TRUE(guest) << guest.error().message();
    EXPECT_TRUE((*guest)->reads_process());
    EXPECT_EQ(status(), "paused");
    std::uint64_t memory = 0;
    for (const LiveRange& range : (*guest)->ranges()) memory += range.size;
    EXPECT_GE(memory, 63u << 20);
    std::string text(kText.size(), '?');
    ASSERT_TRUE((*guest)->read(PhysAddr{0x100280}, std::as_writable_bytes(std::span(text))));
    EXPECT_EQ(text, kText);
    EXPECT_THAT((*guest)->headers(), HasSubstr("CORE"));
  }
  EXPECT_EQ(status(), "running");
}

TEST_F(RealLiveGuestTest, WasPausedAndStaysPausedAndCanBeDumpedAgain) {
  EXPECT_EQ(status("stop"), "paused");
  for (int round = 0; round < 2; ++round) {
    const auto guest = open_live(folder_->path() / "first", eventually());
    ASSERT_TRUE(guest) << guest.error().message();
    EXPECT_FALSE((*guest)->was_running());
  }
  EXPECT_EQ(status(), "paused");
}

TEST_F(RealLiveGuestTest, RunsOnWhenItsReaderEndsWithoutAWord) {
  const pid_t reader = ::fork();
  ASSERT_GE(reader, 0);
  if (reader == 0) {
    const auto guest = open_live(folder_->path() / "first", eventually());
    ::_exit(guest && (*guest)->was_running() && status() == "paused" ? 0 : 1);
  }
  int result = -1;
  ASSERT_EQ(::waitpid(reader, &result, 0), reader);
  EXPECT_EQ(result, 0);
  const Deadline deadline = eventually();
  std::string now;
  while ((now = status()) != "running" && !deadline.expired()) sched_yield();
  EXPECT_EQ(now, "running");
  const auto again = open_live(folder_->path() / "first", eventually());
  EXPECT_TRUE(again) << again.error().message();
}

TEST(OpenLive, WhereNothingListensIsTheUsersFault) {
  const auto guest = open_live("/nonexistent/qmp.sock", eventually());
  ASSERT_FALSE(guest);
  EXPECT_EQ(guest.error().blame, Blame::kInput);
  EXPECT_THAT(guest.error().what, HasSubstr("/nonexistent/qmp.sock"));
  EXPECT_EQ(open_live(std::string(200, 'x'), eventually()).error().blame, Blame::kInput);
}

}  // namespace
}  // namespace rig::vm
