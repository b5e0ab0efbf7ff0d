// SPDX-License-Identifier: Apache-2.0
// Rust's symbols as they are written in Rust. Grammar: Rust RFC 2603 ("v0" mangling). It is our own
// because the libraries that Debian 12 has (libiberty, LLVM 14) bound neither time nor output: they
// write 100 MB for a hostile symbol of 220 bytes with back references to back references.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rig::oops {

// "_RNvNtCs1_4core3fmt5write" -> "core::fmt::write", written as demanglers do that leave out
// crates' hashes. Nothing when it is no such symbol, or one with a function's or a trait object's
// type.
std::optional<std::string> rust_name(std::string_view symbol);

}  // namespace rig::oops
