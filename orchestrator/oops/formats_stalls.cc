// SPDX-License-Identifier: Apache-2.0
// Guests that do not go on, panics, and lines that are no crash: kernel/{watchdog,hung_task,panic,
// workqueue}.c, kernel/rcu/tree_stall.h, mm/{oom_kill,page_alloc}.c, arch/x86/kernel/cpu/mce.
#include "oops/report_formats.h"

#include <algorithm>
#include <array>

namespace rig::oops {

std::vector<Format> stall_formats() {
  return {
      {.family = "soft-lockup",
       .needles = {"soft lockup"},
       .spellings =
           {{.pattern =
                 R"(BUG: soft lockup - CPU#(?P<cpu>\d+) stuck for \d+s! \[(?P<comm>.+):(?P<pid>\d+)\])",
             .kind = "soft-lockup",
             .title = "BUG: soft lockup in {function}"},
            {.pattern = R"(BUG: soft lockup)",
             .kind = "soft-lockup",
             .title = "BUG: soft lockup in {function}"}},
       .choice = Choice::kRepresentative,
       .type = "HANG",
       .alt = {"stall in {function}"}},
      {.family = "hard-lockup",
       .needles = {"hard LOCKUP", "Hard LOCKUP", "hard lockup"},
       .spellings = {{.pattern = R"(Watchdog detected hard LOCKUP on cpu (?P<cpu>\d+))",
                      .kind = "hard-lockup",
                      .title = "BUG: hard lockup in {function}"},
                     {.pattern = R"(CPU(?P<cpu>\d+): Watchdog detected hard LOCKUP)",
                      .kind = "hard-lockup",
                      .title = "BUG: hard lockup in {function}"},
                     // arch/powerpc/kernel/watchdog.c
                     {.pattern = R"(CPU:? ?(?P<cpu>\d+) (?:self-detected hard|Hard) LOCKUP)",
                      .kind = "hard-lockup",
                      .title = "BUG: hard lockup in {function}"},
                     {.pattern =
                          R"(Kernel panic - not syncing: (?P<what>.*[Hh]ard (?:LOCKUP|lockup).*))",
                      .kind = "hard-lockup",
                      .title = "kernel panic: {what}",
                      .type = "DoS"}},
       .choice = Choice::kRepresentative,
       .type = "HANG",
       .alt = {"stall in {function}"}},
      {.family = "rcu-stall",
       .needles = {"detected stall", "self-detected stall", "detected expedited stall"},
       .spellings =
           {// kernel/rcu/tasks.h: the tasks that block it are listed.
            {.pattern = R"(INFO: rcu_tasks\w* detected stalls on tasks)",
             .kind = "rcu-stall",
             .title = "INFO: rcu detected stall in {function}",
             .look = Look::kTrace},
            {.pattern = R"(INFO: \S+ (?:self-)?detected (?:expedited )?stalls? on )",
             .kind = "rcu-stall",
             .title = "INFO: rcu detected stall in {function}"},
            {.pattern = R"(INFO: \S+ detected stalls\? )",
             .kind = "rcu-stall",
             .title = "INFO: rcu detected stall in {function}"}},
       .skip = &stall_reporters(),
       .look = Look::kInterrupted,
       .choice = Choice::kRepresentative,
       .type = "HANG",
       .alt = {"stall in {function}"}},
      {.family = "hung-task",
       .needles = {"blocked for more than", "blocked in I/O wait for more than"},
       .spellings =
           {{.pattern =
                 R"(INFO: task (?P<comm>.+?):(?P<pid>\d+) (?:is )?blocked (?:in I/O wait )?for more than \d+ seconds)",
             .kind = "hung-task",
             .title = "INFO: task hung in {function}"},
            // A name may hold a line's end.
            {.pattern =
                 R"(:(?P<pid>\d+) (?:is )?blocked (?:in I/O wait )?for more than \d+ seconds)",
             .kind = "hung-task",
             .title = "INFO: task hung in {function}"}},
       .look = Look::kTrace,
       .choice = Choice::kWaiter,
       .type = "HANG",
       .alt = {"hang in {function}"}},
      // In linux-next and some distributions: a killed task that does not end.
      {.family = "hung-task",
       .needles = {"can't die for more than"},
       .spellings =
           {{.pattern =
                 R"(INFO: task (?P<comm>.+?):(?P<pid>\d+) can't die for more than \d+ seconds)",
             .kind = "hung-task",
             .title = "INFO: task can't die in {function}"}},
       .skip = &scheduler(),
       .look = Look::kTrace,
       .type = "HANG",
       .alt = {"hang in {function}"}},
      {.family = "workqueue-lockup",
       .needles = {"BUG: workqueue lockup"},
       .spellings = {{.pattern = R"(BUG: workqueue lockup)",
                      .kind = "workqueue-lockup",
                      .title = "BUG: workqueue lockup"}},
       .look = Look::kNowhere,
       .stackless = true},
      {.family = "netdevice",
       .role = Role::kFollowUp,
       .needles = {"unregister_netdevice: waiting for "},
       .spellings = {{.pattern =
                          R"(unregister_netdevice: waiting for (?P<what>\S+) to become free)",
                      .kind = "unregister-netdevice",
                      .title = "unregister_netdevice: waiting for DEV to become free"}},
       .look = Look::kNowhere,
       .type = "DoS",
       .stackless = true},
      {.family = "vfs",
       .needles = {"VFS: Close: file count is "},
       .spellings = {{.pattern = R"(VFS: Close: file count is (?:0|zero))",
                      .kind = "file-count",
                      .title = "VFS: Close: file count is zero (use-after-free)"}},
       .look = Look::kNowhere,
       .type = "DoS",
       .stackless = true},
      // Since 6.8 a WARNING or BUG follows.
      {.family = "vfs",
       .role = Role::kMessage,
       .needles = {"VFS: Busy inodes after unmount"},
       .spellings = {{.pattern = R"(VFS: Busy inodes after unmount)",
                      .kind = "busy-inodes",
                      .title = "VFS: Busy inodes after unmount (use-after-free)"}},
       .look = Look::kNowhere,
       .type = "DoS",
       .stackless = true},
      {.family = "machine-check",
       .needles = {"Machine Check", "Machine check", "machine check"},
       .spellings = {{.pattern =
                          R"(\[Hardware Error\]: CPU (?P<cpu>\d+): Machine Check(?: Exception)?: )",
                      .kind = "machine-check",
                      .title = "machine check"},
                     {.pattern = R"(Kernel panic - not syncing: (?P<what>.*[Mm]achine [Cc]heck.*))",
                      .kind = "machine-check",
                      .title = "kernel panic: {what}"}},
       .look = Look::kNowhere,
       .type = "DoS",
       .stackless = true}};
}

std::vector<Format> panic_formats() {
  return {
      {.family = "stack-corruption",
       .needles = {"Kernel panic - not syncing: stack-protector", "corrupted stack end"},
       .spellings =
           {{.pattern =
                 R"(Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: (?P<func>[A-Za-z_][^\s+]*)(?:\+0x|$))",
             .kind = "stack-protector",
             .title = "kernel panic: stack is corrupted in {func}"},
            {.pattern =
                 R"(Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: )",
             .kind = "stack-protector",
             .title = "kernel panic: stack is corrupted in {function}",
             .look = Look::kTrace,
             .skip = &overflow_helpers()}},
       .look = Look::kNamed,
       .type = "DoS",
       .stackless = true},
      {.family = "stack-corruption",
       .needles = {"corrupted stack end"},
       .spellings = {{.pattern = R"(Kernel panic - not syncing: corrupted stack end detected)",
                      .kind = "stack-end",
                      .title = "kernel panic: corrupted stack end in {function}"}},
       .skip = &scheduler(),
       .look = Look::kTrace,
       .choice = Choice::kRepresentative,
       .type = "DoS",
       .alt = {"stack-overflow in {function}"}},
      {.family = "panic",
       .role = Role::kFollowUp,
       .needles = {"Kernel panic - not syncing"},
       .spellings =
           {{.pattern = R"(Kernel panic - not syncing: (?P<what>Attempted to kill init!))",
             .kind = "panic",
             .title = "kernel panic: {what}"},
            {.pattern = R"(Kernel panic - not syncing: (?P<what>Couldn't open N_TTY ldisc))",
             .kind = "panic",
             .title = "kernel panic: {what}"},
            // An oops, a warning or a hang was reported before, and is not in the log.
            {.pattern =
                 R"(Kernel panic - not syncing: (?P<what>Fatal exception|panic_on_warn set|hung_task: blocked tasks))",
             .kind = "panic",
             .title = "kernel panic: {what}",
             .hopeless = true},
            {.pattern = R"(Kernel panic - not syncing: (?P<what>.+)$)",
             .kind = "panic",
             .title = "kernel panic: {what}"},
            {.pattern = R"(Kernel panic - not syncing)", .kind = "panic", .title = "kernel panic"}},
       .look = Look::kTrace,
       .type = "DoS",
       .panic = true}};
}

std::vector<Format> remark_formats() {
  return {
      {.family = "oom",
       .needles = {"invoked oom-killer", "Out of memory: Kill"},
       .spellings = {{.pattern = R"(^(?P<comm>.+?) invoked oom-killer: )",
                      .kind = "oom-kill",
                      .title = "out of memory: {comm} invoked oom-killer"},
                     {.pattern =
                          R"(Out of memory: Kill(?:ed)? process (?P<pid>\d+) \((?P<comm>.+?)\))",
                      .kind = "oom-kill",
                      .title = "out of memory: killed {comm}"}},
       .look = Look::kNowhere,
       .stackless = true,
       .benign = true},
      {.family = "page-allocation",
       .needles = {"page allocation failure", "page allocation stalls"},
       .spellings = {{.pattern = R"(^(?P<comm>.+?): page allocation failure[:.])",
                      .kind = "page-allocation-failure",
                      .title = "page allocation failure in {function}"}},
       .look = Look::kTrace,
       .benign = true},
      // Android's trusted world tells through Linux's log why it halted.
      {.family = "trusty",
       .needles = {"trusty: panic"},
       .spellings = {{.pattern = R"(trusty: panic .*ASSERT FAILED at \(.*?\): (?P<what>.+))",
                      .kind = "trusty-panic",
                      .title = "trusty: ASSERT FAILED: {what}"},
                     {.pattern = R"(trusty: panic.*ASSERT FAILED.*?: *(?P<what>.*))",
                      .kind = "trusty-panic",
                      .title = "trusty: ASSERT FAILED: {what}",
                      .hopeless = true},
                     {.pattern = R"(trusty: panic \(.*?\): (?P<what>.+))",
                      .kind = "trusty-panic",
                      .title = "trusty: panic: {what}"}},
       .look = Look::kNowhere,
       .type = "DoS",
       .stackless = true},
      {.family = "program",
       .role = Role::kRemark,
       .needles = {"SYZFAIL:", "SYZFATAL:", "fatal error: ", "panic: "},
       .spellings = {{.pattern = R"(SYZFAIL:)",
                      .kind = "program-failed",
                      .title = "",
                      .type = "SYZ_FAILURE"},
                     {.pattern = R"(SYZFATAL:)",
                      .kind = "program-failed",
                      .title = "",
                      .type = "SYZ_FAILURE",
                      .alt = std::vector<std::string_view>{"SYZFATAL"}},
                     // Go's runtime. The compiler's "x.c:1: fatal error: y" is none.
                     {.pattern = R"(^fatal error: )",
                      .kind = "program-failed",
                      .title = "go runtime error"},
                     {.pattern = R"(^panic: .)", .kind = "program-failed", .title = ""}},
       .unless = {"ALSA", "cannot create timer"},
       .look = Look::kNowhere,
       .type = "DoS",
       .stackless = true},
      // A log that goes on with a boot: the guest was reset without a word (report_log.cc).
      {.family = "reboot",
       .role = Role::kRemark,
       .needles = {"Booting the kernel."},
       .spellings = {{.pattern = R"(^Booting the kernel\.)",
                      .kind = "reboot",
                      .title = "unexpected kernel reboot"}},
       .unless = {"Unknown parameter"},
       .look = Look::kNowhere,
       .type = "REBOOT",
       .stackless = true,
       .boot = true},
      // SLUB's lines of a report whose beginning was lost.
      {.family = "lost-beginning",
       .role = Role::kRemark,
       .needles = {"INFO: Freed in ", "INFO: Allocated in ", "BUG:", "WARNING:", "INFO:"},
       .spellings = {{.pattern = R"(INFO: (?:Freed|Allocated) in .)",
                      .kind = "lost-beginning",
                      .title = "",
                      .hopeless = true},
                     {.pattern = R"((?:^|[^\w])(?P<what>BUG|WARNING|INFO):\s*$)",
                      .kind = "lost-beginning",
                      .title = "{what}: corrupted",
                      .hopeless = true}},
       .look = Look::kNowhere},
      // Whatever else the kernel calls so, and the checkers whose wording is not known here.
      {.family = "remark",
       .role = Role::kRemark,
       .needles = {"BUG: ", "WARNING: ", "INFO: "},
       .spellings = {{.pattern = R"((?:^|: |\[ )(?P<cut>WARNING: \S))",
                      .kind = "remark",
                      .title = "",
                      .type = "WARNING"},
                     {.pattern = R"((?:^|: |\[ )(?P<cut>(?:BUG|INFO): \S))",
                      .kind = "remark",
                      .title = ""}},
       .unless = {"lockdep is turned off",
                  "Stall ended before state dump start",
                  "NMI handler",
                  "took too long",
                  "recovery required on readonly filesystem",
                  "INFO: Slab 0x",
                  "INFO: Object 0x",
                  "INFO: 0x",
                  "/etc/ssh/moduli",
                  "workqueue cpumask: online intersect",
                  "mand mount option",
                  "in DT_FLAGS_1",
                  "eBPF is enabled with eIBRS",
                  "fbcon: Driver",
                  "WARNING: See http",
                  "kernel not compiled with CPU_SRSO",
                  "EXT4-fs",
                  "EXT4-FS",
                  "XFS (",
                  "no syscalls can create",
                  "is not present in /proc/kallsyms",
                  "rmt_storage:",
                  "uses wireless extensions",
                  "deprecated v2 capabilities",
                  "xlog_status:",
                  "KTSAN"},
       .look = Look::kNowhere,
       .stackless = true}};
}

const std::vector<Format>& formats() {
  static const std::vector<Format> all = [] {
    std::vector<Format> made;
    for (auto&& part : {memory_checker_formats(), oops_formats(), lock_formats(), stall_formats(),
                        bug_formats(), warning_formats(), panic_formats(), remark_formats()}) {
      made.insert(made.end(), part.begin(), part.end());
    }
    return made;
  }();
  return all;
}

bool panic_follows_report(std::string_view reason) {
  static constexpr std::array<std::string_view, 17> kReasons = {"Fatal exception",
                                                                "Fatal hardware error",
                                                                "panic_on_warn set",
                                                                "kasan.fault=panic",
                                                                "kmsan.panic set",
                                                                "panic_on_taint set",
                                                                "warned too often",
                                                                "Oopsed too often",
                                                                "softlockup: hung tasks",
                                                                "hung_task: blocked tasks",
                                                                "RCU Stall",
                                                                "Oops - BUG",
                                                                "Aiee, killing interrupt handler",
                                                                "Attempted to kill init!",
                                                                "Attempted to kill the idle",
                                                                "Fatal error",
                                                                "ftrace_stack"};
  return std::any_of(kReasons.begin(), kReasons.end(), [&](std::string_view known) {
    return reason.find(known) != std::string_view::npos;
  });
}

}  // namespace rig::oops
