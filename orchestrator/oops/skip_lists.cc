// SPDX-License-Identifier: Apache-2.0
#include "oops/skip_lists.h"

#include <algorithm>

namespace rig::oops {
namespace {

bool matches(std::string_view pattern, std::string_view name) {
  const bool open_front = pattern.starts_with('*');
  const bool open_back = pattern.size() > 1 && pattern.ends_with('*');
  if (open_front) pattern.remove_prefix(1);
  if (open_back) pattern.remove_suffix(1);
  if (open_front && open_back) return name.find(pattern) != std::string_view::npos;
  if (open_front) return name.ends_with(pattern);
  return open_back ? name.starts_with(pattern) : name == pattern;
}

}  // namespace

bool SkipList::contains(std::string_view function) const {
  return std::any_of(names_.begin(), names_.end(),
                     [&](std::string_view pattern) { return matches(pattern, function); });
}

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
      "kasan_*", "__kasan_*", "__asan_*", "asan_*", "__hwasan_*", "print_address_description*",
      "print_report", "report_enabled", "end_report", "start_report", "check_memory_region*",
      "check_region_inline", "memory_is_*", "kfence_report_error", "kfence_handle_page_fault",
      "__kfence_*", "kfence_*", "kmsan_*", "__kmsan_*", "__msan_*", "kcsan_*", "__kcsan_*",
      "__tsan_*", "ubsan_*", "__ubsan_*", "handle_overflow", "handle_object_size_mismatch",
      "val_to_string", "__sanitizer_*", "sanitizer_*", "write_comp_data", "check_kcov_mode",
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
      // memory and strings
      "mem", "memcpy*", "__memcpy*", "memset*", "__memset*", "memmove*", "__memmove*", "memcmp*",
      "__memcmp*", "memchr*", "memscan", "__pi_mem*", "__pi_str*", "__arch_copy_*", "__pi_clear*",
      "bcmp", "strlen", "strnlen", "strcpy", "strncpy", "strlcpy", "strscpy*", "sized_strscpy",
      "strcmp", "strncmp", "strcasecmp", "strncasecmp", "strchr*", "strrchr", "strstr", "strnstr",
      "strsep", "strcat", "strncat", "strlcat", "strcspn", "strspn", "strreplace", "string*",
      "vsnprintf", "snprintf", "vscnprintf", "scnprintf", "sprintf", "number", "pointer",
      "_copy_to_user*", "_copy_from_user*", "copy_user_*", "copy_to_user*", "copy_from_user*",
      "__copy_user*", "__copy_to_user*", "__copy_from_user*", "raw_copy_*", "rep_movs*",
      "rep_stos*", "__get_user*", "__put_user*", "_inline_copy_*", "copyin", "copyout",
      "_copy_to_iter", "_copy_from_iter*", "csum_partial*",
      // allocators
      "kmalloc*", "__kmalloc*", "__do_kmalloc*", "kzalloc*", "kcalloc*", "kvmalloc*", "__kvmalloc*",
      "krealloc*", "__do_krealloc", "kmemdup*", "kstrdup*", "kmem_cache_*", "__kmem_cache_*",
      "slab_*", "__slab_*", "___slab_*", "new_slab*", "allocate_slab", "alloc_slab*", "kfree*",
      "__kfree", "kvfree*", "cache_from_obj", "cache_alloc*", "cache_free*", "___cache_free",
      "__cache_*", "____cache_*", "do_slab_free", "free_block", "get_freepointer*",
      "set_freepointer", "freelist_*", "nearest_obj", "virt_to_cache", "virt_to_slab",
      "discard_slab", "free_slab", "__free_slab", "put_cpu_partial", "unfreeze_partials",
      "__unfreeze_partials", "deactivate_slab", "memcg_slab_*", "__memcg_slab_*", "qlink_free",
      "qlist_free_all", "vmalloc", "vzalloc", "__vmalloc*", "vmalloc_*", "vfree", "__vunmap",
      "alloc_pages*", "__alloc_pages*", "get_page_from_freelist", "__free_pages*", "free_pages*",
      "free_unref_*", "__rmqueue*", "rmqueue*", "post_alloc_hook", "prep_new_page",
      "__mod_memcg_lruvec_state", "alloc_debug_processing",
      // lists, counters, bits
      "__list_add*", "__list_del*", "list_add*", "list_del*", "list_move*", "list_splice*",
      "list_empty*", "list_is_*", "__hlist_*", "hlist_*", "hlist_bl_*", "rb_erase*", "rb_insert*",
      "__rb_*", "rb_next", "rb_first*", "refcount_*", "__refcount_*", "kref_*", "atomic*",
      "arch_atomic*", "raw_atomic*", "instrument_*", "arch_static_branch*", "*test_bit*", "set_bit",
      "clear_bit", "*find_next_bit*", "__read_once_size*", "__write_once_size", "__read_once",
      "read_word_at_a_time", "rcu_read_*", "rcu_dereference*", "__phys_addr*", "_compound_head",
      "compound_head", "virt_to_head_page", "virt_to_folio", "phys_to_virt", "uaccess_*",
      "user_access_*", "percpu_*", "this_cpu_*", "__percpu_*", "preempt_count_*",
      "reacquire_held_locks", "hlock_class", "lock_downgrade", "lock_set_class",
      "alloc_page_interleave", "__alloc_frozen_pages*", "alloc_frozen_pages*", "__flush_work",
      "flush_work", "__cancel_work*", "cancel_work_sync", "rollback_registered*",
      "unregister_netdev*", "device_remove_*", "device_del", "device_unregister",
      "dpm_sysfs_remove", "put_device", "__wake_up*", "dev_vprintk_emit", "va_format",
      "dev_printk*", "__dev_printk", "_dev_*", "cleanup_srcu_struct", "lock_timer_base",
      "del_timer*", "*try_to_del_timer_sync", "dput", "fast_dput", "mark_lock*", "mark_usage",
      "__mod_timer", "mod_timer", "timer_delete*", "aesti_*", "xts_encrypt", "xts_decrypt",
      "*_timer_delete_sync", "__timer_delete*", "__aes*", "crypto_*", "destroy_workqueue",
      "*atomic_dec_and_lock*", "hex_string", "hex_dump_to_buffer", "print_hex_dump*", "crc16*",
      "crc32*", "xa_find*", "hex2bin", "check_panic_on_warn", "__x86_indirect_thunk*",
      "__might_sleep", "___might_sleep", "__might_fault", "might_fault", "__might_resched",
      "should_fail*", "__should_fail*", "bad_page*", "skb_panic", "skb_over_panic",
      "skb_under_panic", "skb_pull*", "skb_push*", "skb_put*", "free_pcp*", "free_tail*",
      "__read_once_word_nocheck", "folio_unlock", "__seqprop_assert", "kvasprintf*", "kasprintf*",
      "idr_*", "ida_*", "xa_*", "xas_*", "rhashtable_*", "__rhashtable_*", "rht_*", "complete",
      "complete_all", "wait_for_completion*", "__wait_for_common", "queue_work*", "__queue_work*",
      "queue_delayed_work*", "drain_workqueue", "kobject_*", "__kobject_*", "sysfs_remove_*",
      "device_add", "work_is_static_object", "vprintk*", "printk", "_printk", "console_lock",
      "console_trylock", "console_unlock", "kthread_stop", "usb_start_wait_urb", "usb_submit_urb",
      "usb_bulk_msg", "usb_kill_*", "usb_control_msg*", "usb_internal_*", "debugobjects_*",
      "ref_tracker_*", "aes_encrypt", "aes_decrypt",
      // locks
      "*_raw_spin_*", "*_raw_read_*", "*_raw_write_*", "do_raw_spin_*", "do_raw_read_*",
      "do_raw_write_*", "arch_spin_*", "queued_spin_*", "native_queued_*", "__pv_queued_*",
      "__raw_callee_save_*", "spin_lock*", "spin_unlock*", "read_lock*", "write_lock*",
      "__raw_spin_*", "__raw_read_*", "__raw_write_*", "mutex_*", "__mutex_*", "down_read*",
      "down_write*", "__down_*", "down_interruptible*", "up_read", "up_write", "__up_*", "rwsem_*",
      "lock_acquire*", "__lock_acquire*", "lock_release*", "__lock_release", "lock_sock_nested",
      "lock_page", "__lock_page*", "unlock_page", "*lock_acquired", "debug_spin_*",
      "register_lock_class", "ww_mutex_*", "rt_mutex_*", "rt_spin_*",
      // generic entry points: they only pass on
      "fortify_panic", "__fortify_panic", "__fortify_report", "usercopy_abort",
      "__check_object_size*", "check_object_size", "__check_heap_object", "check_heap_object",
      "__stack_chk_fail", "ret_from_fork*", "entry_SYSCALL*", "do_syscall_64", "kthread",
      "__schedule_bug", "rcu_lockdep_current_cpu_online", "lockdep_*", "debug_*", "trace_*"};
  return list;
}

