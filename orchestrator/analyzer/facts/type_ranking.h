// SPDX-License-Identifier: Apache-2.0
// Which of all types goes best with an object's content, and whether it stands alone.
#pragma once

#include "analyzer/facts/object_words.h"
#include "analyzer/facts/type_index.h"
#include "analyzer/heap_facts.h"
#include "analyzer/slab/slab_types.h"

namespace rig::analyzer {

// Fills `guesses`, `certain` and `verdict`. Candidates are the structs that `cache` may have been
// asked for: of kmalloc's caches those that the next smaller one has no room for, of others those
// of about its size; of modules smaller ones too.
void rank_types(const TypeIndex& index, ObjectWords& words, const SlabCache& cache,
                ProvenanceFacts& facts);

}  // namespace rig::analyzer
