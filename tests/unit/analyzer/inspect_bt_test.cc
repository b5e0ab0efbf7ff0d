// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <filesystem>

#include "analyzer/inspect/question.h"
#include "fakes/mapped_core.h"
#include "fakes/orc_kernel.h"

namespace rig::analyzer {
namespace {

namespace json = boost::json;

using fake::OrcKernel;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t kTop = OrcKernel::kStack + OrcKernel::kStackSize;

// CPU 1 panicked in the handler of a page fault that task 42 took; CPU 0's task is not known.
class Bt : public testing::Test {
 protected:
  Bt() {
    OrcKernel guest;
    guest.symbols = {{0x1'fb80, 'D', "current_task"}, {0x1'fb90, 'D', "__preempt_count"}};
    const auto panic = guest.plain("panic", 0);
    const auto entry = guest.function("asm_exc_page_fault");
    guest.row({.address = entry, .sp_reg = fake::kSp, .type = fake::kRegs});
    const auto victim = guest.plain("victim_function", 1);
    const auto fork = guest.function("ret_from_fork");
    guest.row({.address = fork, .end = true});
    const std::uint64_t frame = kTop - 0x200;
    guest.push(frame - 8, guest.after_call(entry, 0x22));
    guest.registers(frame, victim + 0xa3, kTop - 0x100, false, {{40, 0x106}});
    guest.push(kTop - 0xf8, guest.after_call(fork, 0x22));
    guest.push(OrcKernel::kTask + 32, OrcKernel::kStack);
    guest.memory.put(OrcKernel::kTask + 64, std::uint32_t{42});
    guest.memory.put_text(OrcKernel::kTask + 80, "vic\x1b[1mtim");
    guest.push(OrcKernel::kPerCpu + 0x1'fb80, 0);
    guest.push(OrcKernel::kPerCpu + 0x10'0000 + 0x1'fb80, OrcKernel::kTask);
    guest.memory.put(OrcKernel::kPerCpu + 0x10'0000 + 0x1'fb90, std::uint32_t{0x80110003});
    guest.kernel();
    fake::MappedCore mapped(guest.memory, guest.lines);
    mapped.cpu(panic + 0x10, 0xffff'c900'0000'0000, OrcKernel::kPerCpu);
    mapped.cpu(panic + 0x10, frame - 8, OrcKernel::kPerCpu + 0x10'0000);
    const auto path = std::filesystem::path(testing::TempDir()) /
                      fmt::format("bt-{}.core", static_cast<const void*>(this));
    EXPECT_TRUE(mapped.core.write(path, fakes::CoreFormat::kElf));
    auto core = Core::open(path);
    std::filesystem::remove(path);
    EXPECT_TRUE(core) << (core ? "" : core.error().message());
    session_.emplace(*std::move(core));
  }

  Result<Answer> ask(const std::vector<std::string>& words) {
    return analyzer::ask(*session_, words);
  }
  std::string text(const std::vector<std::string>& words) {
    const auto answer = ask(words);
    return answer ? answer->text : "error: " + answer.error().message();
  }

  std::optional<Session> session_;
};

TEST_F(Bt, ShowsTheTaskThatPanickedWithTheRegistersOfTheExceptionInPlace) {
  const auto shown = text({"bt"});
  EXPECT_THAT(shown, HasSubstr("PID: 42 "));
  EXPECT_THAT(shown, HasSubstr("TASK: ffff888005000000  CPU: 1    COMMAND: \"vic [1mtim\""));
  EXPECT_THAT(shown, HasSubstr(" #0 [ffffc90000013df8] panic+0x10 at"));
  EXPECT_THAT(shown, HasSubstr("[interrupted: victim_function+0xa3; asm_exc_page_fault saved its "
                               "registers at ffffc90000013e00]"));
  EXPECT_THAT(shown, HasSubstr("RBX: 0000000000000106"));
  EXPECT_THAT(shown, HasSubstr(" #2 [ffffc90000013f00] victim_function+0xa3 at"));
  EXPECT_THAT(shown, HasSubstr("end: the task was started here\n"));
  EXPECT_THAT(shown, Not(HasSubstr("--- <"))) << "it never left its own stack";
}

TEST_F(Bt, OfAllCpusEvenOfOneWhoseTaskIsNotKnown) {
  const auto shown = text({"bt", "-a"});
  EXPECT_THAT(shown, HasSubstr("PID: ?        TASK: ?  CPU: 0"));
  EXPECT_THAT(shown, HasSubstr("PID: 42 "));
}

TEST_F(Bt, ATaskIsFoundByItsPidItsAddressAndItsCommand) {
  const auto shown = text({"bt"});
  EXPECT_EQ(text({"bt", "42"}), shown);
  EXPECT_EQ(text({"bt", "ffff888005000000"}), shown);
  EXPECT_EQ(text({"bt", "0xffff888005000000"}), shown);
  EXPECT_EQ(text({"bt", "vic\x1b[1mtim"}), shown);
  EXPECT_THAT(text({"bt", "43"}), HasSubstr("no task has the PID"));
  EXPECT_THAT(text({"bt", "-x"}), HasSubstr("no option '-x'"));
  EXPECT_THAT(text({"bt", "-a", "42"}), HasSubstr("cannot be asked for together"));
}

TEST_F(Bt, OnlyExceptionsAreShownWhenAskedForThem) {
  const auto shown = text({"bt", "-e"});
  EXPECT_THAT(shown, HasSubstr("#2 "));
  EXPECT_THAT(shown, Not(HasSubstr("#0 ")));
}

TEST_F(Bt, TheWordsOfEachFrameReachUpToItsCallers) {
  const auto shown = text({"bt", "-f"});
  // panic(): only the return address into the entry code.
  EXPECT_THAT(shown, HasSubstr("\n    ffffc90000013df8: "));
  EXPECT_THAT(shown, Not(HasSubstr("\n    ffffc90000013df0")));
  // The frame of the exception, with RBX in it.
  EXPECT_THAT(shown, HasSubstr("\n    ffffc90000013e20: 0000000000000000 0000000000000106\n"));
  const auto answer = ask({"bt", "-f"});
  ASSERT_TRUE(answer);
  const auto words = json::parse(answer->json).at(0).at("words").as_array();
  ASSERT_EQ(words.size(), 4u);
  EXPECT_EQ(words[0].at("words").as_array().size(), 1u);
  EXPECT_EQ(words[1].at("address").as_string(), "0xffffc90000013e00");
}

TEST_F(Bt, JsonHasTheFramesAsFindingsHaveThem) {
  const auto answer = ask({"bt"});
  ASSERT_TRUE(answer) << answer.error().message();
  const auto traces = json::parse(answer->json).as_array();
  ASSERT_EQ(traces.size(), 1u);
  const auto& trace = traces[0].as_object();
  EXPECT_EQ(trace.at("task").at("pid").as_int64(), 42);
  EXPECT_TRUE(trace.at("panicking").as_bool());
  const auto& frames = trace.at("backtrace").at("frames").as_array();
  ASSERT_EQ(frames.size(), 4u);
  EXPECT_EQ(frames[2].at("function").as_string(), "victim_function");
  EXPECT_EQ(frames[2].at("exception").as_string(), "asm_exc_page_fault");
  EXPECT_EQ(frames[2].at("registers_at").as_string(), "0xffffc90000013e00");
}

TEST_F(Bt, CpusTellTheirContextInWords) {
  const auto shown = text({"cpus"});
  EXPECT_THAT(shown, HasSubstr("CPU 0: its task is not known"));
  EXPECT_THAT(shown, HasSubstr("CPU 1 (panicked): PID 42"));
  EXPECT_THAT(shown, HasSubstr("in NMI, preempt_count 80110003 (NMI 1, hardirq 1, softirq 0, "
                               "preempt 3), interrupts off"));
  EXPECT_THAT(shown, HasSubstr("at panic+0x10"));
}

}  // namespace
}  // namespace rig::analyzer
