//! The calls into the C library that no safe wrapper has.
#![expect(
    unsafe_code,
    reason = "fork, the disposition of signals, closing by number and the allocator's settings have no safe wrapper"
)]

use std::io;

use rustix::process::Pid;

/// Which of the two processes one is after a fork.
pub(super) enum Forked {
    Parent(Pid),
    Child,
}

/// Forks this process.
///
/// # Errors
/// The kernel's; also when there are other threads: the child would find their locks held for ever.
pub(super) fn fork() -> io::Result<Forked> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!("{threads} threads, where one can be forked")));
    }
    // SAFETY: with one thread no lock is held by anybody else, so the child may go on as the parent would.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Pid::from_raw(pid).map(Forked::Parent).ok_or_else(|| io::Error::other("no process id")),
    }
}

/// Ignores what a terminal or a service manager sends to everybody: whoever examines ends with the service, not before.
pub(super) fn ignore_requests_to_end() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: no handler is installed, so none can run at a bad time.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Closes every descriptor above a number.
///
/// # Errors
/// The kernel's.
pub(super) fn close_above(last: u32) -> io::Result<()> {
    // SAFETY: called before anything else in this process has opened a descriptor that it will use or close again.
    match unsafe { libc::close_range(last + 1, libc::c_uint::MAX, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Bytes from which on the zygote has the kernel give each piece of memory, and take it back: the allocator's own default, without
/// the change that it makes to it when a larger piece is given back.
const LARGE: libc::c_int = 128 << 10;
/// The same in a worker, where it is as much as the allocator takes.
const LARGE_IN_WORKER: libc::c_int = 32 << 20;

/// Has the allocator keep nothing large that is free: what a zygote keeps is copied by its workers, who may use it beyond their bound.
pub(super) fn give_memory_back() {
    set_allocator(&[(libc::M_MMAP_THRESHOLD, LARGE)]);
}

/// Gives back what the allocator has kept all the same.
pub(super) fn trim_memory() {
    // SAFETY: touches no memory that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Has the allocator keep everything: whoever lives for one examination would have to be given again, page by page and each
/// page cleared, what it gives back.
pub(super) fn keep_memory() {
    set_allocator(&[(libc::M_MMAP_THRESHOLD, LARGE_IN_WORKER), (libc::M_TRIM_THRESHOLD, libc::c_int::MAX)]);
}

fn set_allocator(parameters: &[(libc::c_int, libc::c_int)]) {
    for (parameter, value) in parameters {
        // SAFETY: there is one thread. A value that is refused leaves the allocator as it is, which is slower and no error.
        unsafe { libc::mallopt(*parameter, *value) };
    }
}

/// Ends the process at once: what others registered to run at its end is not ours to run in a fork.
pub(super) fn end(status: i32) -> ! {
    // SAFETY: never returns, and touches no memory.
    unsafe { libc::_exit(status) }
}
