// SPDX-License-Identifier: Apache-2.0
// What checks in the kernel's code print: BUG(), WARN() (lib/bug.c, kernel/panic.c) and messages
// that announce them. Order matters where two formats share a needle: the special one comes first.
#include "oops/report_formats.h"

namespace rig::oops {
namespace {

// "at mm/slub.c:120 func+0x1/0x2 [module]" of WARNINGs; new kernels end with ", CPU#1: comm/pid".
#define RIG_WARN_PREFIX \
  "WARNING: (?:\\[.*\\] )?(?:CPU: (?P<cpu>\\d+) PID: (?P<pid>-?\\d+) )?(?:at )?"
#define RIG_WARN_REST                                                      \
  "(?:\\+0x[0-9a-f]+/0x[0-9a-f]+)?(?:\\(\\))?(?: \\[(?P<module>[\\w-]+))?" \
  "(?:.*, CPU#(?P<cpu2>\\d+): (?P<comm>.+)/(?P<pid2>\\d+)$)?"
#define RIG_WARN_PLACE \
  ":\\d+ (?:at )?(?:(?P<func>[A-Za-z_<][^\\s+(,]*(?: as [^+]+)?)|0x[0-9a-f]+)" RIG_WARN_REST
#define RIG_WARN_IN(FILE) RIG_WARN_PREFIX FILE RIG_WARN_PLACE
// The same where the function is NAME.
#define RIG_WARN_BY(FILE, NAME) \
  RIG_WARN_PREFIX FILE ":\\d+ (?:at )?(?P<func>" NAME ")" RIG_WARN_REST

std::vector<Format> messages() {
  return {
      {.family = "list-corruption",
       .role = Role::kMessage,
       .needles = {"list_add corruption", "list_del corruption", "list_add double add",
                   "list_add attempted on"},
       .spellings = {{.pattern = R"((?:list_add|list_del) (?:corruption|double add|attempted on))",
                      .kind = "list-corruption",
                      .title = "BUG: corrupted list in {function}"}},
       .type = "MEMORY_SAFETY_BUG",
       .alt = {"bad-access in {function}"},
       .titled_by_splat = true},
      {.family = "usercopy",
       .role = Role::kMessage,
       .needles = {"usercopy", "ernel memory exposure attempt", "ernel memory overwrite attempt"},
       .spellings =
           {{.pattern =
                 R"(Bad or missing usercopy whitelist\? Kernel memory (?:exposure|overwrite) attempt)",
             .kind = "usercopy",
             .title = "WARNING: bad usercopy in {function}",
             .type = "WARNING"},
            {.pattern =
                 R"([Kk]ernel memory (?P<bug>exposure|overwrite) attempt detected (?:from|to) (?P<what>.*?)(?: \((?:(?P<cache>[\w.-]+)|<[^>]+>)\))? ?(?:\(\d+ bytes\)|\(offset \d+, size (?P<size>\d+)\))?$)",
             .kind = "usercopy",
             .title = "BUG: bad usercopy in {function}"}},
       .skip = &usercopy_checkers(),
       .type = "BUG",
       .titled_by_splat = true},
      {.family = "fortify",
       .role = Role::kMessage,
       .needles = {"detected buffer overflow in ", ": detected field-spanning",
                   "buffer overflow: "},
       .spellings =
           {{.pattern = R"(detected buffer overflow in (?P<what>\w+))",
             .kind = "fortify",
             .title = "kernel BUG in {function}",
             .type = "BUG"},
            {.pattern =
                 R"((?P<what>\w+): detected buffer overflow: (?P<size>\d+) byte (?P<access>read|write))",
             .kind = "fortify",
             .title = "kernel BUG in {function}",
             .type = "BUG"},
            {.pattern = R"(detected field-spanning (?P<access>read|write) \(size (?P<size>\d+)\))",
             .kind = "fortify",
             .title = "WARNING in {function}",
             .type = "WARNING"}},
       .look = Look::kWarning,
       .titled_by_splat = true},
      {.family = "slub",
       .role = Role::kMessage,
       .needles = {"Wrong slab cache", "Object is not a Slab page"},
       // The object's own cache, not the one that it was freed to (mm/slab.h, cache_from_obj()).
       .spellings =
           {{.pattern =
                 R"(Wrong slab cache\. (?P<what>[\w:.-]+) but object is from (?P<cache>[\w:.-]+))",
             .kind = "slub-wrong-cache",
             .title = "SLUB: wrong slab cache in {function}"},
            // virt_to_cache(). Old kernels follow the NULL slab_cache of such a page.
            {.pattern = R"(virt_to_cache: Object is not a Slab page)",
             .kind = "slub-not-a-slab-page",
             .title = "SLUB: freed object is not in a slab page in {function}"}},
       .skip = &freeing_helpers(),
       .look = Look::kWarning,
       .type = "MEMORY_SAFETY_BUG",
       .alt = {"WARNING in {function}"}},
      {.family = "refcount",
       .role = Role::kMessage,
       .needles = {"refcount_t: "},
       .spellings = {{.pattern = R"(^refcount_t: )",
                      .kind = "refcount",
                      .title = "WARNING: refcount bug in {function}"}},
       .skip = &refcount_users(),
       .look = Look::kWarning,
       .type = "REFCOUNT_WARNING",
       .titled_by_splat = true},
      {.family = "rust-panic",
       .role = Role::kMessage,
       .needles = {"rust_kernel: panicked"},
       .spellings = {{.pattern = R"(rust_kernel: panicked at )",
                      .kind = "rust-panic",
                      .title = "{below} in {function}"}},
       .skip = &rust_panic_helpers(),
       .look = Look::kTrace}};
}

std::vector<Format> bad_pages() {
  return {{.family = "bad-page",
           .needles = {"BUG: Bad page state", "BUG: Bad page cache"},
           .spellings =
               {{.pattern =
                     R"(BUG: Bad page (?P<bug>state|cache)(?: in process (?P<comm>.+?)  ?pfn:)?)",
                 .kind = "bad-page",
                 .title = "BUG: Bad page {bug} in {function}"}},
           .skip = &page_helpers(),
           .look = Look::kAllocatedPage},
          {.family = "bad-page",
           .needles = {"BUG: Bad page map"},
           .spellings = {{.pattern = R"(BUG: Bad page map(?: in process (?P<comm>.+?)  ?pte:)?)",
                          .kind = "bad-page",
                          .title = "BUG: Bad page map"}},
           .look = Look::kNowhere},
          {.family = "bad-page",
           .needles = {"BUG: Bad rss-counter", "BUG: non-zero "},
           .spellings = {{.pattern = R"(BUG: Bad rss-counter state)",
                          .kind = "bad-page",
                          .title = "BUG: Bad rss-counter state"},
                         {.pattern = R"(BUG: (?P<what>non-zero \w+ on freeing mm))",
                          .kind = "bad-page",
                          .title = "BUG: {what}"}},
           .look = Look::kNowhere,
           .stackless = true},
          {.family = "dentry",
           .role = Role::kMessage,
           .needles = {"BUG: Dentry "},
           .spellings =
               {{.pattern =
                     R"(BUG: Dentry .* still in use(?: \(\d+\))? \[(?P<what>unmount of [^\]]+)\])",
                 .kind = "dentry-in-use",
                 .title = "BUG: Dentry still in use in unmount"}},
           .look = Look::kNowhere,
           .alt = {"BUG: Dentry still in use [{what}]"}}};
}

std::vector<Format> bugs() {
  return {{.family = "kernel-bug",
           .role = Role::kSplat,
           .needles = {"kernel BUG at "},
           .spellings = {{.pattern = R"(kernel BUG at \S*mm/usercopy\.c:\d+)",
                          .kind = "usercopy",
                          .title = "BUG: bad usercopy in {function}",
                          .look = Look::kTrace,
                          .skip = &usercopy_checkers()},
                         {.pattern = R"(kernel BUG at \S*fs/buffer\.c:\d+)",
                          .kind = "kernel-bug",
                          .title = "kernel BUG in {function}"},
                         {.pattern = R"(kernel BUG at \S+:\d+)",
                          .kind = "kernel-bug",
                          .title = "kernel BUG in {function}"}},
           // Their BUG_ON()s check what callers pass.
           .skip = &packet_helpers(),
           .type = "BUG"},
          // lib/list_debug.c: the callers corrupted the list.
          {.family = "kernel-bug",
           .role = Role::kSplat,
           .needles = {"Kernel BUG at "},
           .spellings = {{.pattern = R"(Kernel BUG at (?P<func>[^\s+]+)\+0x)",
                          .kind = "kernel-bug",
                          .title = "kernel BUG in {function}"}},
           .skip = &packet_helpers(),
           .type = "BUG"}};
}

Format list_bug() {
  return {.family = "list-corruption",
          .role = Role::kSplat,
          .needles = {"kernel BUG at "},
          .spellings = {{.pattern = R"(kernel BUG at \S*lib/list_debug\.c:\d+)",
                         .kind = "list-corruption",
                         .title = "BUG: corrupted list in {function}"}},
          .look = Look::kTrace,
          .type = "MEMORY_SAFETY_BUG",
          .alt = {"bad-access in {function}"}};
}

// Checkers that warn of their callers.
std::vector<Spelling> warnings_of_callers() {
  return {{.pattern = RIG_WARN_IN(R"(\S*lib/debugobjects\.c)"),
           .kind = "debug-objects",
           .title = "WARNING: ODEBUG bug in {function}",
           .skip = &debug_object_users()},
          {.pattern = RIG_WARN_IN(R"(\S*mm/usercopy\.c)"),
           .kind = "usercopy",
           .title = "WARNING: bad usercopy in {function}",
           .skip = &usercopy_checkers()},
          {.pattern = RIG_WARN_IN(R"(\S*lib/kobject\.c)"),
           .kind = "warning",
           .title = "WARNING: kobject bug in {function}"},
          {.pattern = RIG_WARN_IN(R"(\S*fs/proc/generic\.c)"),
           .kind = "warning",
           .title = "WARNING: proc registration bug in {function}",
           .skip = &proc_helpers()},
          {.pattern = RIG_WARN_IN(R"(\S*lib/refcount\.c)"),
           .kind = "refcount",
           .title = "WARNING: refcount bug in {function}",
           .type = "REFCOUNT_WARNING",
           .skip = &refcount_users()},
          {.pattern = RIG_WARN_BY(R"(\S*kernel/locking/lockdep\.c)", "[^\\s+(,]*lock_[^\\s+(,]*"),
           .kind = "warning",
           .title = "WARNING: locking bug in {function}",
           .type = "LOCKDEP",
           .skip = &socket_locks()},
          {.pattern = RIG_WARN_BY(R"(\S*mm/\S+\.c)", "k?.?malloc[^\\s+(,]*"),
           .kind = "warning",
           .title = "WARNING: kmalloc bug in {function}"},
          {.pattern = RIG_WARN_BY(R"(\S*mm/vmalloc\.c)", "__vmalloc_node[^\\s+(,]*"),
           .kind = "warning",
           .title = "WARNING: zero-size vmalloc in {function}"},
          {.pattern = RIG_WARN_BY(R"(\S+)", "usb_submit_urb"),
           .kind = "warning",
           .title = "WARNING in {function}/usb_submit_urb",
           .skip = &usb_transfer_helpers()},
          {.pattern = RIG_WARN_IN(R"(\S*/list_debug\.c)"),
           .kind = "list-corruption",
           .title = "WARNING in {function}"}};
}

#undef RIG_WARN_PLACE

}  // namespace

std::vector<Format> bug_formats() {
  std::vector<Format> all = messages();
  for (Format& format : bad_pages()) all.push_back(std::move(format));
  all.push_back(list_bug());
  for (Format& format : bugs()) all.push_back(std::move(format));
  return all;
}

std::vector<Format> warning_formats() {
  std::vector<Spelling> all = warnings_of_callers();
  all.push_back(
      {.pattern = RIG_WARN_PREFIX
       R"([\w./-]+\.\w+:\d+ (?:at )?(?:(?P<func>[A-Za-z_<][^\s+(,]*(?: as [^+]+)?)|0x[0-9a-f]+))" RIG_WARN_REST,
       .kind = "warning",
       .title = "WARNING in {function}"});
  // Without CONFIG_DEBUG_BUGVERBOSE there is no file.
  all.push_back(
      {.pattern =
           R"(WARNING: CPU: (?P<cpu>\d+) PID: (?P<pid>-?\d+) at (?:(?P<func>[A-Za-z_<][^\s+(,]*)\+0x|0x[0-9a-f]{8}))",
       .kind = "warning",
       .title = "WARNING in {function}"});
  return {{.family = "warning",
           .role = Role::kSplat,
           .needles = {"WARNING: "},
           .spellings = std::move(all),
           .look = Look::kWarning,
           .type = "WARNING"},
          // arch/x86/kernel/unwind_frame.c
          {.family = "unwinder",
           .needles = {"WARNING: kernel stack "},
           .spellings = {{.pattern = R"(WARNING: kernel stack regs .* has bad '?\w+'? value)",
                          .kind = "unwinder",
                          .title = "WARNING: kernel stack regs has bad value"},
                         {.pattern = R"(WARNING: kernel stack frame pointer .* has bad value)",
                          .kind = "unwinder",
                          .title = "WARNING: kernel stack frame pointer has bad value"}},
           .look = Look::kNowhere,
           .stackless = true}};
}

}  // namespace rig::oops
