// SPDX-License-Identifier: Apache-2.0
// The functions behind the table of questions, by the file that has them.
#pragma once

#include "analyzer/inspect/question.h"

namespace rig::analyzer {

Status expect_no_arguments(std::string_view question, Arguments arguments);

// audit_answer.cc
Result<Answer> answer_audit(Session& session, Arguments arguments);
// address_answer.cc: of `whatis`
Result<Answer> answer_address(Session& session, VirtAddr address);
Result<Answer> answer_physical(Session& session, PhysAddr address);
// bt_answer.cc
Result<Answer> answer_bt(Session& session, Arguments arguments);
// cpus_answer.cc
Result<Answer> answer_cpus(Session& session, Arguments arguments);
// dis_answer.cc
Result<Answer> answer_dis(Session& session, Arguments arguments);
// fault_answer.cc
Result<Answer> answer_fault(Session& session, Arguments arguments);
// files_answer.cc
Result<Answer> answer_files(Session& session, Arguments arguments);
Result<Answer> answer_mounts(Session& session, Arguments arguments);
Result<Answer> answer_swap(Session& session, Arguments arguments);
// log_answer.cc
Result<Answer> answer_log(Session& session, Arguments arguments);
// mem_answer.cc
Result<Answer> answer_mem(Session& session, Arguments arguments);
// mods_answer.cc
Result<Answer> answer_mods(Session& session, Arguments arguments);
// percpu_answer.cc
Result<Answer> answer_percpu(Session& session, Arguments arguments);
// ps_answer.cc
Result<Answer> answer_ps(Session& session, Arguments arguments);
// rd_answer.cc
Result<Answer> answer_rd(Session& session, Arguments arguments);
// slab_answer.cc
Result<Answer> answer_slab(Session& session, Arguments arguments);
// struct_answer.cc: also for `union` and `enum`
Result<Answer> answer_struct(Session& session, Arguments arguments);
Result<Answer> answer_whatis(Session& session, Arguments arguments);
// sym_answer.cc
Result<Answer> answer_sym(Session& session, Arguments arguments);
// sys_answer.cc
Result<Answer> answer_sys(Session& session, Arguments arguments);
// task_answer.cc
Result<Answer> answer_task(Session& session, Arguments arguments);
// vtop_answer.cc
Result<Answer> answer_vtop(Session& session, Arguments arguments);
// who_answer.cc
Result<Answer> answer_who(Session& session, Arguments arguments);

}  // namespace rig::analyzer
