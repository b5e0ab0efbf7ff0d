// SPDX-License-Identifier: Apache-2.0
// What memory and race checkers print: mm/kasan/report*.c, mm/kfence/report.c, mm/kmsan/report.c,
// kernel/kcsan/report.c, lib/ubsan.c, mm/slub.c, mm/kmemleak.c, 3.10 to 6.x.
#include "oops/report_formats.h"

namespace rig::oops {
namespace {

// "BUG kmalloc-32 (Tainted: G    B): ": SLUB's slab_bug().
#define RIG_SLUB R"(BUG (?P<cache>[\w:.#-]+) \((?P<taint>[^)]*)\): )"
// KASAN says what was accessed below its first line; a report without has lost its lines.
const std::vector<std::string_view> kInvalidFree = {"invalid-free in {function}"};
constexpr std::string_view kAccessed = "Read of size|Write of size|Read at addr|Write at addr";

Format kasan() {
  return {
      .family = "kasan",
      .needles = {"BUG: KASAN: ", "BUG: KASan: "},
      .spellings =
          {{.pattern = R"(BUG: KAS[Aa][Nn]: double-free or invalid-free in (?P<func>[^\s+]+))",
            .kind = "kasan-invalid-free",
            .title = "KASAN: invalid-free in {function}",
            .type = "KASAN-INVALID-FREE",
            .skip = &freeing_helpers(),
            .alt = kInvalidFree},
           // One title: old kernels could not tell the two apart.
           {.pattern =
                R"(BUG: KAS[Aa][Nn]: (?P<bug>double-free|invalid-free) in (?P<func>[^\s+]+))",
            .kind = "kasan-{bug}",
            .title = "KASAN: invalid-free in {function}",
            .type = "KASAN-INVALID-FREE",
            .skip = &freeing_helpers(),
            .alt = kInvalidFree},
           {.pattern = R"(BUG: (?P<cut>KAS[Aa][Nn]: slab-use-after-free in (?P<func>[^\s+]+)))",
            .kind = "kasan-use-after-free",
            .title = "KASAN: slab-use-after-free{access} in {function}",
            .needs = kAccessed},
           {.pattern =
                R"(BUG: (?P<cut>KAS[Aa][Nn]: (?:slab-)?out of bounds access in (?P<func>[^\s+]+).*addr (?P<addr>[0-9a-f]+)))",
            .kind = "kasan-slab-out-of-bounds",
            .title = "KASAN: slab-out-of-bounds{access} in {function}",
            .needs = kAccessed},
           {.pattern =
                R"(BUG: (?P<cut>KAS[Aa][Nn]: use after free in (?P<func>[^\s+]+).*addr (?P<addr>[0-9a-f]+)))",
            .kind = "kasan-use-after-free",
            .title = "KASAN: use-after-free{access} in {function}",
            .needs = kAccessed},
           {.pattern =
                R"(BUG: (?P<cut>KAS[Aa][Nn]: (?P<bug>[a-z][\w-]+) (?:in|on) (?P<func>[A-Za-z_<][^\s+]*)\+(?:0x\w+/0x\w+)?(?: \[(?P<module>\w+)[^\]]*\])?(?: at addr (?P<addr>[0-9a-f]+))?))",
            .kind = "kasan-{bug}",
            .title = "KASAN: {bug}{access} in {function}",
            .needs = kAccessed},
           // Where the address belongs to nothing, kernels before 4.12 name no function here.
           {.pattern =
                R"(BUG: (?P<cut>KAS[Aa][Nn]: (?P<bug>[a-z][\w-]+) on address (?P<addr>[0-9a-f]+)))",
            .kind = "kasan-{bug}",
            .title = "KASAN: {bug}{access}",
            .look = Look::kNamed,
            .needs = kAccessed},
           {.pattern = R"(BUG: (?P<cut>KAS[Aa][Nn]: (?P<bug>[a-z][\w-]+)\b.*))",
            .kind = "kasan-{bug}",
            .title = "",
            .hopeless = true}},
      .bugs = {"use-after-free", "slab-out-of-bounds", "out-of-bounds", "global-out-of-bounds",
               "stack-out-of-bounds", "alloca-out-of-bounds", "vmalloc-out-of-bounds",
               "use-after-scope", "user-memory-access", "wild-memory-access", "null-ptr-deref",
               "unknown-crash", "invalid-access", "double-free", "invalid-free"},
      .skip = &tag_checkers(),
      .look = Look::kNamed,
      .type = "KASAN",
      .alt = {"bad-access in {function}"}};
}

Format kfence() {
  return {
      .family = "kfence",
      .needles = {"BUG: KFENCE: "},
      .spellings =
          {{.pattern = R"(BUG: KFENCE: (?P<bug>memory corruption) in (?P<func>[^\s+]+))",
            .kind = "kfence-{bug}",
            .title = "KFENCE: {bug} in {function}",
            .type = "KFENCE-MEMORY-CORRUPTION",
            .alt = std::vector<std::string_view>{}},
           {.pattern = R"(BUG: KFENCE: (?P<bug>invalid free) in (?P<func>[^\s+]+))",
            .kind = "kfence-{bug}",
            .title = "KFENCE: {bug} in {function}",
            .type = "KFENCE-INVALID-FREE",
            .alt = kInvalidFree},
           {.pattern =
                R"(BUG: KFENCE: (?P<bug>[a-z-]+?) (?P<access>read|write) in (?P<func>[^\s+]+))",
            .kind = "kfence-{bug}",
            .title = "KFENCE: {bug} {access_word} in {function}"}},
      .bugs = {"memory-corruption", "invalid-free", "out-of-bounds", "use-after-free", "invalid"},
      .look = Look::kBelow,
      .type = "KFENCE",
      .alt = {"bad-access in {function}"},
      .stackless = true};  // its stack has no heading
}

Format kmsan() {
  return {
      .family = "kmsan",
      .needles = {"BUG: KMSAN: "},
      .spellings = {{.pattern =
                         R"(BUG: KMSAN: (?P<bug>kernel-usb-infoleak\S*) in (?P<func>[^\s+]+))",
                     .kind = "kmsan-{bug}",
                     .title = "KMSAN: {bug} in {function}",
                     .alt = std::vector<std::string_view>{"KMSAN origin in {origin}"}},
                    {.pattern = R"(BUG: KMSAN: (?P<bug>[\w-]+) in (?P<func>[^\s+]+))",
                     .kind = "kmsan-{bug}",
                     .title = "KMSAN: {bug} in {function}"}},
      .bugs = {"uninit-value", "use-after-free", "kernel-infoleak", "kernel-infoleak-after-free",
               "kernel-usb-infoleak", "kernel-usb-infoleak-after-free"},
      .skip = &uninitialised_helpers(),
      .look = Look::kBelow,
      .type = "KMSAN",
      .alt = {"bad-access in {function}"},
      .stackless = true,
      .names_origin = true,
      .whole_from = 16};
}

std::vector<Format> races_and_arithmetic() {
  return {
      {.family = "kcsan",
       .needles = {"BUG: KCSAN: "},
       .spellings =
           {{.pattern =
                 R"(BUG: (?P<cut>KCSAN: (?P<bug>data-race) in (?P<func>[^\s+]+)(?: \[(?P<module>[\w-]+)\])? / (?P<what>[^\s+]+)))",
             .kind = "kcsan-{bug}",
             .title = "KCSAN: {bug} in {func} / {what}",
             .type = "KCSAN-DATARACE"},
            {.pattern = R"(BUG: (?P<cut>KCSAN: (?P<bug>data-race) in (?P<func>[^\s+]+)))",
             .kind = "kcsan-{bug}",
             .title = "",
             .type = "KCSAN-DATARACE"},
            {.pattern =
                 R"(BUG: (?P<cut>KCSAN: (?P<bug>assert: race) in (?P<func>[^\s+]+)(?: / (?P<what>[^\s+]+))?))",
             .kind = "kcsan-assert-race",
             .title = "",
             .type = "KCSAN-ASSERT"},
            {.pattern = R"(BUG: (?P<cut>KCSAN: .*))",
             .kind = "kcsan-race",
             .title = "",
             .type = "KCSAN-UNKNOWN"}},
       .bugs = {"data-race"},
       .look = Look::kNamed,
       .stackless = true},
      {.family = "ubsan",
       .needles = {"UBSAN: "},
       // Since 6.6 some architectures trap instead: "UBSAN: integer overflow" is then a panic's.
       .spellings = {{.pattern = R"(UBSAN: (?P<bug>Undefined behaviour) in )",
                      .kind = "ubsan-undefined-behaviour",
                      .title = "UBSAN: undefined-behaviour in {function}"},
                     {.pattern = R"(UBSAN: (?P<bug>array-index-out-of-bounds) in )",
                      .kind = "ubsan-{bug}",
                      .title = "UBSAN: {bug} in {function}",
                      .type = "MEMORY_SAFETY_UBSAN"},
                     {.pattern = R"(UBSAN: (?P<bug>[a-z][\w -]+?) in )",
                      .kind = "ubsan-{bug}",
                      .title = "UBSAN: {bug} in {function}"},
                     // With CONFIG_UBSAN_TRAP: "UBSAN: shift out of bounds at f+0x1/0x2".
                     {.pattern = R"(UBSAN: (?P<bug>[a-z][\w -]+?) at (?P<func>[^\s+]+)\+0x)",
                      .kind = "ubsan-{bug}",
                      .title = "UBSAN: {bug} in {function}",
                      .look = Look::kNamed}},
       .bugs = {"array-index-out-of-bounds", "shift-out-of-bounds", "signed-integer-overflow",
                "unsigned-integer-overflow", "negation-overflow", "division-overflow",
                "object-size-mismatch", "misaligned-access", "invalid-load", "unreachable",
                "null-ptr-deref", "pointer-overflow"},
       .skip = &arithmetic_checkers(),
       .look = Look::kTrace,
       .type = "UBSAN"},
      {.family = "memory-leak",
       .needles = {"BUG: memory leak"},
       .spellings = {{.pattern = R"(^(?:[\d/]+ [\d:]+ )?BUG: memory leak)",
                      .kind = "memory-leak",
                      .title = "memory leak in {function}"}},
       .skip = &owned_memory_helpers(),
       .look = Look::kBacktrace,
       .type = "LEAK"}};
}

Format slub() {
  return {
      .family = "slub",
      .needles = {"BUG "},
      .spellings =
          {{.pattern = RIG_SLUB R"((?:Left |Right |kmalloc )?Redzone overwritten)",
            .kind = "slub-redzone-overwritten",
            .title = "SLUB: redzone overwritten in {function}",
            .look = Look::kAllocTrack},
           {.pattern = RIG_SLUB R"((?:End )?Poison overwritten)",
            .kind = "slub-poison-overwritten",
            .title = "SLUB: poison overwritten in {function}",
            .look = Look::kFreeTrack},
           {.pattern = RIG_SLUB R"((?:Object |Alignment )?[Pp]adding overwritten)",
            .kind = "slub-padding-overwritten",
            .title = "SLUB: padding overwritten in {function}",
            .look = Look::kAllocTrack},
           {.pattern = RIG_SLUB R"(Object already free)",
            .kind = "slub-object-already-free",
            .title = "SLUB: object already free in {function}",
            .alt = std::vector<std::string_view>{"BUG: Object already free",
                                                 "invalid-free in {function}"}},
           {.pattern = RIG_SLUB
            R"((?:Freepointer corrupt|Freechain corrupt|Freelist Pointer check fails))",
            .kind = "slub-freechain-corrupt",
            .title = "SLUB: freechain corrupt in {function}"},
           {.pattern = RIG_SLUB
            R"((?:Invalid object pointer 0x(?P<addr>[0-9a-f]+)|Object pointer check fails|Attempt to free object\(0x(?P<addr2>[0-9a-f]+)\) outside of slab))",
            .kind = "slub-invalid-object",
            .title = "SLUB: invalid object pointer in {function}"},
           {.pattern = RIG_SLUB
            R"((?:Wrong (?:number of objects|object count)|objects \d+ > max|inuse \d+ > max|Not a valid slab page|page slab pointer corrupt|Slab disabled since|Slab has \d+ allocated objects|Bulk free expected))",
            .kind = "slub-slab-corrupt",
            .title = "SLUB: slab corrupt in {function}"},
           {.pattern = RIG_SLUB R"(Objects remaining (?:in|on))",
            .kind = "slub-objects-remaining",
            .title = "SLUB: objects remaining in {cache}"}},
      .skip = &slab_checkers(),
      .look = Look::kTrace,
      .type = "MEMORY_SAFETY_BUG",
      .alt = {"bad-access in {function}"}};
}

#undef RIG_SLUB

// mm/slab.c, until 6.7. An object is found corrupted when it is allocated: the stack tells nothing.
Format slab() {
  return {
      .family = "slab",
      .needles = {"lab corruption", "slab error in "},
      .spellings =
          {{.pattern =
                R"([Ss]lab corruption(?: \((?P<taint>[^)]*)\))?: (?P<cache>\S+) start=(?P<addr>[0-9a-f]+), len=(?P<size>\d+))",
            .kind = "slab-corruption",
            .title = "SLAB: object corrupted in {cache}",
            .look = Look::kNowhere},
           {.pattern =
                R"(slab error in \w+\(\): cache `(?P<cache>[^']+)': (?:double free|memory outside))",
            .kind = "slab-redzone-overwritten",
            .title = "SLAB: redzone overwritten in {function}"}},
      .skip = &slab_checkers(),
      .look = Look::kTrace,
      .type = "MEMORY_SAFETY_BUG",
      .stackless = true};
}

}  // namespace

std::vector<Format> memory_checker_formats() {
  std::vector<Format> all = {kasan(), kfence(), kmsan(), slub(), slab()};
  for (Format& format : races_and_arithmetic()) all.push_back(std::move(format));
  return all;
}

}  // namespace rig::oops
