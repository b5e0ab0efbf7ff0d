// SPDX-License-Identifier: Apache-2.0
// libvirt's objects, owned, and its errors as ours.
#pragma once

#include <libvirt/libvirt.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace rig::vm::libvirt {

struct Release {
  void operator()(virConnect* p) const { virConnectClose(p); }
  void operator()(virDomain* p) const { virDomainFree(p); }
  void operator()(virStream* p) const { virStreamFree(p); }
  void operator()(virStoragePool* p) const { virStoragePoolFree(p); }
  void operator()(virStorageVol* p) const { virStorageVolFree(p); }
  void operator()(char* p) const;  // text that libvirt gave away
};
template <class T>
using Owned = std::unique_ptr<T, Release>;

// A connection is used by the caller's thread, its worker and libvirt's event thread.
using Connection = std::shared_ptr<virConnect>;
using Domain = std::shared_ptr<virDomain>;

// What libvirt said last in this thread: "cannot create the domain: internal error: ...".
tl::unexpected<Error> fail_libvirt(std::string_view doing, Blame blame = Blame::kRig);

}  // namespace rig::vm::libvirt
