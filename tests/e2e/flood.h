// SPDX-License-Identifier: Apache-2.0
// A scenario in which a program prints so many bytes to the console, and amid them what only a
// kernel should.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/file.h"

namespace rig::e2e {

inline fs::path write_flood(const fs::path& folder, std::string_view bytes) {
  const fs::path file = folder / "flood.yaml";
  const std::string text = fmt::format(R"(
name: flood
summary: a program floods the console, and prints what only a kernel should
arch: [x86_64, arm64]
kernel: debian-6.1
guest: {{memory: 256M}}
variants: {{some: {{expect: survive}}}}
stress:
  program: guest/stress/flood
  seconds: 240
  args:
    - --bytes
    - "{}"
    - --line
    - "BUG: kernel NULL pointer dereference, address: 0000000000000106"
    - --line
    - "RIP: 0010:skb_release_data+0x83/0x180"
)",
                                       bytes);
  EXPECT_TRUE(write_file_atomically(file, text));
  return file;
}

}  // namespace rig::e2e
