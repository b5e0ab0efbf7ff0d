// SPDX-License-Identifier: Apache-2.0
#include "oops/skip_lists.h"

#include <string>

namespace rig::oops {
namespace {

// All names as one pattern: a stack is held against hundreds of them.
std::string any_of(std::initializer_list<std::string_view> names) {
  std::string pattern;
  for (std::string_view name : names) {
    const bool open_front = name.starts_with('*');
    const bool open_back = name.size() > 1 && name.ends_with('*');
    if (open_front) name.remove_prefix(1);
    if (open_back) name.remove_suffix(1);
    pattern += pattern.empty() ? "" : "|";
    pattern += open_front ? "" : "^";
    pattern += literal(name);
    pattern += open_back ? "" : "$";
  }
  return pattern;
}

}  // namespace

SkipList::SkipList(std::initializer_list<std::string_view> names) : any_(any_of(names)) {}

const SkipList& reporting_helpers() {
  static const SkipList list = {
      // printing a stack, warning, dying
      "dump_stack*", "__dump_stack", "show_stack*", "dump_backtrace*", "show_trace*", "show_regs*",
      "__show_regs*", "unwind_backtrace", "sched_show_task", "panic", "vpanic", "nmi_panic",
      "__warn", "__warn_printk", "warn_slowpath_*", "report_bug", "fixup_bug*", "handle_bug",
      "bug_handler", "die", "__die*", "die_addr", "die_kernel_fault", "oops_*", "crash_kexec",
      "page_fault_oops", "no_context", "bad_area*", "__bad_area*", "kernelmode_fixup_or_oops",
      "do_error_trap", "do_trap*", "do_invalid_op", "exc_invalid_op", "exc_general_protection",
      "do_general_protection", "exc_page_fault", "handle_page_fault", "do_user_addr_fault",
      "do_kern_addr_fault", "__do_page_fault", "do_page_fault", "do_divide_error",
      "exc_divide_error", "do_double_fault", "exc_double_fault", "do_int3", "exc_int3",
      "do_mem_abort", "do_translation_fault", "do_tag_check_fault", "do_tag_recovery",
      "do_bad_area", "__do_kernel_fault", "do_undefinstr", "do_el1_undef", "brk_handler",
      "call_break_hook", "do_debug_exception", "el1_abort", "el1_undef", "el1_dbg", "el1_sync*",
      "el1h_64_*", "do_DataAbort", "__dabt_svc", "__und_svc", "__pabt_svc", "do_PrefetchAbort",
      // memory checkers
      "kasan_*", "__kasan_*", "____kasan_*", "__asan_*", "asan_*", "__hwasan_*",
      "print_address_description*", "print_report", "report_enabled", "end_report", "start_report",
      "check_memory_region*", "check_region_inline", "memory_is_*", "kfence_report_error",
      "kfence_handle_page_fault", "__kfence_*", "kfence_*", "kmsan_*", "__kmsan_*", "__msan_*",
      "kcsan_*", "__kcsan_*", "__tsan_*", "ubsan_*", "__ubsan_*", "handle_overflow",
      "handle_object_size_mismatch", "val_to_string", "__sanitizer_*", "sanitizer_*",
      "write_comp_data", "check_kcov_mode",
      // SLUB's own checks
      "slab_err", "slab_bug", "object_err", "print_trailer", "check_bytes_and_report",
      "check_object", "slab_pad_check", "check_slab", "on_freelist", "slab_fix",
      "alloc_debug_processing", "free_debug_processing", "free_consistency_checks",
      "alloc_consistency_checks", "free_to_partial_list", "validate_slab*"};
  return list;
}

const SkipList& exception_entries() {
  static const SkipList list = {
      "asm_exc_*",           "page_fault",       "async_page_fault", "general_protection",
      "invalid_op",          "divide_error",     "double_fault",     "error_exit",
      "error_entry",         "el1_da",           "el1_sync",         "el1_dbg",
      "el1h_64_sync",        "el1_sync_handler", "__dabt_svc",       "int3",
      "el1h_64_sync_handler"};
  return list;
}

const SkipList& common_helpers() {
  static const SkipList list = {
      // instrumentation by compilers, and reporting
      "*__sanitizer*", "*__asan*", "*kasan*", "*hwasan*", "*__msan*", "*kmsan*", "kcsan_*",
      "*kfence*", "*check_memory_region*", "check_region_inline", "*check_heap_object*",
      "*check_object*", "*panic*", "*print_report*", "*print_address_description*", "*invalid_op*",
      "*report_bug*", "*fixup_bug*", "handle_bug", "*do_error*", "*_trap", "*do_trap*",
      "*show_stack*", "*dump_stack*", "*walk_stack*", "*dump_backtrace*", "*warn_slowpath*",
      "*warn_alloc*", "*warn_bogus*", "*__warn*", "*print_tainted*", "get_taint",
      "*print_usage_bug*", "*program_check_*", "*assertfail*", "*fortify_report*",
      "*arch_stack_walk*", "*stack_trace_save*", "*stack_trace_consume_entry*",
      // exceptions of arm64
      "*do_kernel_fault*", "*do_translation_fault*", "*do_mem_abort*", "*el1_abort*",
      "*el1h_64_sync*",
      // memory, strings, checksums
      "*memcpy*", "*memcmp*", "*memset*", "*memchr*", "*memmove*", "*memdup*", "*strcmp*",
      "*strncmp*", "*strcpy*", "*strlcpy*", "*strncpy*", "*strscpy*", "*strlen*", "*strstr*",
      "*strnstr*", "*strnlen*", "*strchr*", "*strdup*", "*strndup*", "*string*", "*pointer*",
      "*snprintf*", "*scnprintf*", "*kasprintf*", "*kvasprintf*", "*printk*", "*va_format*",
      "*hex_dump_to_buffer*", "*print_hex_dump*", "crc*", "__crc*", "*read_word_at_a_time*",
      "*_once_*nocheck*", "*read_once_word_nocheck*", "*read_once_nocheck*",
      // programs' memory, and registers of devices
      "*copy_to_user*", "*copy_from_user*", "*copy_to_iter*", "*copy_from_iter*",
      "*copy_page_to_iter*", "*copy_page_from_iter*", "*copy_folio_to_iter*", "copyin", "copyout",
      "*put_user*", "*get_user*", "*might_fault*", "*might_sleep*", "*might_resched*", "*readb",
      "*readw", "*readl", "*readq", "*writeb", "*writew", "*writel", "*writeq", "*logic_in*",
      "*logic_out*", "*extract_user_to_sg*", "*extract_iter_to_sg*",
      // messages of devices
      "*dev_info*", "*dev_notice*", "*dev_warn*", "*dev_err*", "*dev_alert*", "*dev_crit*",
      "*dev_emerg*",
      // allocators
      "*alloc_page*", "*alloc_frozen_pages*", "*kmalloc*", "*kzalloc*", "*kcalloc*", "*vmalloc*",
      "*vzalloc*", "*vcalloc*", "*krealloc*", "*kmem_cache*", "*allocate_slab*", "*slab_*", "kfree",
      "kvfree", "*kfree_skb*", "*folio_alloc*", "*folio_unlock*", "*alloc_folio*",
      "*filemap_get_folio*", "*find_or_create_page*", "*do_read_cache_folio*", "*read_cache_page*",
      "*pagecache_get_page*", "*grab_cache_page_write_begin*", "*ida_free*", "*__phys_addr*",
      "__virt_to_phys*", "free_slab", "*discard_slab*", "*free_block*",
      // the page cache's and other trees, lists, counters, bits
      "*xas_start*", "*xas_load*", "*xas_find*", "*find_lock_entries*",
      "*truncate_inode_pages_range*", "*list_add*", "*list_del*", "*list_replace*", "*list_move*",
      "*list_splice*", "klist_*", "rb_*", "__rb_*", "refcount_*", "kref_*", "*ref_tracker*",
      "*atomic_dec*", "*atomic64_dec*", "*atomic_inc*", "*atomic64_inc*", "*atomic_read*",
      "*atomic64_read*", "*atomic_set*", "*atomic64_set*", "*atomic_or*", "*atomic64_or*",
      "*atomic_xor*", "*atomic64_xor*", "*atomic_and*", "*atomic64_and*", "*atomic_add*",
      "*atomic64_add*", "*atomic_sub*", "*atomic64_sub*", "*atomic_fetch*", "*atomic64_fetch*",
      "*atomic_xchg*", "*atomic64_xchg*", "*atomic_cmpxchg*", "*atomic64_cmpxchg*", "*atomic_try*",
      "*atomic64_try*", "*set_bit*", "*clear_bit*", "*change_bit*", "*test_bit*",
      "*rhashtable_lookup*", "*seqprop_assert*", "*_indirect_thunk_*",
      // inodes and dentries are freed by whoever drops the last reference
      "iput", "iput_final", "ihold", "*drop_nlink*", "*dput*",
      // locks
      "*lockdep*", "*lock_acquire*", "*lock_release*", "*lock_class*", "*mark_lock*",
      "*mark_held_locks*", "*reacquire_held_locks*", "*print_unlock*", "*imbalance_bug*",
      "*spin_lock*", "*spin_trylock*", "*spin_unlock*", "*raw_spin_rq*", "*read_lock*",
      "*read_trylock*", "*read_unlock*", "*write_lock*", "*write_trylock*", "*write_unlock*",
      "down", "*down_read*", "*down_write*", "*down_trylock*", "*up_read*", "*up_write*", "mutex_*",
      "__mutex_*", "rt_mutex_*", "*owner_on_cpu*", "*osq_lock*", "*osq_unlock*", "lock_page*",
      "unlock_page*", "*bh_enable*", "*bh_disable*", "*trace_hardirq*", "*trace_softirq*",
      "*perf_trace*",
      // timers, work, waiting
      "*debug_object*", "*timer_is_static_object*", "*work_is_static_object*", "*del_timer*",
      "*timer_delete_sync*", "*lock_timer_base*", "*__mod_timer*", "*sk_stop_timer_sync*",
      "*flush_work*", "*__cancel_work_timer*", "*cancel_work_sync*", "*try_to_grab_pending*",
      "*drain_workqueue*", "*destroy_workqueue*", "*queue_work*", "*queue_delayed_work*",
      "*insert_work*", "*finish_wait*", "*kthread_stop*", "*__wake_up*", "complete",
      "*wait_for_completion*", "*cleanup_srcu_struct*",
      // devices come and go through shared code
      "*kobject_*", "*add_uevent_var*", "*get_device_parent*", "*device_add*", "*device_del*",
      "*device_unregister*", "*device_destroy*", "*device_release*", "*devres_release_all*",
      "put_device", "*hwrng_unregister*", "*i2c_del_adapter*", "*__unregister_client*",
      "*device_for_each_child*", "*rollback_registered*", "*unregister_netdev*", "*sysfs_remove*",
      "*device_remove_file*", "*tty_unregister_device*", "*dummy_urb_enqueue*", "*usb_kill_urb*",
      "*usb_kill_anchored_urbs*", "*usb_control_msg*", "*usb_hcd_submit_urb*", "*usb_submit_urb*"};
  return list;
}

}  // namespace rig::oops
