// SPDX-License-Identifier: Apache-2.0
// The lists that only some formats use; skip_lists.h says what each is for.
#include "oops/skip_lists.h"

namespace rig::oops {

const SkipList& tag_checkers() {
  static const SkipList list = {"*kernel_fault*", "*tag_check*", "*mem_abort*", "el1_*", "el1h_*"};
  return list;
}

const SkipList& slab_checkers() {
  static const SkipList list = {"slab_err",
                                "slab_bug",
                                "object_err",
                                "print_trailer",
                                "check_bytes_and_report",
                                "*check_slab*",
                                "on_freelist",
                                "slab_fix",
                                "*debug_processing*",
                                "*consistency_checks*",
                                "free_to_partial_list",
                                "validate_slab*",
                                "*kfree*",
                                "kvfree*",
                                "init_object",
                                "cache_free_debugcheck",
                                "*slab_error",
                                "restore_bytes",
                                "*kmem_cache*",
                                "dump_page*",
                                "trace",
                                "get_partial*",
                                "new_slab*"};
  return list;
}

const SkipList& control_flow_checkers() {
  static const SkipList list = {"*__cfi_*", "*cfi_failure*", "*cfi_check*"};
  return list;
}

const SkipList& freeing_helpers() {
  static const SkipList list = {"*slab_*",      "*kfree*",        "*vunmap*",      "*vfree*",
                                "*kmem_cache*", "cache_from_obj", "virt_to_cache", "kvfree*"};
  return list;
}

const SkipList& uninitialised_helpers() {
  static const SkipList list = {"*alloc_skb*", "*netlink_ack*", "*netlink_rcv_skb*",
                                // ciphers and checksums read what they are given
                                "*_encrypt", "*_decrypt", "crypto_*", "cipher_*", "drbg_*", "rng_*",
                                // transfers send what drivers fill
                                "*usb_submit_urb*", "*usb_start_wait_urb*", "*usb_bulk_msg*",
                                "*usb_interrupt_msg*", "*usb_control_msg*"};
  return list;
}

const SkipList& arithmetic_checkers() {
  static const SkipList list = {"*ubsan*", "*overflow*"};
  return list;
}

const SkipList& owned_memory_helpers() {
  static const SkipList list = {"*kmemleak*",  "*alloc*",         "*mmap*",
                                "*kmem*",      "*slab*",          "*create_object*",
                                "*idr_get*",   "*list_lru_init*", "*pcpu_create*",
                                "*kasprintf*", "*kvasprintf*"};
  return list;
}

const SkipList& overflow_helpers() {
  static const SkipList list = {"*stack_chk*", "*bad_stack*"};
  return list;
}

const SkipList& usercopy_checkers() {
  static const SkipList list = {"*usercopy*", "*__check*"};
  return list;
}

const SkipList& refcount_users() {
  static const SkipList list = {"*refcount*", "*kobject_*"};
  return list;
}

const SkipList& rust_panic_helpers() {
  static const SkipList list = {"*rust_begin_unwind*", "core::panicking::*", "rust_helper_BUG"};
  return list;
}

const SkipList& page_helpers() {
  static const SkipList list = {
      "*free_page*",      "*put_page*", "*get_page*", "*update_page*", "*release_page*",
      "*free_unref*",     "folio*",     "_folio*",    "__folio*",      "*truncate_inode_pages*",
      "*page_frag_free*", "*alloc*",    "*vmap*",     "*page_owner*",  "prep_new_page",
      "post_alloc_hook"};
  return list;
}

const SkipList& packet_helpers() {
  static const SkipList list = {"skb_*"};
  return list;
}

const SkipList& debug_object_users() {
  static const SkipList list = {"*debug_*",  "*rcu*",      "*hrtimer_*", "*timer_*",
                                "*work_*",   "*percpu_*",  "*vunmap*",   "*vfree*",
                                "*__free_*", "*kobject_*", "*kfree*"};
  return list;
}

const SkipList& proc_helpers() {
  static const SkipList list = {"*proc_*"};
  return list;
}

const SkipList& socket_locks() {
  static const SkipList list = {"*lock_sock*", "*release_sock*"};
  return list;
}

const SkipList& usb_transfer_helpers() {
  static const SkipList list = {"*usb_submit_urb*", "*usb_start_wait_urb*", "*usb_bulk_msg*",
                                "*usb_interrupt_msg*", "*usb_control_msg*"};
  return list;
}

const SkipList& work_item_locks() {
  static const SkipList list = {"*process_one_work*", "*flush_workqueue*", "*drain_workqueue*",
                                "*destroy_workqueue*"};
  return list;
}

const SkipList& rcu_users() {
  static const SkipList list = {"*rcu*", "*kmem*", "*slab*"};
  return list;
}

const SkipList& locking_code() {
  static const SkipList list = {"*stack*", "*lock*", "*IRQ*"};
  return list;
}

const SkipList& scheduler() {
  static const SkipList list = {"*schedule*", "*retint_kernel*"};
  return list;
}

const SkipList& preemption_checkers() {
  static const SkipList list = {"*dump_stack*", "*preempt*", "*debug_*", "*processor_id*",
                                "*this_cpu*"};
  return list;
}

const SkipList& locks() {
  static const SkipList list = {"*spin_*", "*_lock*", "*_unlock*"};
  return list;
}

const SkipList& stall_reporters() {
  static const SkipList list = {"*apic_timer_interrupt*", "*rcu*"};
  return list;
}

const SkipList& waiting_helpers() {
  static const SkipList list = {"*sched*",          "*_lock*",       "*_slowlock*",
                                "*down*",           "*rwsem*",       "*completion*",
                                "*kthread*",        "*wait*",        "*synchronize*",
                                "*context_switch*", "*__switch_to*", "*cancel_delayed_work*",
                                "*rcu_barrier*"};
  return list;
}

const SkipList& dispatchers() {
  static const SkipList list = {
      // system calls
      "*do_syscall_*", "*do_fast_syscall_*", "*sysenter_dispatch*", "*tracesys_phase2*",
      "*el0_svc_handler*", "el0_svc", "el0t_64_sync", "tracesys", "system_call*",
      "*invoke_syscall*", "*ret_fast_syscall*",
      // work, timers, softirqs, threads
      "*process_one_work*", "*do_softirq*", "*call_timer_fn*", "*_run_timers*",
      "*run_timer_softirq*", "*hrtimer_run*", "*run_ksoftirqd*", "*smpboot_thread_fn*",
      "*tasklet_action*", "*tasklet_hi_action*", "kthread", "*start_secondary*",
      "*cpu_startup_entry*", "*ret_from_fork*", "*task_work_run*", "*exit_to_usermode*",
      "*smp_call_function*",
      // debugfs, and what LKDTM puts between it and its crashes
      "full_proxy_*", "direct_entry", "lkdtm_do_action",
      // files
      "*vfs_write*", "*vfs_read*", "*vfs_iter_read*", "*vfs_iter_write*", "*do_iter_read*",
      "*do_iter_write*", "*call_read_iter*", "*call_write_iter*", "*new_sync_read*",
      "*new_sync_write*", "*vfs_ioctl*", "*ksys_ioctl*", "*compat_ioctl*", "*compat_sys_ioctl*",
      "*blkdev_driver_ioctl*", "*blkdev_ioctl*", "*do_iter_readv_writev*", "call_mmap*",
      "*mmap_region*", "*do_mmap*", "*do_dentry_open*", "*vfs_open*", "*__fput*",
      // sockets and packets
      "sock_sendmsg*", "sock_recvmsg*", "sock_release*", "__sock_release*", "setsockopt",
      "*kernel_setsockopt*", "*sock_common_setsockopt*", "listen", "*kernel_listen*",
      "*sk_common_release*", "sock_mmap*", "accept", "*kernel_accept*", "sock_do_ioctl*",
      "sock_ioctl*", "compat_sock_ioctl*", "nfnetlink_rcv_msg*", "rtnetlink_rcv_msg*",
      "netlink_dump*", "socketpair*", "connect*", "ioctl*", "sys_socketpair*", "sys_connect*",
      "sys_ioctl*", "*netif_receive_skb*",
      // page faults
      "*__do_fault*", "*do_page_fault*", "page_fault"};
  return list;
}

const SkipList& interrupt_entries() {
  static const SkipList list = {
      "*apic_timer_interrupt*",  "el1h_64_irq*",      "el1_irq*", "__irq_svc",
      "*sysvec_hyperv_stimer0*", "*xen_hvm_callback*"};
  return list;
}

const SkipList& fault_injection() {
  static const SkipList list = {"should_fail", "should_failslab", "should_fail_ex"};
  return list;
}

}  // namespace rig::oops
