// SPDX-License-Identifier: Apache-2.0
// The scenario format as data: every map of it, every key, its type, its default and what it means.
// The readers take their keys from here (section_reader.h): one that is not here cannot be read,
// and one that nobody reads is told. `crashrig format` prints it; so does
// docs/SCENARIOS.md, which a test holds against it. To add a key: its row here, then read it;
// RIG_UPDATE=1 with test_scenario writes the manual's tables anew.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

namespace rig::scenario::format {

// In place of a default: the key must be given.
inline constexpr std::string_view kRequired = "required";

// The texts are Markdown, each one cell of a table. A default that is `one literal` is what the
// reader takes when the key is not given.
struct Key {
  std::string_view name;
  std::string_view type;
  std::string_view fallback;
  std::string_view meaning;

  constexpr bool required() const { return fallback == kRequired; }
};

// One kind of map.
struct Section {
  std::string_view name;   // how one asks for it: "guest"
  std::string_view where;  // it stands in a scenario: "guest: {...}"
  std::span<const Key> keys;

  constexpr const Key* find(std::string_view key) const {
    const auto at =
        std::find_if(keys.begin(), keys.end(), [&](const Key& each) { return each.name == key; });
    return at == keys.end() ? nullptr : &*at;
  }
};

inline constexpr std::string_view kBootMeaning =
    "How x86_64 guests enter the kernel. `direct`: the unpacked kernel, without its decompressor, "
    "3 s sooner without KVM; its text is where it was linked. `kaslr`: as a boot loader would, "
    "through the decompressor, which places the text anew in each boot. arm64 has one way in, with "
    "KASLR. What was done is in the record (`boot`), and [BOOT-TIME.md](BOOT-TIME.md) has the "
    "figures";

inline constexpr Key kScenarioKeys[] = {
    {"name", "name", kRequired,
     "Names the scenario in cells, records and folders. By custom the file's name without `.yaml`"},
    {"summary", "text", kRequired, "One line for people: what goes wrong"},
    {"origin", "text", "none", "Where the crash comes from: a report, a ticket"},
    {"arch", "list of `x86_64`, `arm64`", kRequired,
     "The architectures it runs on, on any host; `--arch` chooses among them. Another one than the "
     "host's is emulated (TCG)"},
    {"kernel", "name of a file in `kernels/`", kRequired,
     "The kernel to boot ([KERNELS.md](KERNELS.md)). `debian-6.1@6.1.0-47` pins one build, "
     "`@oldest` and `@newest` choose one of the archive. A path to a YAML file works too; cells "
     "are then called by the file's name. `{build: ~/linux}` is a tree in which you ran make; "
     "`--kernel build:PATH` says the same"},
    {"boot", "`direct`, `kaslr`", "what the kernel's description says", kBootMeaning},
    {"guest", "map", "none", "The machine, and the files in it, see below"},
    {"cmdline", "list of kernel parameters", "`[]`",
     "Appended to the rig's own, in this order; repetitions are kept. One parameter per item; "
     "blanks only within double quotes. Each must take effect in the guest, or the run ends before "
     "any attempt: [COMMAND-LINES.md](COMMAND-LINES.md)"},
    {"ignored_ok", "list of names of parameters", "`[]`",
     "Parameters of `cmdline`, the detectors' included, that may be unknown to the kernel or "
     "without effect, by name and without value. What became of them is recorded all the same"},
    {"stop_at", "name or list of names", "none",
     "Where to stop the guest and take the core, before the kernel says (or repairs) anything: see "
     "[`stop_at`](#stop_at). For the detectors without one of their own"},
    {"capture", "`qmp`, `kdump`, `both`", "`qmp`",
     "Who takes the core of a guest that crashed: the machine (`qmp`), or the guest itself, as in "
     "production: see [`capture`](#capture). For the detectors without one of their own"},
    {"dump_level", "number, 0 to 31", "`31`",
     "What `kdump` leaves out, as `makedumpfile -d` calls it: 1 zeros, 2 cache, 4 private cache, 8 "
     "user data, 16 free pages, added up"},
    {"detectors", "map of name → detector", "`{none: {}}`",
     "Ways to make the fault visible, see below"},
    {"variants", "map of name → variant", kRequired, "Versions of the injected code, see below"},
    {"stress", "map", "none",
     "The load that runs in the guest, see below. Required if a variant has no module"},
    {"repeat", "number, 1 to 10000", "`1`", "Attempts per cell; `--repeat` overrides it"},
    {"timeouts", "map", "none", "See below"},
    {"expect", "map of detector → signature", "none",
     "What the crash looks like, see below. Required if a variant has no `expect` of "
     "its own"},
};
inline constexpr Section kScenario{"scenario", "the file itself", kScenarioKeys};

inline constexpr Key kKernelTreeKeys[] = {
    {"build", "path of a folder", kRequired, "A tree in which you ran make"},
};
inline constexpr Section kKernelTree{"kernel", "kernel: {...}", kKernelTreeKeys};

inline constexpr Key kGuestKeys[] = {
    {"memory", "size, 64M to 1024G, whole MiB", "`512M`",
     "The guest's memory; the core is about as large before compression"},
    {"cpus", "number, 1 to 255", "`2`", "Virtual CPUs. Tested from 1 to 8"},
    {"disks", "list of disks, at most 16", "`[]`", "See below"},
    {"network", "`none`, `user`", "`none`",
     "`none`: no network device at all. `user`: one virtio card in a user-mode network that leads "
     "nowhere but to its gateway (10.0.2.2/24); the load sets it up"},
    {"drivers", "list of names", "`[]`",
     "Modules of the kernel's own that the load needs, e.g. `sd_mod`; what they depend on comes "
     "along. A load that arms the watchdog itself needs `i6300esb`"},
    {"files", "map of path in the guest → path of a file or folder", "none",
     "Copied into the guest before anything is injected: firmware, input for the load. See below"},
    {"cpu", "text", "the rig's", "QEMU's `-cpu`: a model and its flags, `\"max,+x2apic\"`"},
    {"machine", "map of option → value", "the rig's",
     "Options of QEMU's `-machine`, `{kernel-irqchip: split, hpet: off}`"},
    {"devices", "list of texts, at most 32", "`[]`",
     "Further devices, each as QEMU's `-device` has it: `\"intel-iommu,intremap=on\"`. They come "
     "before the rig's own"},
    {"watchdog", "duration, whole seconds, 2s to 2046s", "none",
     "The agent arms the machine's watchdog (i6300esb) with it and feeds it with each heartbeat: a "
     "guest that does not come to that is stopped, a hard hang. The driver comes along. See "
     "[`hang`](#hangs)"},
    {"x86_64", "map with `cpu`, `machine`, `devices`, `watchdog`", "none",
     "The same for this architecture only: its devices are added, the rest of it wins"},
    {"arm64", "map with `cpu`, `machine`, `devices`, `watchdog`", "none", "Likewise"},
};
inline constexpr Section kGuest{"guest", "guest: {...}", kGuestKeys};

inline constexpr Key kHardwareKeys[] = {
    {"cpu", "text", "that of `guest`", "As in `guest`"},
    {"machine", "map of option → value", "none", "As in `guest`, over its options"},
    {"devices", "list of texts, at most 32", "`[]`", "As in `guest`, after its devices"},
    {"watchdog", "duration", "that of `guest`", "As in `guest`"},
};
inline constexpr Section kHardware{"guest.ARCH", "guest: {x86_64: {...}, arm64: {...}}",
                                   kHardwareKeys};

inline constexpr Key kDiskKeys[] = {
    {"size", "size, a multiple of 512 bytes", "none", "An empty disk. Either this or `image`"},
    {"image", "path of a file", "none",
     "A disk with the image's content, which is never written: what the guest writes goes to a "
     "copy that ends with it"},
    {"bus", "`virtio`, `nvme`, `megasas`, `scsi`", "`virtio`",
     "How the guest sees it: `/dev/vda`, `/dev/nvme0n1`, `/dev/sda` (behind a MegaRAID controller, "
     "or virtio-scsi). The driver comes along by itself"},
    {"format", "of an image: `raw`, `qcow2`; of an empty disk: `ext4`",
     "what the image is; no file system",
     "Of an image only needed for a raw disk whose content is a qcow2 image. `ext4` makes a file "
     "system on the host (mke2fs), the same in each attempt, and its driver comes along"},
};
inline constexpr Section kDisk{"disk", "guest: {disks: [{...}]}", kDiskKeys};

inline constexpr Key kDetectorKeys[] = {
    {"cmdline", "list of kernel parameters", "`[]`", "Added after the scenario's"},
    {"boot", "`direct`, `kaslr`", "the scenario's", "As in the scenario"},
    {"ignored_ok", "list of names of parameters", "`[]`",
     "Under this detector, beside the scenario's"},
    {"arch", "list of some of the scenario's", "all of them",
     "Where it makes sense: `nox2apic` is x86_64's alone"},
    {"kernel", "as in the scenario", "the scenario's",
     "For what has to be compiled in, such as KASAN"},
    {"stop_at", "name or list of names", "the scenario's", "See [`stop_at`](#stop_at)"},
    {"capture", "`qmp`, `kdump`, `both`", "the scenario's", "See [`capture`](#capture)"},
    {"dump_level", "number, 0 to 31", "the scenario's", "As in the scenario"},
    {"args", "list of texts", "`[]`",
     "Of the load, after those of `stress`: for a part of it that a detector must do without"},
};
inline constexpr Section kDetector{"detector", "detectors: {NAME: {...}}", kDetectorKeys};

inline constexpr Key kVariantKeys[] = {
    {"module", "path of a folder with a `Kbuild`, or map", "none",
     "Built against the cell's kernel and loaded before the load starts, in place of the kernel's "
     "own module of that name. A map is of one of the kernel's source, see below"},
    {"params", "map of name → value", "`{}`",
     "Parameters of the module. A value has no blanks and no quotes"},
    {"load_at", "`boot`, `start`", "`start`",
     "When the module is loaded. `boot`: from the initramfs, the last of its modules, before the "
     "agent says hello"},
    {"args", "list of texts", "`[]`", "Of the load, after those of `stress` and the detector"},
    {"expect", "`survive`, or a signature", "the detectors'",
     "`survive`: the load must run to its end without any report of the kernel. A signature, as "
     "[below](#expect), with `on`: instead of what every detector expects. On a kernel or "
     "architecture it may be `survive`"},
};
inline constexpr Section kVariant{"variant", "variants: {NAME: {...}}", kVariantKeys};

inline constexpr Key kModuleKeys[] = {
    {"in_tree", "folder of the kernel's source", kRequired,
     "Where the module is: `drivers/scsi/megaraid`"},
    {"name", "name", "the folder's",
     "The module: `megaraid_sas`. Of the folder's rules it alone is built, as a module, whatever "
     "the kernel's configuration says"},
    {"patches", "list of paths of files", "`[]`",
     "Unified diffs against the top of the source (`a/drivers/…`, as `git diff` and `git "
     "format-patch` write them), made in this order. Without any it is the module as it is"},
};
inline constexpr Section kModule{"module", "variants: {NAME: {module: {...}}}", kModuleKeys};

inline constexpr Key kStressKeys[] = {
    {"program",
     "`guest/stress/NAME` that is built with the rig, or path of a static program; "
     "or a map of architecture → such a path",
     kRequired, "Runs in the guest after the module is loaded"},
    {"args", "list of texts", "`[]`", "Its arguments"},
    {"seconds", "number, 1 to 86400", "`20`", "How long it runs"},
};
inline constexpr Section kStress{"stress", "stress: {...}", kStressKeys};

inline constexpr Key kProgramKeys[] = {
    {"x86_64", "as `program`", "none", "For guests of this architecture"},
    {"arm64", "as `program`", "none", "Likewise"},
};
inline constexpr Section kProgram{"program", "stress: {program: {...}}", kProgramKeys};

inline constexpr Key kTimeoutsKeys[] = {
    {"boot", "duration", "`60s`",
     "How long the kernel may be silent while it boots. One that keeps printing is slow, and is "
     "waited for four times as long in all"},
    {"crash", "duration", "40s, or the stress and 20 s if that is longer",
     "From the start of the stress to the crash. Must be longer than the stress. This and what "
     "follows is of a machine as fast as expected; on a slower one it is longer, see "
     "[`hang`](#hangs)"},
    {"silence", "duration", "`15s`", "Without a heartbeat of the agent for so long: a hard hang"},
    {"no_work", "duration", "`30s`",
     "The agent goes on, but the load has counted no work for so long: a soft hang"},
};
inline constexpr Section kTimeouts{"timeouts", "timeouts: {...}", kTimeoutsKeys};

inline constexpr Key kPredicateKeys[] = {
    {"report", "map", "any", "What the kernel said"},
    {"object", "map", "any", "A slab object that the crash leads to, read from the core"},
    {"corruption", "map, or list of maps", "any",
     "What the audit of the slab caches must have found; of a list, each"},
    {"backtrace", "list of functions", "any",
     "On the stack of the CPU that panicked, innermost first; others may lie between. Frames that "
     "were guessed do not count, and `.isra`, `.constprop`, `.part` and `.cold` are left away"},
    {"percpu", "map of per-CPU number → number, `\"> 0\"`, or map", "any", "What it must be"},
    {"memory", "map of row of `/proc/meminfo` → size or part", "any",
     "What it must be: `\"<= 16M\"`, or a part of MemTotal: `\"< 5%\"`"},
    {"hang", "map", "none", "The guest must hang, see [below](#hangs)"},
    {"during", "`boot`, `load`", "`load`",
     "When it must happen. `boot`: before the agent says hello; anywhere else a guest that does "
     "not boot is a fault of the rig"},
    {"cpu", "map, or list of maps", "any",
     "What some CPU must be doing; of a list, each on a CPU of its own"},
    {"task", "map, or list of maps", "any",
     "A task that must be waiting, uninterruptible; of a list, each"},
    {"on", "map of kernel, `x86_64` or `arm64` → signature", "none",
     "What is expected instead there; where both are given the kernel's counts"},
};
// Those of `on:` have no `on` of their own.
inline constexpr Section kExpectation{"expect", "expect: {DETECTOR: {...}}", kPredicateKeys};
inline constexpr Section kExpectationOn{
    "expect.on", "expect: {DETECTOR: {on: {KERNEL: {...}}}}",
    std::span<const Key>(kPredicateKeys).first(std::size(kPredicateKeys) - 1)};

inline constexpr Key kReportKeys[] = {
    {"kind", "a kind of report: `null-deref`, `gpf`, `kasan-use-after-free` …", "any",
     "A wrong one is answered with the nearest; the result of a run names the kind that was found"},
    {"address", "number", "any", "The faulting address"},
    {"function", "text", "any", "The guilty function, without offset"},
    {"access", "`read`, `write`, `execute`", "any", "What was tried there"},
    {"cache", "text", "any",
     "The slab cache that the report names; `kmalloc-1k` and `kmalloc-1024` are the same"},
};
inline constexpr Section kReport{"report", "expect: {DETECTOR: {report: {...}}}", kReportKeys};

inline constexpr Key kObjectKeys[] = {
    {"holds", "number", kRequired, "The value, little-endian"},
    {"size", "1, 2, 4 or 8", "`8`", "Its bytes"},
    {"offset", "number", "`0`", "Where it is in the object"},
    {"cache", "text", "any", "The object's cache"},
    {"allocated", "`true`, `false`", "either", "Whether it is in use"},
    {"was", "text", "anything",
     "The struct that it held before, by what is left of it: `lc_command`. Only a certain answer "
     "counts"},
};
inline constexpr Section kObject{"object", "expect: {DETECTOR: {object: {...}}}", kObjectKeys};

inline constexpr Key kCorruptionKeys[] = {
    {"kind",
     "`free-pointer-invalid`, `free-pointer-foreign`, `free-pointer-misaligned`, `freed-twice`, "
     "`free-and-in-use`, `poison-overwritten`, `red-zone-overwritten`, `padding-overwritten`, "
     "`counts-wrong`, `slab-lost`, `list-broken`",
     "any", "What cannot be so"},
    {"cache", "text", "any", "The cache"},
    {"offset", "number, `-0x8` in the red zone before an object", "any",
     "Of the first wrong byte, or of the free pointer"},
    {"bytes", "`\"06 01 00 00\"`", "any", "What was found there; the first bytes of it"},
    {"pointer", "number", "any", "The free pointer, decoded"},
    {"wrong_byte", "number, 0 to 7", "any",
     "The free pointer is whole but for one of its bytes, or two beside each other: the first of "
     "them, 0 the lowest. A counter or a flag was written there; what was written over as a whole "
     "leaves no such pointer"},
    {"allocated", "`true`, `false`", "either", "Whether the object is in use"},
    {"allocated_by", "text", "any",
     "A function of the stack that `slub_debug=U` or KASAN kept, or its module"},
    {"freed_by", "text", "any", "Likewise, of the stack that freed it"},
};
inline constexpr Section kCorruption{"corruption", "expect: {DETECTOR: {corruption: {...}}}",
                                     kCorruptionKeys};

inline constexpr Key kPerCpuKeys[] = {
    {"is", "number, or one of `=` `!=` `<` `<=` `>` `>=` and a number", kRequired,
     "What it must be"},
    {"cpu", "`any`, `all`, `panicked`, `sum`, or a CPU's number", "`any`",
     "On which CPU; `panicked`: also one that `stop_at` stopped where its report begins; `sum`: "
     "all of them added up"},
    {"minus", "text", "none", "Another number of that kind, subtracted on each CPU"},
};
inline constexpr Section kPerCpu{"percpu", "expect: {DETECTOR: {percpu: {NUMBER: {...}}}}",
                                 kPerCpuKeys};

inline constexpr Key kHangKeys[] = {
    {"kind", "`hard`, `soft`, `boot`", "any",
     "`hard`: no program runs any more. `soft`: the agent goes on, the load does not. `boot`: the "
     "kernel did not come as far as the agent"},
};
inline constexpr Section kHang{"hang", "expect: {DETECTOR: {hang: {...}}}", kHangKeys};

inline constexpr Key kCpuKeys[] = {
    {"backtrace", "list of functions", "any", "On its stack, as `backtrace`"},
    {"irqs_off", "`true`, `false`", "either", "Whether its interrupts are off"},
};
inline constexpr Section kCpu{"cpu", "expect: {DETECTOR: {cpu: {...}}}", kCpuKeys};

inline constexpr Key kTaskKeys[] = {
    {"comm", "text", "any", "Its name"},
    {"backtrace", "list of functions", "any", "On its stack, as `backtrace`"},
    {"lock", "text", "any",
     "What it waits for: `mutex`, `rwsem`, or the lock's symbol, where it has one"},
    {"owner", "text", "any", "The name of the task that has that lock"},
};
inline constexpr Section kTask{"task", "expect: {DETECTOR: {task: {...}}}", kTaskKeys};

// In the manual's order. kExpectationOn has nothing to say that kExpectation does not.
inline constexpr const Section* kSections[] = {
    &kScenario,   &kKernelTree, &kGuest,   &kHardware, &kDisk,        &kDetector, &kVariant,
    &kModule,     &kStress,     &kProgram, &kTimeouts, &kExpectation, &kReport,   &kObject,
    &kCorruption, &kPerCpu,     &kHang,    &kCpu,      &kTask};

}  // namespace rig::scenario::format
