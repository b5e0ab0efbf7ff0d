// SPDX-License-Identifier: Apache-2.0
//
// Files of the guest, whole and in pieces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "guest/agent/unique_fd.h"
#include "guest/protocol.h"

namespace rig::guest {

// Writes an existing file in one write, as /proc and /sys want it.
Done write_knob(const std::string& path, std::string_view value);

// WriteSysctl: resolves "kernel.panic_on_warn" to its path and writes it.
Done write_sysctl(const WriteSysctl& request);

// The first 64 KiB of a file.
Done read_small_file(const std::string& path, std::string& bytes);

// FindSymbols: the lines, each with its '\n'.
Done find_symbols(const FindSymbols& request, std::string& lines);

// The guest's end of a PutFile. After a failure it takes no more chunks.
class IncomingFile {
 public:
  // Creates the file. On failure `error` says why and the object is of no use.
  IncomingFile(std::uint32_t id, const PutFile& request, Done& error);

  std::uint32_t id() const { return id_; }
  bool complete() const { return missing_ == 0; }
  // More bytes than announced are EFBIG.
  Done append(std::string_view bytes);

 private:
  std::uint32_t id_;
  std::string path_;
  std::uint64_t missing_;
  UniqueFd fd_;
};

// The guest's end of a ReadFile.
class OutgoingFile {
 public:
  OutgoingFile(std::uint32_t id, const ReadFile& request, Done& error);

  std::uint32_t id() const { return id_; }
  // Once this is true, the last result of read_chunk() is the request's.
  bool finished() const { return finished_; }
  // The next piece; empty when there is none. Never waits for data to come into being.
  Done read_chunk(FileChunk& chunk);

 private:
  Done check_limit();

  std::uint32_t id_;
  std::string path_;
  std::uint64_t allowed_;
  UniqueFd fd_;
  bool finished_ = false;
};

}  // namespace rig::guest
