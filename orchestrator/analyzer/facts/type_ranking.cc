// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/type_ranking.h"

#include <algorithm>

#include "analyzer/code/member_path.h"
#include "analyzer/facts/type_scorer.h"
#include "analyzer/symbols/btf_text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxGuesses = 3;
constexpr std::size_t kMaxEvidence = 24;  // of one guess that is handed on
constexpr std::size_t kMaxRanked = 64;    // whose relations to the best one are looked at
constexpr std::uint64_t kLeastOfModules = 48;
constexpr unsigned kMaxNesting = 12;
// A guess is certain with so many bits more than it takes to choose among the candidates by chance,
// and so many more than any other's.
constexpr double kCertainScore = 12;
constexpr double kCertainMargin = 8;
// What few other structs have must say so much of it: lists and timers are everywhere, and what has
// many of them, in arrays, is not the surer for it.
constexpr double kLeastSpecific = 5;
constexpr double kMostCommon = 28;
constexpr double kBeyondCommon = 0.1;
constexpr double kWorthSaying = 6;  // bits; below, nothing speaks for any type
// Parts that a later owner has overwritten speak against the right type too: so much at most, or
// this part of what speaks for it.
constexpr double kMostAgainst = 12;
constexpr double kPartAgainst = 0.6;

// kmalloc's caches by their objects' size, each with the next smaller one's (include/linux/slab.h).
std::uint64_t next_smaller(std::uint64_t object_size) {
  constexpr std::uint64_t kSizes[] = {8,   16,  32,   64,   96,   128, 192,
                                      256, 512, 1024, 2048, 4096, 8192};
  std::uint64_t smaller = 0;
  for (const std::uint64_t each : kSizes) {
    if (each < object_size) smaller = each;
  }
  return smaller;
}

struct Ranked {
  StructRef type;
  TypeScore score;
  double bits = 0;
};

double bits_of(const TypeScore& score) {
  const double common = std::min(score.common, kMostCommon) +
                        std::max(score.common - kMostCommon, 0.0) * kBeyondCommon;
  const double plus = score.weak + common + score.specific;
  return plus - std::min(score.against, std::max(kMostAgainst, plus * kPartAgainst));
}

std::string_view name_of(const StructRef& type) {
  const auto info = type.types->type(type.id);
  return info ? info->name : std::string_view();
}

// Whether `outer` begins with a struct of that name, or with one that does.
bool begins_with(const StructRef& outer, std::string_view name) {
  auto type = outer.types->type(outer.id);
  for (unsigned depth = 0; type && type->has_members() && depth < kMaxNesting; ++depth) {
    if (type->name == name) return true;
    const auto first = outer.types->field(*type, 0);
    if (!first || first->bits != 0) return false;
    type = outer.types->resolved(first->type);
  }
  return false;
}

bool related(const StructRef& a, const StructRef& b) {
  return begins_with(a, name_of(b)) || begins_with(b, name_of(a));
}

// Whether something else than zeroes is known to lie there.
bool has_content(const ObjectWords& words, std::uint64_t begin, std::uint64_t end) {
  for (std::uint64_t at = align_down(begin, 8); at < std::min(end, words.size()); at += 8) {
    const WordKind kind = words.kind(at);
    if (kind != WordKind::kZero && kind != WordKind::kUnknown) return true;
  }
  return false;
}

TypeGuess describe(const Ranked& ranked, TypeScorer& scorer) {
  TypeGuess guess;
  const auto info = ranked.type.types->type(ranked.type.id);
  if (info) guess.type = type_name(*info);
  if (ranked.type.module) guess.module = ranked.type.module->name;
  guess.size = ranked.type.size;
  guess.score = ranked.bits;
  scorer.score(ranked.type, &guess.evidence);
  std::ranges::stable_sort(guess.evidence, std::greater(), &TypeEvidence::weight);
  if (guess.evidence.size() > kMaxEvidence) guess.evidence.resize(kMaxEvidence);
  return guess;
}

