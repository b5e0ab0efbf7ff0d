// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/cmdline_params.h"

#include <gtest/gtest.h>

namespace rig::guest {
namespace {

TEST(ParamsOnCmdline, AModuleGetsItsOwnWhateverTheSpelling) {
  const char* line = "console=ttyS0 virtio-blk.queue_depth=64 virtio.x=1 virtio_blk.poll\n";
  EXPECT_EQ(params_on_cmdline(line, "/lib/modules/6.1/virtio_blk.ko"), "queue_depth=64 poll");
  EXPECT_EQ(params_on_cmdline(line, "/lib/modules/6.1/virtio.ko"), "x=1");
  EXPECT_EQ(params_on_cmdline(line, "/lib/modules/6.1/nvme.ko"), "");
}

TEST(ParamsOnCmdline, QuotedBlanksBelongToTheValue) {
  EXPECT_EQ(params_on_cmdline("a.dyndbg=\"file x +p\" b", "/a.ko"), "dyndbg=\"file x +p\"");
}

TEST(ParamsOnCmdline, DotsInValuesAndWordsForInitNameNoModule) {
  EXPECT_EQ(params_on_cmdline("root=a.b=1 -- a.c=1", "/a.ko"), "");
  EXPECT_EQ(params_on_cmdline("a. .a", "/a.ko"), "");
  EXPECT_EQ(params_on_cmdline("", "a"), "");
}

}  // namespace
}  // namespace rig::guest
