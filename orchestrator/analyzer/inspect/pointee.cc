// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/pointee.h"

#include "analyzer/inspect/place.h"

namespace rig::analyzer {
namespace {

// The upper half of the address space is the kernel's, on every architecture.
bool is_kernel(VirtAddr address) {
  return raw(address) >> 63 != 0 && raw(address) < ~std::uint64_t{4095};
}

std::string slab_text(const SlabHit& hit) {
  std::string text = "[" + hit.object.cache;
  if (hit.offset != 0) {
    text += hit.offset < 0 ? fmt::format("-{:#x}", -hit.offset) : fmt::format("+{:#x}", hit.offset);
  }
  if (hit.object.allocated && !*hit.object.allocated) text += ", free";
  return text + "]";
}

}  // namespace

std::string Pointee::brief(VirtAddr address) {
  if (!is_kernel(address)) return {};
  if (const auto symbol = symbol_text(kernel_, address)) return "<" + *symbol + ">";
  if (slabs_ >= kMaxSlabs) return {};
  ++slabs_;
  Whatis* whatis = session_.whatis();
  if (!whatis) return {};
  const What what = whatis->ask(address);
  return what.slab ? slab_text(*what.slab) : std::string();
}

std::string Pointee::words(VirtAddr address) {
  if (!is_kernel(address)) return {};
  if (const auto symbol = symbol_text(kernel_, address)) return *symbol;
  Whatis* whatis = session_.whatis();
  if (!whatis) return {};
  const What what = whatis->ask(address);
  if (what.slab) return slab_text(*what.slab);
  if (what.known) return what.words;
  // An area of the address space is worth a word only where something is mapped.
  return kernel_.memory().translate(address) ? what.words : std::string();
}

}  // namespace rig::analyzer
