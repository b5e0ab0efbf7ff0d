// SPDX-License-Identifier: Apache-2.0
// A guest of a few objects: types are declared by their members, laid out here, and objects are
// filled in by the same paths that the facts read them by.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/symbols/kernel.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer::fake {

class FakeGuest {
 public:
  using Fields = std::vector<std::pair<std::string, int>>;

  FakeGuest() {
    u64 = sized(btf_.integer("unsigned long", 8), 8);
    u32 = sized(btf_.integer("unsigned int", 4), 4);
    s8 = sized(btf_.integer("signed char", 1), 1);
    pointer = sized(btf_.pointer(), 8);
    comm = array(sized(btf_.integer("char", 1), 1), 16);
    list_head = type("list_head", {{"next", pointer}, {"prev", pointer}});
    hlist_head = type("hlist_head", {{"first", pointer}});
    hlist_node = type("hlist_node", {{"next", pointer}, {"pprev", pointer}});
    atomic64 = type("atomic64_t", {{"counter", u64}});
  }

  // Each member begins at a multiple of 8.
  int type(const std::string& name, const Fields& fields) {
    std::vector<BtfBuilder::Field> placed;
    unsigned at = 0;
    for (const auto& [field, id] : fields) {
      placed.push_back({field, id, at});
      at += static_cast<unsigned>(align_up(sizes_.at(id), 8));
    }
    return sized(btf_.structure(name.c_str(), at, placed), at);
  }
  int array(int of, unsigned count) { return sized(btf_.array(of, count), sizes_.at(of) * count); }
  void enumeration(const char* name, const std::vector<std::pair<std::string, int>>& values) {
    btf_.enumeration(name, values);
  }

  // A zeroed object; its type must be declared before anything is read.
  VirtAddr make(std::string_view name) { return room(types().size_of(name).value()); }
  VirtAddr room(std::uint64_t size) {
    const VirtAddr at{next_};
    next_ += align_up(size + 64, 64);
    const std::vector<std::byte> zeroes(size);
    memory.pages.write(raw(at), zeroes);
    return at;
  }

  VirtAddr place(VirtAddr object, std::string_view path) {
    return object + types().member(path).value().offset;
  }
  void set(VirtAddr object, std::string_view path, std::uint64_t value) {
    const auto member = types().member(path);
    ASSERT_TRUE(member) << path;
    memory.pages.write(raw(object) + member->offset,
                       std::as_bytes(std::span(&value, 1)).first(member->size));
  }
  void set(VirtAddr object, std::string_view path, VirtAddr value) {
    set(object, path, raw(value));
  }
  void set_text(VirtAddr object, std::string_view path, std::string_view text) {
    memory.put_text(raw(place(object, path)), text);
  }
  // A char * to `text`.
  void set_string(VirtAddr object, std::string_view path, std::string_view text) {
    const VirtAddr at = room(text.size() + 1);
    memory.put_text(raw(at), text);
    set(object, path, at);
  }

  // Links the list_heads at `path` of the objects after the one at `head`.
  void link(VirtAddr head, std::string_view path, const std::vector<VirtAddr>& objects) {
    VirtAddr last = head;
    for (const VirtAddr each : objects) {
      memory.put(raw(last), raw(place(each, path)));
      last = place(each, path);
    }
    memory.put(raw(last), raw(head));
  }

  void symbol(const std::string& name, VirtAddr at) {
    lines_ += fmt::format("SYMBOL({})={:x}\n", name, raw(at));
  }
  void info(const std::string& line) { lines_ += line + "\n"; }
  // A variable of 8 bytes.
  VirtAddr variable(const std::string& name, std::uint64_t value) {
    const VirtAddr at = room(8);
    memory.put(raw(at), value);
    symbol(name, at);
    return at;
  }

  Btf& types() {
    if (!types_) types_ = btf_.build();
    return *types_;
  }
  // As of now: symbols named later are not in it.
  const Kernel& kernel(std::optional<Modules> modules = {}) {
    info_.emplace(lines_);
    kernel_.emplace(memory, *info_, std::optional<Kallsyms>(), btf_.build(), std::move(modules));
    return *kernel_;
  }

  int u64, u32, s8, pointer, comm, list_head, hlist_head, hlist_node, atomic64;
  FakeVirtMemory memory;

 private:
  int sized(int id, unsigned size) {
    sizes_[id] = size;
    return id;
  }

  BtfBuilder btf_;
  std::map<int, unsigned> sizes_;
  std::uint64_t next_ = FakeVirtMemory::kDirectMap + 0x100'0000;
  std::string lines_;
  std::optional<Btf> types_;
  std::optional<Vmcoreinfo> info_;
  std::optional<Kernel> kernel_;
};

}  // namespace rig::analyzer::fake
