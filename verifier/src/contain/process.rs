//! The three calls into the C library that no safe wrapper has.
#![expect(
    unsafe_code,
    reason = "fork, the disposition of signals and closing by number have no safe wrapper"
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

/// Ends the process at once: what others registered to run at its end is not ours to run in a fork.
pub(super) fn end(status: i32) -> ! {
    // SAFETY: never returns, and touches no memory.
    unsafe { libc::_exit(status) }
}
