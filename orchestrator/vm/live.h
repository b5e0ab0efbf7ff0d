// SPDX-License-Identifier: Apache-2.0
// A guest that somebody else's QEMU runs, held still and read without a dump:
// `qemu:/path/qmp.sock`. It is stopped while this lives, if it was not already, and runs on
// afterwards if it ran before.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"
#include "vm/loop.h"
#include "vm/qmp.h"

namespace rig::vm {

namespace qemu {
class LiveGuardian;
}

struct LiveRange {
  PhysAddr begin{};
  std::uint64_t size = 0;
  std::uint64_t host = 0;  // where QEMU's process has it; 0: not known
};

class LiveGuest {
 public:
  // Over a connected QMP socket. `stop` ends every wait, also of reads. Whatever happens, the guest
  // is left as it was found, also when this process ends without a word.
  static Result<std::unique_ptr<LiveGuest>> create(UniqueFd qmp, Deadline deadline,
                                                   std::stop_token stop = {});
  ~LiveGuest();
  LiveGuest(const LiveGuest&) = delete;
  LiveGuest& operator=(const LiveGuest&) = delete;

  // An ELF core with all but the memory: CPU notes, VMCOREINFO if the guest gave it, and the ranges
  // of RAM as PT_LOADs without bytes.
  const std::string& headers() const { return headers_; }
  const std::vector<LiveRange>& ranges() const { return ranges_; }  // ascending
  const std::string& version() const { return version_; }           // QEMU's
  bool was_running() const { return was_running_; }
  bool reads_process() const { return reads_process_; }  // false: through pmemsave, which is slow

  // Physical memory within the ranges. Blame::kInput outside of them, kRig when QEMU fails.
  Status read(PhysAddr address, MutableBytes out);

 private:
  LiveGuest(Loop loop, UniqueFd socket, pid_t pid, std::stop_token stop);
  Status open(Deadline deadline);
  Result<std::string> status(Deadline deadline, const std::stop_token& stop);
  Status hold(Deadline deadline);
  void let_go();
  Status take_headers(Deadline deadline);
  Result<std::string> monitor(const std::string& line, Deadline deadline);
  Result<std::uint64_t> host_address(std::uint64_t address, Deadline deadline);
  Status find_host_addresses(Deadline deadline);
  Status check_sample(const LiveRange& range, std::uint64_t offset, Deadline deadline);
  const LiveRange* range_of(std::uint64_t address) const;
  Status read_process(const LiveRange& range, std::uint64_t address, MutableBytes out) const;
  Result<const std::string*> saved_block(const LiveRange& range, std::uint64_t begin);
  Status read_saved(const LiveRange& range, std::uint64_t address, MutableBytes out);

  Loop loop_;
  UniqueFd socket_;  // the monitor's, for whoever continues the guest
  pid_t pid_;
  std::stop_token stop_;
  std::unique_ptr<Qmp> qmp_;
  std::string version_;
  bool was_running_ = false;
  std::unique_ptr<qemu::LiveGuardian> guardian_;  // since `stop` was sent
  std::string headers_;
  std::vector<LiveRange> ranges_;
  bool reads_process_ = false;
  std::optional<TempDir> folder_;               // for pmemsave
  std::map<std::uint64_t, std::string> saved_;  // what it wrote, by address
};

// Connects to the socket and holds the guest. Blame::kInput when nothing listens there.
Result<std::unique_ptr<LiveGuest>> open_live(const fs::path& qmp_socket, Deadline deadline,
                                             std::stop_token stop = {});

}  // namespace rig::vm
