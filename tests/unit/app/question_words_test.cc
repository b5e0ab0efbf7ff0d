// SPDX-License-Identifier: Apache-2.0
#include "commands/question_words.h"

#include <gmock/gmock.h>

namespace rig::commands {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(QuestionWords, QuotesKeepBlanksTogether) {
  EXPECT_THAT(*words_of("ps  'a task'\t\"it's\""), ElementsAre("ps", "a task", "it's"));
  EXPECT_THAT(*words_of("sym -q \"\""), ElementsAre("sym", "-q", ""));
  EXPECT_THAT(*words_of("log\r"), ElementsAre("log"));
  EXPECT_THAT(*words_of("  "), IsEmpty());
}

TEST(QuestionWords, AQuoteThatIsNotClosedIsSaid) {
  const auto words = words_of("ps 'a task");
  ASSERT_FALSE(words);
  EXPECT_EQ(words.error().blame, Blame::kInput);
}

TEST(QuestionWords, ACommaEndsAQuestionAloneOrAtTheEndOfAWord) {
  const Words apart = {"bt", "-a", ",", "ps"}, joined = {"bt", "-a,", "ps", ","};
  EXPECT_THAT(split_questions(apart), ElementsAre(ElementsAre("bt", "-a"), ElementsAre("ps")));
  EXPECT_THAT(split_questions(joined), ElementsAre(ElementsAre("bt", "-a"), ElementsAre("ps")));
  const Words members = {"task", "-R", "comm,pid"};
  EXPECT_THAT(split_questions(members), ElementsAre(ElementsAre("task", "-R", "comm,pid")));
}

TEST(QuestionWords, AWordThatIsAWholeQuestionIsOne) {
  const Words quoted = {"bt -a", "ps", ",", "files 'a task'"};
  EXPECT_THAT(split_questions(quoted), ElementsAre(ElementsAre("bt", "-a"), ElementsAre("ps"),
                                                   ElementsAre("files", "a task")));
  const Words name = {"ps", "a task"};
  EXPECT_THAT(split_questions(name), ElementsAre(ElementsAre("ps", "a task")));
}

}  // namespace
}  // namespace rig::commands
