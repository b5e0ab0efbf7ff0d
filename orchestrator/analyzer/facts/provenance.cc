// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/provenance.h"

#include "analyzer/facts/current_owner.h"
#include "analyzer/facts/object_words.h"
#include "analyzer/facts/type_ranking.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kLargestObject = 64 << 10;

}  // namespace

struct Identifier::State {
  State(Session& opened, const Kernel& its_kernel)
      : kernel(its_kernel),
        index(its_kernel),
        slabs(its_kernel, opened.arch(), static_cast<unsigned>(opened.core().cpus().size())),
        owners(opened, its_kernel, slabs) {}

  const Kernel& kernel;
  TypeIndex index;
  SlabReader slabs;
  CurrentOwners owners;
};

Identifier::Identifier(std::unique_ptr<State> state) : state_(std::move(state)) {}
Identifier::Identifier(Identifier&&) noexcept = default;
Identifier::~Identifier() = default;

Result<Identifier> Identifier::open(Session& session) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  if (!kernel->types()) {
    return fail(Blame::kInput, "no types: this kernel carries no BTF (CONFIG_DEBUG_INFO_BTF)");
  }
  return Identifier(std::make_unique<State>(session, *kernel));
}

std::optional<Provenance> Identifier::identify(VirtAddr address,
                                               std::optional<std::uint64_t> offset_in_question) {
  auto hit = state_->slabs.find(address);
  const auto place = state_->slabs.slab_at(address);
  if (!hit || !place) return std::nullopt;
  Provenance result;
  ProvenanceFacts& facts = result.facts;
  facts.object = hit->object.address;
  facts.cache = hit->object.cache;
  facts.object_size = hit->object.object_size;
  facts.offset = offset_in_question;
  if (hit->object.object_size > kLargestObject) {
    facts.verdict = "it is too large to be a struct";
    return result;
  }
  const CurrentOwner owner = state_->owners.find(hit->object, place->slab.cache.free_pointer);
  result.now = owner.words;
  result.former = owner.other;
  ObjectWords words(state_->kernel, state_->slabs, facts.object, std::move(hit->object.content));
  for (const auto& range : owner.written) words.ignore(range.offset, range.size);
  rank_types(state_->index, words, place->slab.cache, facts);
  if (owner.other)
    facts.verdict = fmt::format("now {}; left from before: {}", owner.words, facts.verdict);
  return result;
}

std::vector<ProvenanceFacts> former_owners(Session& session) {
  const auto& fault = session.fault();
  if (!fault || !fault->source || !fault->source->object) return {};
  auto identifier = Identifier::open(session);
  if (!identifier) return {};
  const auto found = identifier->identify(fault->source->object->address, fault->source->offset);
  if (!found || !found->former) return {};
  return {found->facts};
}

}  // namespace rig::analyzer