const SkipList& waiting_helpers() {
  static const SkipList list = {"context_switch",
                                "ldsem_*",
                                "__schedule*",
                                "schedule*",
                                "preempt_schedule*",
                                "io_schedule*",
                                "wait_*",
                                "__wait_*",
                                "do_wait*",
                                "bit_wait*",
                                "out_of_line_wait*",
                                "rt_mutex*",
                                "*completion*",
                                "__down*",
                                "down*",
                                "*mutex_lock*",
                                "*_lock_*",
                                "lock_page*",
                                "__lock_page*",
                                "folio_wait*",
                                "folio_lock*",
                                "__folio_lock*",
                                "percpu_down*",
                                "percpu_rwsem_wait",
                                "__percpu_down*",
                                "rwsem_*",
                                "call_rwsem_*",
                                "flush_work",
                                "__flush_work",
                                "flush_workqueue*",
                                "__flush_workqueue",
                                "__cancel_work_*",
                                "cancel_work_sync",
                                "cancel_delayed_work_sync",
                                "jbd2_log_wait_*",
                                "start_this_handle",
                                "blk_mq_get_tag",
                                "rcu_barrier*",
                                "msleep*",
                                "usleep*",
                                "ret_from_fork*",
                                "kthread",
                                "sleep_on_*",
                                "__switch_to*",
                                "lock_mount_*"};
  return list;
}

