// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>

#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"

namespace rig::analyzer {

Result<Answer> answer_log(Session& session, Arguments arguments) {
  RIG_TRY(expect_no_arguments("log", arguments));
  RIG_ASSIGN(const KernelLog* log, session.log());
  return Answer{log->text, boost::json::serialize(boost::json::value(utf8(log->text)))};
}

}  // namespace rig::analyzer
