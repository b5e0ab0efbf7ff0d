// SPDX-License-Identifier: Apache-2.0
// Which libvirt runs the guests: what `--vm` says. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace rig::vm::libvirt {

struct HostUri {
  std::string text;       // for virConnectOpen()
  fs::path root = {};     // of an embedded driver that has one; empty: ours to make
  bool embedded = false;  // the driver runs in our process, no daemon
  bool remote = false;    // on another host: files go there through libvirt
  // QEMU runs as the user that we are, or as root like us: it reads our files where they are.
  bool shares_files = false;
};

// "embed", "qemu:///embed?root=DIR", "qemu:///session", "qemu:///system", "qemu+ssh://host/system".
// Blame::kInput names these.
Result<HostUri> parse_uri(std::string_view text);

// Is it meant to be one? Else it is the name of a backend.
bool looks_like_uri(std::string_view text);

}  // namespace rig::vm::libvirt
