// SPDX-License-Identifier: Apache-2.0
// A guest image (physical memory), or any file that looks like a core, is analyzed and asked every
// question.
#include "fakes/synthetic_core.h"
#include "fuzz/ask_all.h"
#include "fuzz/guest_image.h"
#include "fuzz/memory_file.h"

namespace {

using namespace rig;
using analyzer::Core;

constexpr std::size_t kArm64Prstatus = 392;

Result<Core> core_of(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  for (const std::string_view magic : {"\x7f"
                                       "ELF",
                                       "KDUMP", "makedumpfile"}) {
    if (text.substr(0, magic.size()) == magic) {
      const fuzz::MemoryFile file(bytes);
      return Core::open(file.path());
    }
  }
  fuzz::GuestImage image = fuzz::decode_image(bytes);
  fakes::SyntheticCore notes;
  if (image.prstatus.size() == kArm64Prstatus) notes.arch(Arch::kArm64);
  notes.value(PhysAddr{0}, 0ull).vmcoreinfo(image.info).prstatus(image.prstatus).prstatus_of_pid(2);
  const std::string written = notes.bytes(fakes::CoreFormat::kElf);
  const fuzz::MemoryFile file(as_bytes(written));
  RIG_ASSIGN(const Core core, Core::open(file.path()));
  auto memory = std::make_shared<analyzer::fake::FakePhysMemory>();
  memory->pages = std::move(image.pages);
  return Core::from_memory(core, std::move(memory), "fuzzed", "memory");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto core = core_of(std::as_bytes(std::span(data, size)));
  if (core) fuzz::ask_all(*std::move(core), [](const std::string&) {});
  return 0;
}
