// SPDX-License-Identifier: Apache-2.0
// The functions behind the table of questions, by the file that has them.
#pragma once

#include "analyzer/inspect/question.h"

namespace rig::analyzer {

Status expect_no_arguments(std::string_view question, Arguments arguments);

// log_answer.cc
Result<Answer> answer_log(Session& session, Arguments arguments);

}  // namespace rig::analyzer
