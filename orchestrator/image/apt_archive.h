// SPDX-License-Identifier: Apache-2.0
// Debian's archive through apt's own programs. Nothing is ever installed; root is not needed but to
// bring the machine's own lists up to date.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arch.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"

namespace rig::image {

// One paragraph of deb-control(5): "Package", "Version", "Depends" …
using Stanza = std::map<std::string, std::string, std::less<>>;

std::vector<Stanza> parse_stanzas(std::string_view text);

// A package by name, and its version where that is fixed.
struct PackageRef {
  std::string name;
  std::string version;  // from "(= version)", else empty

  std::string to_string() const { return version.empty() ? name : name + "=" + version; }
};

// The first alternative of every item of a Depends field.
std::vector<PackageRef> parse_depends(std::string_view field);

class AptArchive {
 public:
  struct Setup {
    fs::path lists = "/var/lib/apt/lists";
    bool may_update = false;  // whether `apt-get update` may be run: needs root
    std::stop_token stop = {};
    fs::path own = {};                      // the folder around `lists`, where they are ours
    std::vector<std::string> options = {};  // of every call
  };
  // The machine's lists for packages of its architecture. For another one lists of our own in the
  // cache, from the machine's sources: neither dpkg's architectures nor the machine's lists change.
  static Result<Setup> setup_for(Arch arch);

  explicit AptArchive(Setup setup) : setup_(std::move(setup)) {}

  // When the lists last changed, in ns; 0 when there are none.
  std::int64_t lists_time() const;

  // All versions in the lists of these packages, newest first. Unknown ones are left out.
  Result<std::vector<Stanza>> show(const std::vector<std::string>& packages) const;

  // The names in the lists that begin so.
  Result<std::vector<std::string>> names(const std::string& prefix) const;

  // Downloads into `folder`, which is for this alone; apt checks the signatures. The progress goes
  // from 0 to 1 over all of them. Nothing when the archive has no such packages (any more): its
  // lists here are out of date.
  Result<std::optional<std::vector<fs::path>>> download(
      const std::vector<PackageRef>& packages, const fs::path& folder,
      const std::function<void(double)>& on_progress = {}) const;

  // apt-get update; without the right to, an error whose hint is to run it.
  Status update() const;
  bool may_update() const { return setup_.may_update; }
  bool is_machines() const { return setup_.own.empty(); }

  AptArchive stopped_by(std::stop_token stop) const {
    AptArchive copy = *this;
    copy.setup_.stop = std::move(stop);
    return copy;
  }

 private:
  Command apt(std::string program, std::vector<std::string> arguments) const;
  Status update_lists() const;

  Setup setup_;
};

}  // namespace rig::image