const SkipList& stall_helpers() {
  static const SkipList list = {"rcu_*",
                                "print_cpu_stall*",
                                "print_other_cpu_stall*",
                                "check_cpu_stall*",
                                "__rcu_*",
                                "update_process_times",
                                "tick_*",
                                "hrtimer_*",
                                "__hrtimer_*",
                                "*apic_timer_interrupt*",
                                "local_apic_timer_interrupt",
                                "trigger_*",
                                "nmi_*",
                                "__nmi_*",
                                "arch_trigger_*",
                                "*trigger_cpumask_backtrace*",
                                "*trigger_all_cpu*",
                                "*trigger_single_cpu*",
                                "watchdog_*",
                                "lockup_detector*",
                                "is_softlockup",
                                "run_local_timers",
                                "smp_*_interrupt",
                                "irq_exit*",
                                "__irq_exit*",
                                "invoke_softirq",
                                "do_IRQ",
                                "common_interrupt",
                                "asm_common_interrupt",
                                "ret_from_intr",
                                "asm_sysvec_*",
                                "sysvec_*",
                                "__sysvec_*",
                                "gic_handle_irq",
                                "handle_domain_irq",
                                "generic_handle_*",
                                "handle_percpu_*",
                                "arch_timer_*",
                                "el1_irq*",
                                "el1_interrupt",
                                "el0_interrupt",
                                "do_interrupt_handler",
                                "call_on_irq_stack",
                                "cpu_relax",
                                "rep_nop",
                                "csd_lock_wait",
                                "native_*",
                                "pvclock_*",
                                "kvm_clock_*",
                                "ktime_*",
                                "getnstime*",
                                "read_hpet",
                                "delay_tsc",
                                "__delay",
                                "__const_udelay",
                                "udelay",
                                "arch_local_irq_*",
                                "arch_irq*",
                                "_raw_*",
                                "*queued_spin*",
                                "csum_*",
                                "check_preemption_disabled",
                                "debug_smp_processor_id",
                                "in_lock_functions",
                                "unwind_*",
                                "__unwind_*",
                                "stack_trace_*",
                                "save_stack*",
                                "arch_stack_walk",
                                "kernel_text_address",
                                "__kernel_text_address",
                                "update_stack_state",
                                "stack_access_ok",
                                "orc_find",
                                "get_stack_*",
                                "__orc_find",
                                "on_stack",
                                "is_module_text_address",
                                "bpf_ksym_find",
                                "is_bpf_text_address",
                                "do_softirq*",
                                "smp_call_function_many*",
                                "on_each_cpu*",
                                "text_poke*"};
  return list;
}

