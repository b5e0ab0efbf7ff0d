// SPDX-License-Identifier: Apache-2.0
// Types: u16 size of the kernel's BTF, its bytes, the BTF of a module that continues it. Every type
// is walked, declared, measured and looked up by name.
#include "analyzer/symbols/btf.h"
#include "analyzer/symbols/btf_text.h"

namespace {

using namespace rig::analyzer;

void walk_members(const Btf& types, const TypeInfo& type) {
  for (std::uint32_t index = 0; index < std::min(type.count + 1, 20u); ++index) {
    if (const auto field = types.field(type, index)) {
      (void)types.resolved(field->type);
      const std::string path(field->name);
      (void)types.member(type.id, path);
      (void)types.member(std::string(type.name) + "." + path);
    }
    if (const auto constant = types.enumerator(type, index)) {
      (void)types.enumerator(type.name, constant->name);
    }
    (void)types.parameter(type, index);
    (void)types.variable(type, index);
  }
}

void walk(const Btf& types) {
  const std::uint64_t end = std::uint64_t{types.first_id()} + types.type_count();
  const std::uint64_t step = end / 200 + 1;
  for (std::uint64_t id = 0; id <= end; id += step) {
    const auto type = types.type(static_cast<std::uint32_t>(id));
    if (!type) continue;
    (void)types.resolved(type->id);
    (void)types.size_of(type->id);
    (void)types.size_of(type->name);
    (void)types.array(*type);
    (void)types.integer(*type);
    (void)types.find(type->kind, type->name);
    (void)types.named(type->name);
    (void)types.member(std::string(type->name) + ".a.b");
    (void)type_name(*type);
    (void)declaration(types, type->id, "it");
    walk_members(types, *type);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rig::ByteReader reader(std::as_bytes(std::span(data, size)));
  const auto base_size = reader.next<std::uint16_t>();
  const auto bytes = base_size ? reader.take(*base_size) : std::nullopt;
  if (!bytes) return 0;
  const auto base = Btf::parse({bytes->begin(), bytes->end()});
  if (!base) return 0;
  walk(*base);
  const auto rest = *reader.take(reader.remaining());
  const auto module = Btf::parse_split({rest.begin(), rest.end()}, *base);
  if (module) walk(*module);
  return 0;
}