std::string called(const TypeGuess& guess) {
  return guess.module.empty() ? guess.type : fmt::format("{} [{}]", guess.type, guess.module);
}

// The best first. Of a struct and one that begins with it, with much the same evidence, the larger
// one goes first if there is something in what it has more, or the cache's objects are as long,
// else the smaller one.
void sort(std::vector<Ranked>& ranked, const ObjectWords& words, std::uint64_t exact) {
  std::ranges::stable_sort(ranked, std::greater(), &Ranked::bits);
  for (std::size_t i = 1; i < std::min(ranked.size(), kMaxRanked); ++i) {
    const StructRef &first = ranked[0].type, &other = ranked[i].type;
    if (ranked[i].bits < ranked[0].bits - 1) break;
    const bool larger = other.size > first.size;
    const StructRef &outer = larger ? other : first, &inner = larger ? first : other;
    if (outer.size == inner.size || !begins_with(outer, name_of(inner))) continue;
    if ((outer.size == exact || has_content(words, inner.size, outer.size)) != larger) continue;
    std::rotate(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(i),
                ranked.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
}

// A cache of its own has objects of one type, of its size but for alignment.
std::vector<Ranked> rank(const TypeIndex& index, const SlabCache& cache, const ObjectWords& words,
                         TypeScorer& scorer) {
  const bool generic = cache.name.find("kmalloc") != std::string::npos;
  const std::uint64_t least =
      generic ? next_smaller(cache.object_size) + 1 : cache.object_size - cache.object_size / 4;
  std::vector<Ranked> ranked;
  for (const StructRef& type : index.structs(least, cache.object_size, kLeastOfModules)) {
    const TypeScore score = scorer.score(type);
    // Without anything that hardly comes by chance there is nothing to say.
    if (score.common == 0 && score.specific == 0) continue;
    const double bits = bits_of(score) - (type.size < least ? 2 : 0);
    if (bits >= kWorthSaying) ranked.push_back({type, score, bits});
  }
  sort(ranked, words, generic ? 0 : cache.object_size);
  return ranked;
}

void judge(ProvenanceFacts& facts, const std::vector<Ranked>& ranked) {
  if (ranked.empty()) {
    facts.verdict = "nothing in it speaks for any type";
    return;
  }
  const Ranked& best = ranked.front();
  const auto rival = std::find_if(ranked.begin() + 1, ranked.end(), [&](const Ranked& each) {
    return !related(best.type, each.type);
  });
  const double margin = best.bits - (rival == ranked.end() ? 0 : rival->bits);
  facts.certain = best.bits >= kCertainScore && margin >= kCertainMargin &&
                  best.score.specific >= kLeastSpecific;
  const std::string bits = fmt::format("{:.0f} bits", best.bits);
  const std::string ahead = rival == ranked.end() ? std::string("no other type comes near")
                                                  : fmt::format("{:.0f} ahead of struct {}", margin,
                                                                name_of(rival->type));
  const std::string words = fmt::format("{} ({}, {})", called(facts.guesses.front()), bits, ahead);
  if (!facts.certain) {
    facts.verdict = fmt::format("possibly content of a {}, which is not proven", words);
  } else {
    facts.verdict = fmt::format("content of a {}", words);
  }
}

}  // namespace

void rank_types(const TypeIndex& index, ObjectWords& words, const SlabCache& cache,
                ProvenanceFacts& facts) {
  TypeScorer scorer(index, words);
  const std::vector<Ranked> ranked = rank(index, cache, words, scorer);
  for (std::size_t i = 0; i < std::min(ranked.size(), kMaxGuesses); ++i) {
    facts.guesses.push_back(describe(ranked[i], scorer));
  }
  judge(facts, ranked);
  if (ranked.empty() || !facts.offset) return;
  const StructRef& best = ranked.front().type;
  const auto member = member_at(*best.types, best.id, static_cast<std::int64_t>(*facts.offset), 0);
  // "lc_command.owner": the struct is named already.
  if (member) facts.member = member->path.substr(member->path.find('.') + 1);
}

}  // namespace rig::analyzer