const SkipList& locking_helpers() {
  static const SkipList list = {"process_one_work",
                                "print_*",
                                "check_*",
                                "validate_chain*",
                                "lock*",
                                "__lock*",
                                "mark_*",
                                "*lock_class*",
                                "*lockdep*",
                                "spin_*",
                                "_raw_*",
                                "__raw_*",
                                "raw_*",
                                "rt_read_*",
                                "rt_write_*",
                                "mutex_*",
                                "__mutex_*",
                                "down_*",
                                "up_*",
                                "__up*",
                                "percpu_*",
                                "read_*",
                                "write_*",
                                "seqcount_*",
                                "folio_wake*",
                                "folio_end_*",
                                "worker_thread",
                                "task_blocks_on_*",
                                "release_sock",
                                "__seq*",
                                "do_write_seqcount*",
                                "flush_work*",
                                "__flush_work*",
                                "touch_wq_lockdep_map",
                                "valid_state",
                                "*seqlock*",
                                "atomic_dec_and_lock*",
                                "___might_sleep*",
                                "__might_sleep*",
                                "might_sleep*",
                                "__might_resched",
                                "__cond_resched*",
                                "_cond_resched",
                                "preempt_schedule*",
                                "__schedule*",
                                "schedule*",
                                "_rcu_*",
                                "srcu_*",
                                "__srcu_*",
                                "do_usleep*",
                                "context_switch",
                                "check_preemption_disabled",
                                "__this_cpu_preempt_check",
                                "debug_smp_processor_id",
                                "rht_*",
                                "debug_check_no_*",
                                "prev_state",
                                "static_obj",
                                "assign_lock_key",
                                "hlock_*",
                                "lookup_*",
                                "call_function_single_*"};
  return list;
}

const SkipList& warning_helpers() {
  static const SkipList list = {"refcount_*",
                                "__refcount_*",
                                "kmalloc*",
                                "__alloc_pages*",
                                "alloc_pages*",
                                "kobject_*",
                                "debug_print_object*",
                                "debug_object_*",
                                "__debug_object_*",
                                "debug_check_no_*",
                                "__debug_check_*",
                                "sock_hold",
                                "sock_put",
                                "usercopy_warn",
                                "proc_register",
                                "__proc_create",
                                "remove_proc_entry",
                                "proc_mkdir*",
                                "proc_create*",
                                "proc_net_create*",
                                "__vmalloc*",
                                "free_large_kmalloc",
                                "percpu_ref_*",
                                "skb_get",
                                "alloc_large*",
                                "___kmalloc*",
                                "warn_alloc*",
                                "kref_*",
                                "get_page_from_freelist",
                                "__kvmalloc*",
                                "kvmalloc*",
                                "vmalloc*",
                                "init_timer_key",
                                "__timer_*",
                                "timer_*",
                                "del_timer*",
                                "__mod_timer",
                                "mod_timer",
                                "__init_work",
                                "uref_*"};
  return list;
}

