// SPDX-License-Identifier: Apache-2.0
// What can be said of it without a device: tests/e2e has guests with one.
#include "guest/agent/watchdog.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "guest/agent/report.h"

namespace rig::guest {

// The agent's own goes to the console of its guest.
void log(std::string_view) {}

namespace {

TEST(Watchdog, DeviceThatIsNotThereIsNamed) {
  Watchdog watchdog("/nonexistent/watchdog");
  WatchdogArmed armed;
  const Done done = watchdog.arm({.seconds = 10}, armed);
  EXPECT_EQ(done.error, std::uint64_t{ENOENT});
  EXPECT_NE(done.what.find("/nonexistent/watchdog"), std::string::npos);
  EXPECT_EQ(armed.seconds, 0u);
}

TEST(Watchdog, WhatIsNoneIsRefusedAndLeftDisarmed) {
  std::string path = testing::TempDir() + "watchdog-test-XXXXXX";
  const UniqueFd file(mkstemp(path.data()));
  ASSERT_TRUE(file.valid());
  Watchdog watchdog(path);
  WatchdogArmed armed;
  EXPECT_EQ(watchdog.arm({.seconds = 10}, armed).error, std::uint64_t{ENOTTY});
  char letter = 0;
  EXPECT_EQ(read(file.get(), &letter, 1), 1) << "a driver that does not take a time is armed, too";
  EXPECT_EQ(letter, 'V');
  watchdog.feed();    // of one that is
  watchdog.disarm();  // not armed: nothing
  EXPECT_EQ(read(file.get(), &letter, 1), 0);
  unlink(path.c_str());
}

}  // namespace
}  // namespace rig::guest
