// SPDX-License-Identifier: Apache-2.0
// A program and files of the user's own, in a guest.
#include <gtest/gtest.h>

#include "e2e/shell.h"

namespace rig::e2e {
namespace {

constexpr const char* kCheck = R"(
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
  char line[32] = "";
  FILE* input = fopen("/data/deep/input", "r");
  if (input == NULL || fgets(line, sizeof(line), input) == NULL) return 1;
  return strcmp(line, "forty-two\n") == 0 && access("/data/tool", X_OK) == 0 ? 0 : 1;
}
)";

TEST(UserFiles, AProgramFindsItsFilesInTheGuest) {
  const auto folder = TempDir::create("user-files");
  ASSERT_TRUE(folder) << folder.error().message();
  ASSERT_TRUE(write_file_atomically(folder->path() / "check.c", kCheck));
  ASSERT_TRUE(write_file_atomically(folder->path() / "mine.yaml",
                                    "name: user-files\nsummary: a program of one's own\n"
                                    "arch: [x86_64]\nkernel: debian-6.1\n"
                                    "guest: {files: {/data: ./mine}}\n"
                                    "variants: {only: {expect: survive}}\n"
                                    "stress: {program: ./check, seconds: 1}\n"));
  const Completed done = shell(folder->path(),
                               "mkdir -p mine/deep\n"
                               "echo forty-two > mine/deep/input\n"
                               "echo tool > mine/tool\n"
                               "chmod 755 mine/tool\n"
                               "x86_64-linux-gnu-gcc -static -o check check.c\n"
                               "crashrig run mine.yaml --results results\n");
  EXPECT_EQ(done.exit_code, 0) << done.out << done.err;
  EXPECT_NE(done.out.find("1 survived"), std::string::npos) << done.out;
}

}  // namespace
}  // namespace rig::e2e