const SkipList& page_helpers() {
  static const SkipList list = {"free*",           "__free*",       "folios_put*",
                                "page_frag_free*", "folio_batch_*", "__page_cache_release",
                                "skb_free_head",   "skb_free_frag", "folio_add_lru",
                                "put_page*",       "__put_*",       "release_pages",
                                "__folio_put*",    "lru_*",         "kmemleak_*",
                                "create_object*",  "alloc_inode",   "sock_kmalloc",
                                "__list_lru_init", "pcpu_*",        "__alloc_percpu*",
                                "alloc_percpu*",   "mempool_*",     "__alloc_file",
                                "sk_prot_alloc",   "sk_alloc",      "__build_skb",
                                "build_skb"};
  return list;
}

const SkipList& dispatchers() {
  static const SkipList list = {
      // system calls
      "do_syscall_64", "entry_SYSCALL*", "do_fast_syscall_32", "__do_fast_syscall_32",
      "do_int80_syscall_32", "entry_SYSENTER*", "el0_svc*", "invoke_syscall", "__invoke_syscall",
      "do_el0_svc", "syscall_return_slowpath", "ret_fast_syscall", "system_call*", "tracesys",
      "do_syscall_x64", "x64_sys_call", "int_ret_from_sys_call",
      // files
      "*sys_ioctl", "SyS_ioctl", "SYSC_ioctl", "ksys_write", "ksys_read", "vfs_read", "vfs_write",
      "__vfs_read", "__vfs_write", "new_sync_read", "new_sync_write", "call_read_iter",
      "call_write_iter", "do_iter_read", "do_iter_write", "do_iter_readv_writev",
      "do_loop_readv_writev", "__kernel_write", "vfs_ioctl", "do_vfs_ioctl", "sock_do_ioctl",
      "__se_sys_ioctl", "*compat_sys_ioctl", "compat_SyS_ioctl", "compat_SYSC_ioctl",
      "*compat_sys_ioctl*", "__do_sys_ioctl", "vfs_open", "do_dentry_open", "__fput", "vfs_fsync*",
      "__do_fault", "do_shared_fault", "call_mmap", "mmap_region", "vfs_poll", "do_pollfd",
      "vfs_get_tree", "mount_bdev", "mount_fs", "iterate_dir",
      // sockets and packets
      "sock_sendmsg", "sock_sendmsg_nosec", "__sock_sendmsg", "sock_recvmsg", "____sys_sendmsg",
      "___sys_sendmsg", "__sys_sendmsg", "__sys_setsockopt", "__sys_getsockopt",
      "sock_common_setsockopt", "do_sock_setsockopt", "__sys_connect*", "__sys_bind", "sock_close",
      "__sock_release", "sock_release", "sock_ioctl", "netlink_unicast*", "netlink_rcv_skb",
      "netlink_dump", "genl_rcv_msg", "genl_family_rcv_msg*", "rtnetlink_rcv_msg",
      "nfnetlink_rcv_msg", "__netif_receive_skb_core", "deliver_skb", "__netif_receive_skb*",
      "__napi_poll", "napi_poll", "net_rx_action",
      // timers, interrupts, work
      "call_timer_fn", "expire_timers", "__run_timers", "__hrtimer_run_queues",
      "__tasklet_hrtimer_trampoline", "tasklet_action*", "__do_softirq", "handle_softirqs",
      "rcu_do_batch", "process_one_work", "process_scheduled_works", "worker_thread", "kthread",
      "smpboot_thread_fn", "ret_from_fork*", "__handle_irq_event_percpu", "task_work_run",
      "hrtimer_run_softirq"};
  return list;
}

const SkipList& interrupt_entries() {
  static const SkipList list = {"apic_timer_interrupt",
                                "trace_apic_timer_interrupt",
                                "smp_trace_apic_timer_interrupt",
                                "smp_apic_timer_interrupt*",
                                "asm_sysvec_*",
                                "ret_from_intr",
                                "asm_common_interrupt",
                                "common_interrupt",
                                "reschedule_interrupt",
                                "call_function_interrupt",
                                "call_function_single_interrupt",
                                "irq_work_interrupt",
                                "el1_irq",
                                "el1h_64_irq",
                                "el1_interrupt",
                                "__irq_svc",
                                "end_repeat_nmi",
                                "asm_exc_nmi",
                                "ret_from_exception"};
  return list;
}

}  // namespace rig::oops
