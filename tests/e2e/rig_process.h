// SPDX-License-Identifier: Apache-2.0
// Runs build/crashrig as a user would, and looks at what it leaves behind.
#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/process.h"

namespace rig::e2e {

// One test's surroundings: a folder for scenarios and results, a $TMPDIR of its own, and a mark in
// the environment by which every process that it started can be found again.
class Bench {
 public:
  Bench();

  struct Ended {
    int exit_code = 0;
    std::string out;
    std::string err;

    boost::json::value json() const;  // of `out`; null and a test failure when it is not JSON
  };
  // Called for every line of output, with the pid of crashrig.
  using OnLine = std::function<void(int pid, std::string_view line)>;

  Ended crashrig(std::vector<std::string> args, const OnLine& on_line = {});

  // late-completion, with each `first` (which must be there) replaced by its `second`.
  fs::path scenario(const std::vector<std::pair<std::string, std::string>>& replacements);

  void set_environment(const std::string& name, const std::string& value);
  fs::path folder() const { return folder_.path(); }
  fs::path results() const { return folder_.path() / "results"; }

  // What must not be there once crashrig has ended. Waits a moment for processes to go.
  std::vector<std::string> leftover_processes() const;
  std::vector<std::string> leftover_temporary_files() const;

  // The pid of a process that this bench started whose command line begins with `text`, or 0.
  int find_process(std::string_view text) const;

 private:
  TempDir folder_;
  std::vector<std::pair<std::string, std::string>> environment_;
  std::string mark_;
};

// The first attempt of the first cell that fits `variant`.
const boost::json::object& attempt_of(const boost::json::value& document, std::string_view variant);
const boost::json::object& cell_of(const boost::json::value& document, std::string_view variant);

// Of a string; empty of anything else.
std::string text_of(const boost::json::value& value);

// kernels/ describes it.
inline constexpr const char* kKasanKernel = "debian-6.1-kasan";

}  // namespace rig::e2e
