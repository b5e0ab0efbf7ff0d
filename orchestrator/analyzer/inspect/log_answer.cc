// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/answers.h"

namespace rig::analyzer {

Result<Answer> answer_log(Session& session, Arguments arguments) {
  RIG_TRY(expect_no_arguments("log", arguments));
  RIG_ASSIGN(const KernelLog* log, session.log());
  return Answer{log->text, json_text(log->text)};
}

}  // namespace rig::analyzer
