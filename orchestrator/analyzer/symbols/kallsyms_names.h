// SPDX-License-Identifier: Apache-2.0
// The names of kallsyms as they lie in the kernel: sequences of tokens, one name after the other.
// One name is decoded when it is asked for; finding by name costs one pass, at the first question.
// Format: scripts/kallsyms.c. A name's first decoded character is the symbol's type.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/core/virt_memory.h"
#include "base/error.h"

namespace rig::analyzer {

class KallsymsNames {
 public:
  struct Tables {
    VirtAddr names, token_table, token_index;
    std::uint32_t count = 0;
  };

  // Blame::kInput when the tokens cannot be read or no name can be reached.
  static Result<KallsymsNames> open(const VirtMemory& memory, const Tables& tables);

  // Type and name. Nothing when its bytes are not in the core or make no name.
  std::optional<std::string> at(std::uint32_t number) const;

  // The first symbol of that name.
  std::optional<std::uint32_t> find(std::string_view name) const;

  // How many symbols find() cannot find because their names are missing or broken.
  std::uint32_t lost() const;

 private:
  static constexpr std::size_t kTokens = 256;
  // Names are reached through every 256th: kallsyms_markers[] has their offsets.
  static constexpr std::uint32_t kPerBlock = 256;

  // A token's share of the hash of a name. Polynomial, so that it is the same however a name is cut
  // into tokens, and no name needs to be expanded to be hashed.
  struct Share {
    std::uint64_t factor = 1, sum = 0;
  };
  // Symbol numbers by the hash of their names: those of bucket b lie from starts[b] to starts[b+1].
  struct Index {
    unsigned bits = 0;
    std::vector<std::uint32_t> starts, numbers;
    std::uint32_t lost = 0;
  };

  Status read_tokens();
  bool take_markers();
  bool blocks_close(const std::vector<std::uint32_t>& markers) const;
  Status derive_markers();
  ByteView block(std::size_t number) const;
  const Index& index() const;
  void hash_block(std::size_t number, std::vector<std::uint64_t>& hashes, Index& index) const;
  static std::uint64_t hash_of(std::string_view name);
  static std::uint64_t bucket_of(std::uint64_t hash, unsigned bits);

  const VirtMemory* memory_ = nullptr;
  Tables tables_;
  std::array<std::string, kTokens> tokens_;
  std::array<Share, kTokens> shares_, tails_;  // of the whole token; of all but its first character
  // Where each block of names begins, and the end of the last one.
  std::vector<std::uint32_t> markers_;
  mutable std::vector<std::byte> block_bytes_;  // of the block that was read last
  mutable std::size_t block_read_ = ~std::size_t{0};
  mutable std::optional<Index> index_;
};

}  // namespace rig::analyzer
