// SPDX-License-Identifier: Apache-2.0
// One kernel in every container, whole, cut and with flipped bits, analyzed and asked everything:
// the same answers, or what is wrong is said. Never a crash, nor a wait without end.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <random>

#include "analyzer/analyzer.h"
#include "fakes/cpu_watch.h"
#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fakes::CoreForm;
using fakes::CoreFormat;
using testing::HasSubstr;
using testing::Not;

#if defined(__SANITIZE_ADDRESS__)
constexpr int kRounds = 5;
#else
constexpr int kRounds = 20;
#endif
constexpr double kLongestAnswer = 2;  // seconds; some milliseconds are usual

const std::vector<std::vector<std::string>>& questions() {
  static const std::vector<std::vector<std::string>> kQuestions = {
      {"log"},
      {"sys"},
      {"cpus"},
      {"bt", "-a"},
      {"bt", "-A"},
      {"ps"},
      {"ps", "-p"},
      {"task"},
      {"mods"},
      {"files"},
      {"mounts"},
      {"swap"},
      {"mem"},
      {"percpu", "counter"},
      {"percpu", "0x1040", "24"},
      {"percpu", "-c"},
      {"struct", "-x", "-o", "sample"},
      {"struct", "sample", "sample", "-c", "2"},
      {"enum", "state"},
      {"whatis", "counter"},
      {"whatis", "ffffffff81800308"},
      {"whatis", "ffffffff83110102"},
      {"whatis", "0x7fff00000000"},
      {"whatis", "-p", "0x1800100"},
      {"sym", "first", "second", "sample"},
      {"sym", "-q", "a"},
      {"dis", "first"},
      {"rd", "-S", "sample", "64"},
      {"rd", "ffffffff81900000", "4"},
      {"vtop", "sample"}};
  return kQuestions;
}

struct Answers {
  std::optional<Error> refused;  // the file is no core
  std::vector<std::string> remarks;
  std::vector<std::string> texts;  // of a question that has none: "ERROR ..."
};

Answers ask_all(std::string_view bytes) {
  Answers answers;
  const UniqueFd fd(::memfd_create("core", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  auto core = Core::open(fmt::format("/proc/self/fd/{}", fd.get()));
  if (!core) {
    answers.refused = core.error();
    return answers;
  }
  Session session(*std::move(core));
  const Findings findings = analyze(session);
  EXPECT_FALSE(to_text(findings).empty());
  EXPECT_FALSE(to_json(findings).empty());
  for (const auto& question : questions()) {
    const rig::fake::CpuWatch watch;
    const auto answer = ask(session, question);
    EXPECT_LT(watch.seconds(), kLongestAnswer) << question[0];
    if (!answer) {
      EXPECT_EQ(answer.error().blame, Blame::kInput) << answer.error().message();
    }
    answers.texts.push_back(answer ? answer->text : "ERROR " + answer.error().message());
  }
  answers.remarks = session.remarks();
  return answers;
}

class HostileAnswers : public testing::TestWithParam<CoreForm> {
 protected:
  std::string file() const {
    const std::string bytes = fake::KernelCore().core().bytes(GetParam().format);
    return GetParam().flattened ? fakes::flattened(bytes, 3000) : bytes;
  }
};

TEST_P(HostileAnswers, AreTheSameFromEveryContainer) {
  static const Answers elf = ask_all(fake::KernelCore().core().bytes(CoreFormat::kElf));
  ASSERT_FALSE(elf.refused);
  const Answers answers = ask_all(file());
  ASSERT_FALSE(answers.refused) << answers.refused->message();
  for (std::size_t i = 0; i < questions().size(); ++i) {
    // What the dump left out is said by kdump; ELF does not know that it ever was.
    if (elf.texts[i].find("not in the core") != std::string::npos) continue;
    EXPECT_EQ(answers.texts[i], elf.texts[i]) << questions()[i][0];
  }
  EXPECT_THAT(answers.texts[17], HasSubstr("struct sample"));
}

TEST_P(HostileAnswers, OfACutFileAreTheSameOrTheCutIsSaid) {
  const std::string whole = file();
  const Answers right = ask_all(whole);
  std::mt19937 random(7);
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t size = random() % whole.size();
    const Answers answers = ask_all(std::string_view(whole).substr(0, size));
    if (answers.refused) {
      EXPECT_EQ(answers.refused->blame, Blame::kInput) << answers.refused->message();
      continue;
    }
    if (answers.remarks != right.remarks) continue;
    for (std::size_t i = 0; i < questions().size(); ++i) {
      EXPECT_EQ(answers.texts[i], right.texts[i])
          << questions()[i][0] << " of " << size << " of " << whole.size() << " bytes";
    }
  }
}

TEST_P(HostileAnswers, OfAFileWithFlippedBitsEndInTime) {
  const std::string whole = file();
  std::vector<std::size_t> telling;  // bytes that are not padding: most flips go there
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i] != 0) telling.push_back(i);
  }
  std::mt19937 random(42);
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = whole;
    for (unsigned flips = 1u << random() % 6; flips != 0; --flips) {
      const std::size_t at =
          random() % 4 != 0 ? telling[random() % telling.size()] + random() % 9 : random();
      bytes[at % bytes.size()] = static_cast<char>(bytes[at % bytes.size()] ^ 1 << random() % 8);
    }
    const Answers answers = ask_all(bytes);
    if (answers.refused) {
      EXPECT_EQ(answers.refused->blame, Blame::kInput) << answers.refused->message();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, HostileAnswers, testing::ValuesIn(fakes::all_core_forms()),
                         [](const auto& form) { return to_string(form.param); });

}  // namespace
}  // namespace rig::analyzer
