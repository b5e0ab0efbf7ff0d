// SPDX-License-Identifier: Apache-2.0
// Writes the seed corpus of core_fuzzer into a folder: one small core per container.
#include <cstdio>

#include "fakes/synthetic_core.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: core_seeds FOLDER\n");
    return 2;
  }
  rig::fakes::SyntheticCore core;
  core.page(rig::PhysAddr{0}, rig::as_bytes(std::string(4096, 'a')))
      .page(rig::PhysAddr{0x1000}, rig::as_bytes(std::string(2048, 'b')))
      .excluded(rig::PhysAddr{0x3000})
      .prstatus_of_pid(1)
      .vmcoreinfo("OSRELEASE=6.1\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffffffff81000000\n");
  const rig::fs::path folder(argv[1]);
  rig::fs::create_directories(folder);
  for (const auto format : rig::fakes::kAllCoreFormats) {
    for (const bool flattened : {false, true}) {
      const std::string name = std::string(to_string(format)) + (flattened ? "-flattened" : "");
      if (const auto written = core.write(folder / name, format, flattened); !written) {
        std::fprintf(stderr, "%s\n", written.error().message().c_str());
        return 3;
      }
    }
  }
  return 0;
}
