// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/handles.h"

#include <libvirt/virterror.h>

#include <cstdlib>

#include "base/text.h"

namespace rig::vm::libvirt {

void Release::operator()(char* p) const {
  std::free(p);
}

tl::unexpected<Error> fail_libvirt(std::string_view doing, Blame blame) {
  const virError* error = virGetLastError();
  const std::string said =
      error != nullptr && error->message != nullptr ? printable(trim(error->message)) : "no reason";
  return fail(blame, "libvirt: {}: {}", doing, said);
}

}  // namespace rig::vm::libvirt
