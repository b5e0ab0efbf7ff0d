// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/decompress.h"

#include <libdeflate.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <zstd.h>

namespace rig::analyzer {

std::string_view to_string(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "uncompressed";
    case Compression::kZlib:
      return "zlib";
    case Compression::kLzo:
      return "lzo";
    case Compression::kSnappy:
      return "snappy";
    case Compression::kZstd:
      return "zstd";
  }
  return "unknown";
}

struct Decompressor::State {
  libdeflate_decompressor* deflate = nullptr;
  ZSTD_DCtx* zstd = nullptr;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    ::libdeflate_free_decompressor(deflate);
    ::ZSTD_freeDCtx(zstd);
  }

  // libdeflate unpacks a page in half of zlib's time, and the page is all there is.
  bool unpack_zlib(ByteView in, MutableBytes out) {
    if (deflate == nullptr) deflate = ::libdeflate_alloc_decompressor();
    if (deflate == nullptr) return false;
    return ::libdeflate_zlib_decompress(deflate, in.data(), in.size(), out.data(), out.size(),
                                        nullptr) == LIBDEFLATE_SUCCESS;
  }

  bool unpack_zstd(ByteView in, MutableBytes out) {
    if (zstd == nullptr) zstd = ::ZSTD_createDCtx();
    if (zstd == nullptr) return false;
    return ::ZSTD_decompressDCtx(zstd, out.data(), out.size(), in.data(), in.size()) == out.size();
  }
};

namespace {

bool unpack_lzo(ByteView in, MutableBytes out) {
  lzo_uint size = out.size();
  return ::lzo1x_decompress_safe(reinterpret_cast<const unsigned char*>(in.data()), in.size(),
                                 reinterpret_cast<unsigned char*>(out.data()), &size,
                                 nullptr) == LZO_E_OK &&
         size == out.size();
}

bool unpack_snappy(ByteView in, MutableBytes out) {
  const auto* source = reinterpret_cast<const char*>(in.data());
  std::size_t size = 0;
  if (::snappy_uncompressed_length(source, in.size(), &size) != SNAPPY_OK) return false;
  if (size != out.size()) return false;
  return ::snappy_uncompress(source, in.size(), reinterpret_cast<char*>(out.data()), &size) ==
         SNAPPY_OK;
}

}  // namespace

Decompressor::Decompressor() : state_(std::make_unique<State>()) {}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

bool Decompressor::unpack(Compression compression, ByteView in, MutableBytes out) {
  switch (compression) {
    case Compression::kNone:
      if (in.size() != out.size()) return false;
      std::memcpy(out.data(), in.data(), in.size());
      return true;
    case Compression::kZlib:
      return state_->unpack_zlib(in, out);
    case Compression::kLzo:
      return unpack_lzo(in, out);
    case Compression::kSnappy:
      return unpack_snappy(in, out);
    case Compression::kZstd:
      return state_->unpack_zstd(in, out);
  }
  return false;
}

}  // namespace rig::analyzer
