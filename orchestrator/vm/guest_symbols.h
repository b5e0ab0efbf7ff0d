// SPDX-License-Identifier: Apache-2.0
// Lines of a guest's /proc/kallsyms. Pure: text in, functions out. Source: kernel/kallsyms.c,
// s_show(): "ffffffff81a10b1d t slab_bug", in modules with "\t[late_completion]" behind it.
#pragma once

#include <string_view>
#include <vector>

#include "vm/vm.h"

namespace rig::vm {

// The functions among them, by their plain names: "slab_bug" for "slab_bug.isra.0". What the
// compiler has split off (".cold") is no function. Lines that are none are left out, and so are
// addresses of 0, which is what a kernel shows that hides them (kernel.kptr_restrict).
std::vector<GuestFunction> parse_symbol_lines(std::string_view lines);

}  // namespace rig::vm
