// SPDX-License-Identifier: Apache-2.0
// What each word of an object is by itself, whatever struct it may belong to: the start of a
// function, a pointer into a slab, into the object itself, a number. Looked up when it is asked
// for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/slab/slab_reader.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

enum class WordKind : std::uint8_t {
  kZero,
  kUnknown,   // not in the core, poison, or known to be somebody else's: speaks neither way
  kNumber,    // no address
  kError,     // a small negative number: ERR_PTR()
  kUser,      // a canonical address below the kernel's
  kPoison,    // LIST_POISON1, LIST_POISON2
  kFunction,  // exactly where a function begins
  kCode,      // elsewhere in code
  kSelf,      // into the object
  kKernel,    // elsewhere in the kernel's half of the address space
};

class ObjectWords {
 public:
  struct SlabPlace {
    std::string cache;
    std::uint64_t object_size = 0;
    std::uint64_t offset = 0;  // of the pointer within the object
  };
  struct FunctionName {
    std::string name;
    const Module* module = nullptr;
  };
  enum class Links { kNone, kOne, kBoth };  // how many neighbours point back

  // `content`: the object's bytes, as far as the core has them. `slabs` and `kernel` outlive it.
  ObjectWords(const Kernel& kernel, SlabReader& slabs, VirtAddr object,
              std::vector<std::byte> content);

  // Bytes that tell nothing about the type in question; before anything is asked.
  void ignore(std::uint64_t offset, std::uint64_t size);

  const Kernel& kernel() const { return kernel_; }
  VirtAddr object() const { return object_; }
  std::uint64_t size() const { return content_.size(); }
  ByteView content() const { return content_; }
  bool known(std::uint64_t offset, std::uint64_t size) const;

  // Of the word at `offset`, a multiple of 8.
  std::uint64_t value(std::uint64_t offset) const;
  WordKind kind(std::uint64_t offset) const;
  // Of a word of kind kFunction.
  const FunctionName* function(std::uint64_t offset) const;

  // Where the pointer at `offset` leads; null: into no slab.
  const SlabPlace* slab(std::uint64_t offset);
  // The pointer at `offset` leads to memory that there is.
  bool mapped(std::uint64_t offset);
  // As a list_head: do the neighbours' pointers lead back here?
  Links links(std::uint64_t offset);
  // As a hlist_node: does what `pprev` leads to point here?
  bool hashed(std::uint64_t offset);
  // The word that the pointer at `offset` leads to, `distance` bytes on.
  std::optional<std::uint64_t> pointee(std::uint64_t offset, std::uint64_t distance);

 private:
  struct Word {
    WordKind kind = WordKind::kZero;
    std::optional<FunctionName> function;
    std::optional<std::optional<SlabPlace>> slab;
    std::optional<bool> mapped;
    std::optional<Links> links;
    std::optional<bool> hashed;
  };

  Word classify(std::uint64_t value) const;
  Word* word(std::uint64_t offset);

  const Kernel& kernel_;
  SlabReader& slabs_;
  VirtAddr object_{};
  std::vector<std::byte> content_;
  std::vector<bool> ignored_;  // by byte
  std::vector<Word> words_;
};

}  // namespace rig::analyzer
