// SPDX-License-Identifier: Apache-2.0
#include "analyzer/provenance_json.h"

#include <cmath>

#include "analyzer/guest_json.h"

namespace rig::analyzer {
namespace {

// Bits to one decimal: more is not known.
double rounded(double bits) {
  return std::round(bits * 10) / 10;
}

boost::json::object evidence_json(const TypeEvidence& evidence) {
  return {{"offset", evidence.offset},
          {"member", utf8(evidence.member)},
          {"what", utf8(evidence.what)},
          {"weight", rounded(evidence.weight)}};
}

boost::json::object guess_json(const TypeGuess& guess) {
  return {{"type", utf8(guess.type)},
          {"module",
           guess.module.empty() ? boost::json::value() : boost::json::value(utf8(guess.module))},
          {"size", guess.size},
          {"score", rounded(guess.score)},
          {"evidence", list(guess.evidence, evidence_json)}};
}

}  // namespace

boost::json::object provenance_json(const ProvenanceFacts& facts) {
  return {{"object", hex(facts.object)},      {"cache", utf8(facts.cache)},
          {"object_size", facts.object_size}, {"offset", or_null(facts.offset)},
          {"member", utf8(facts.member)},     {"certain", facts.certain},
          {"verdict", utf8(facts.verdict)},   {"guesses", list(facts.guesses, guess_json)}};
}

}  // namespace rig::analyzer
