// SPDX-License-Identifier: Apache-2.0
// A real core whose memory lies: words of the pages that are read turn into other words, in more
// pages from round to round. Every question is asked; what takes long is told. Nothing may crash.
//   flip_memory CORE ROUNDS [FIRST]
#include <charconv>
#include <cstdio>

#include "base/deadline.h"
#include "fuzz/ask_all.h"

namespace {

using namespace rig;
using namespace rig::analyzer;

constexpr std::uint64_t kPage = 4096;
constexpr double kSlow = 1.5;  // seconds for one question
constexpr unsigned kRates = 12;

std::uint64_t mix(std::uint64_t value) {  // splitmix64
  value += 0x9e37'79b9'7f4a'7c15;
  value = (value ^ value >> 30) * 0xbf58'476d'1ce4'e5b9;
  value = (value ^ value >> 27) * 0x94d0'49bb'1331'11eb;
  return value ^ value >> 31;
}

// The same lie about a page whenever it is read.
class LyingMemory final : public PhysMemory {
 public:
  LyingMemory(const Core& core, std::uint64_t round) : core_(core), round_(round) {}

  Read<void> read(PhysAddr address, MutableBytes out) const override {
    const auto got = core_.memory().read(address, out);
    for (std::uint64_t page = raw(address) / kPage; page * kPage < raw(address) + out.size();
         ++page) {
      lie(page, raw(address), out);
    }
    return got;
  }
  std::vector<PhysRange> ranges() const override { return core_.memory().ranges(); }

 private:
  void lie(std::uint64_t page, std::uint64_t begin, MutableBytes out) const {
    std::uint64_t random = mix(page ^ mix(round_));
    if (random % (1ull << round_ % kRates) != 0) return;
    for (unsigned count = 1 + (random >> 32) % 4; count != 0; --count) {
      random = mix(random);
      const std::uint64_t at = page * kPage + random % (kPage / 8) * 8;
      if (at < begin || at + 8 > begin + out.size()) continue;
      std::uint64_t word = 0;
      std::memcpy(&word, out.data() + (at - begin), 8);
      word = changed(word, random >> 16);
      std::memcpy(out.data() + (at - begin), &word, 8);
    }
  }
  static std::uint64_t changed(std::uint64_t word, std::uint64_t random) {
    switch (random % 8) {
      case 0:
        return word ^ 1ull << random / 8 % 64;
      case 1:
        return word + (random / 8 % 64 - 32) * 8;
      case 2:
        return ~0ull;
      case 3:
        return 0;
      case 4:
        return word & 0xffff'ffff;
      case 5:
        return 0x7fff'ffff'7fff'ffff;
      case 6:
        return word << 32 | word >> 32;
      default:
        return mix(random);
    }
  }

  const Core& core_;
  std::uint64_t round_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int index) {
    std::uint64_t value = 0;
    if (argc > index) std::from_chars(argv[index], argv[index] + strlen(argv[index]), value);
    return value;
  };
  const auto core = Core::open(fs::path(argc > 2 ? argv[1] : ""));
  if (!core) {
    std::fprintf(stderr, "usage: flip_memory CORE ROUNDS [FIRST]: %s\n",
                 core.error().message().c_str());
    return 2;
  }
  const std::uint64_t first = number(3);
  for (std::uint64_t round = first; round < first + number(2); ++round) {
    std::string asking;
    Stopwatch watch, whole;
    const auto tell = [&](const std::string& next) {
      if (watch.seconds() > kSlow) {
        std::printf("round %lu: '%s' took %.1f s\n", round, asking.c_str(), watch.seconds());
      }
      asking = next;
      watch = Stopwatch();
    };
    auto memory = std::make_shared<LyingMemory>(*core, round);
    fuzz::ask_all(Core::from_memory(*core, memory, "lying", "memory"), tell);
    tell("");
    std::printf("round %lu: %.2f s\n", round, whole.seconds());
    std::fflush(stdout);
  }
  return 0;
}
