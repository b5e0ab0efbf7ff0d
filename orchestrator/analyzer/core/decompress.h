// SPDX-License-Identifier: Apache-2.0
// The compressions that a page of a kdump-compressed core can have.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace rig::analyzer {

// The flags of a page descriptor, and of the dump header's status.
// Source: makedumpfile diskdump_mod.h (DUMP_DH_COMPRESSED_*).
enum class Compression : std::uint32_t {
  kNone = 0,
  kZlib = 0x1,
  kLzo = 0x2,
  kSnappy = 0x4,
  kZstd = 0x20,
};
std::string_view to_string(Compression compression);

// Keeps what the libraries want to keep between calls. Input may be anything.
class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  // True when `in` unpacks to exactly out.size() bytes; otherwise what is in `out` is undefined.
  bool unpack(Compression compression, ByteView in, MutableBytes out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rig::analyzer
