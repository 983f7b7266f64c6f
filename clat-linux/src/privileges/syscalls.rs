//! Seccomp: the system calls of a running CLAT.
//!
//! Two filters, for a filter has one answer only. The first kills the process for what nothing but an intruder
//! would call. The second refuses all that is not on the list of what the program, the standard library and the C
//! library call; a call that was forgotten there costs an error message and not the connection.

use super::Missing;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Installs both filters. What is missing is returned.
pub(super) fn filter(frames: bool) -> Option<Missing> {
    let cost = "the kernel takes any system call from this program";
    match programs(frames) {
        Err(error) => Some(format!("the system call filter does not fit this machine ({error}): {cost}")),
        Ok(programs) => programs
            .iter()
            .try_for_each(|program| apply_filter_all_threads(program))
            .err()
            .map(|error| format!("this kernel takes no system call filter ({error}): {cost}")),
    }
}

/// In the order they are installed: behind the second one, no filter can be.
fn programs(frames: bool) -> Result<[BpfProgram; 2], BackendError> {
    let eperm = u32::try_from(libc::EPERM).unwrap_or(1);
    let build = |rules, otherwise, answer| -> Result<BpfProgram, BackendError> {
        SeccompFilter::new(rules, otherwise, answer, std::env::consts::ARCH.try_into()?)?.try_into()
    };
    let allowed = build(allowed(frames)?, SeccompAction::Errno(eperm), SeccompAction::Allow)?;
    let deadly: Rules = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    let deadly = build(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?;
    Ok([deadly, allowed])
}

fn allowed(frames: bool) -> Result<Rules, BackendError> {
    let mut rules: Rules = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    rules.extend(LEGACY.iter().map(|call| (*call, Vec::new())));
    let number = |value: i32| u64::try_from(value).unwrap_or(u64::MAX);
    let argument = |index, op, value| {
        SeccompRule::new(vec![SeccompCondition::new(index, SeccompCmpArgLen::Dword, op, value)?])
    };
    let packets = frames.then_some(libc::AF_PACKET);
    let families =
        [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].into_iter().chain(packets);
    let sockets: Result<Vec<_>, _> =
        families.map(|family| argument(0, SeccompCmpOp::Eq, number(family))).collect();
    rules.insert(libc::SYS_socket, sockets?);
    // Memory that may be written is never made to run.
    let exec = number(libc::PROT_EXEC);
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![argument(2, SeccompCmpOp::MaskedEq(exec), 0)?]);
    }
    Ok(rules)
}

/// No part of this program, now or later.
const DEADLY: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
];

/// What the program, the standard library and the C library call while it runs and when it ends.
const ALLOWED: &[i64] = &[
    // Files and descriptors.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_umask,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_ioctl,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Waiting and time.
    libc::SYS_ppoll,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    // Sockets; `socket` itself is limited by family.
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    // Memory; `mmap` and `mprotect` are limited to what does not run.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads, signals, the process itself.
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_prctl,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_tgkill,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_prlimit64,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_capget,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Older names of the same, which later machines do not have.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_chmod,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_pipe,
    libc::SYS_dup2,
    libc::SYS_time,
    libc::SYS_arch_prctl,
];

#[cfg(target_arch = "aarch64")]
const LEGACY: &[i64] = &[libc::SYS_renameat];

#[cfg(target_arch = "riscv64")]
const LEGACY: &[i64] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_allowed_and_deadly() {
        for frames in [false, true] {
            let allowed = allowed(frames).unwrap();
            assert!(DEADLY.iter().all(|call| !allowed.contains_key(call)));
            programs(frames).unwrap();
        }
    }
}
