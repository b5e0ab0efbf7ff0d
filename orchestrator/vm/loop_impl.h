// SPDX-License-Identifier: Apache-2.0
// For loop.cc and child.cc only.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "vm/loop.h"

namespace rig::vm {

struct Loop::Impl {
  boost::asio::io_context context{1};
  // Never set. The first timer has the context open its descriptors: where there are none left that
  // is an error here, and not in the midst of a launch, which would lose its own.
  boost::asio::steady_timer opener{context};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
};

}  // namespace rig::vm
