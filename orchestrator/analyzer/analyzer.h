// SPDX-License-Identifier: Apache-2.0
// One core in, the explanation out. Needs nothing but the file: no debuginfo, no network, no rig.
#pragma once

#include <string>

#include "analyzer/facts/session.h"
#include "analyzer/findings.h"
#include "base/error.h"
#include "base/file.h"

namespace rig::analyzer {

struct Options {
  unsigned stack_words = 128;  // how far above the exception's stack pointer pointers are followed
  // Per-CPU variables whose values are wanted: facts/percpu_values.h.
  std::vector<std::string> percpu = {};
};

// The digest of everything. A core that can be opened always yields findings: what cannot be
// established is absent and remarked on.
Findings analyze(Session& session, const Options& options = {});
// Blame::kInput when the file is no core we can read.
Result<Findings> analyze(const fs::path& core, const Options& options = {});

// What the kernel itself wrote into the log of a core, as dmesg prints it; nothing that programs
// did. Blame::kInput too when some of it is broken or missing.
Result<std::string> kernels_log(const fs::path& core);

// For people: the report that `crashrig analyze` prints.
std::string to_text(const Findings& findings);
// For programs: one JSON document, schema in docs/FINDINGS.md, `"schema": 1`.
std::string to_json(const Findings& findings);

}  // namespace rig::analyzer
