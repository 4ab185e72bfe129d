//! What a worker gives up before it looks at a picture: files, network, other processes, and more than its share of memory
//! and time.

use std::collections::BTreeMap;
use std::fs;

use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior, set_parent_process_death_signal,
    setrlimit,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use serde::{Deserialize, Serialize};

/// What is on beside the filter of system calls and the limits, without which no worker starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Landlock {
    /// Everything that we ask for: files, TCP, signals and abstract sockets.
    Full,
    /// What an older kernel knows of it: files at least.
    Partial,
    /// Not in this kernel, or not for this process. The filter of system calls refuses files and sockets all the same.
    Absent,
}

impl Landlock {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Absent => "absent",
        }
    }
}

/// What one worker may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Allowance {
    /// Bytes of memory beyond what the networks take.
    pub(super) memory: u64,
    /// Seconds of CPU time.
    pub(super) cpu: u64,
}

/// A guard could not be set up. Nothing is examined without it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the limits can't be set")]
    Limits(#[from] rustix::io::Errno),
    #[error("system calls can't be filtered")]
    Filter(#[from] seccompiler::Error),
    #[error("this processor is not known to the filter of system calls")]
    Processor(#[source] seccompiler::BackendError),
    #[error("landlock's rules are refused")]
    Landlock(#[from] landlock::RulesetError),
    #[error("the memory in use can't be read")]
    Memory(#[source] std::io::Error),
}

/// The filters, made once and applied in every worker.
pub(super) struct Guards {
    /// Refuses to open files, with an error that libraries know.
    refuse: BpfProgram,
    /// Kills for everything that an examination has no need of.
    kill: BpfProgram,
}

/// Ways to open or look at files. They fail as if everything were forbidden; libraries try such things and go on without.
const REFUSED: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// What examining takes: the socket it was given, memory, locks, clocks, randomness, and an end, orderly or not.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

impl Guards {
    pub(super) fn new() -> Result<Self, Error> {
        let architecture = std::env::consts::ARCH.try_into().map_err(Error::Processor)?;
        let program = |rules: BTreeMap<i64, Vec<SeccompRule>>, otherwise, matched| {
            SeccompFilter::new(rules, otherwise, matched, architecture)
                .and_then(BpfProgram::try_from)
                .map_err(Error::Processor)
        };
        let any = |calls: &[i64]| calls.iter().map(|call| (*call, Vec::new())).collect::<BTreeMap<_, _>>();
        let mut allowed = any(ALLOWED);
        allowed.extend(any(REFUSED));
        // Memory, but none that could be run: argument 2 of both is the protection.
        let not_executable = SeccompCondition::new(
            2,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64),
            0,
        )
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(Error::Processor)?;
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            allowed.insert(call, vec![not_executable.clone()]);
        }
        // A signal to oneself is how `abort` ends.
        allowed.insert(libc::SYS_tgkill, Vec::new());
        Ok(Self {
            refuse: program(any(REFUSED), SeccompAction::Allow, SeccompAction::Errno(libc::EACCES as u32))?,
            kill: program(allowed, SeccompAction::KillProcess, SeccompAction::Allow)?,
        })
    }

    /// Gives up everything that an examination has no need of, for ever.
    pub(super) fn apply(&self, allowance: Allowance) -> Result<Landlock, Error> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        let used = memory_in_use().map_err(Error::Memory)?;
        let landlock = landlock()?;
        let limits = [
            (Resource::Data, used.saturating_add(allowance.memory)),
            (Resource::Fsize, 0),
            (Resource::Core, 0),
            (Resource::Nproc, 0),
            (Resource::Nofile, 0),
            (Resource::Memlock, 0),
            (Resource::Msgqueue, 0),
        ];
        for (resource, most) in limits {
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
        // A second apart, so that the first is a signal of its own.
        let cpu = Rlimit { current: Some(allowance.cpu), maximum: Some(allowance.cpu + 1) };
        setrlimit(Resource::Cpu, cpu)?;
        seccompiler::apply_filter(&self.refuse)?;
        seccompiler::apply_filter(&self.kill)?;
        Ok(landlock)
    }
}

/// No file, no port, no signal to others. Also sets `no_new_privs`, as the filters do.
fn landlock() -> Result<Landlock, landlock::RulesetError> {
    // The newest of which each right is known to be of no use to an examination.
    let abi = ABI::V6;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::Absent,
    })
}

/// Bytes of private writable memory, as `RLIMIT_DATA` counts them (proc(5), `VmData`).
fn memory_in_use() -> std::io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmData:")?.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.map(|kib: u64| kib * 1024).ok_or_else(|| std::io::Error::other("no VmData"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, ExitStatus};
    use std::{env, net};

    use super::*;
    use crate::contain::process;

    const DEED: &str = "REINSTATE_TEST_DEED";
    /// Ended by itself, after the deed was refused with an error.
    const REFUSED: i32 = 40;
    /// Ended by itself, after the deed was done.
    const DONE: i32 = 41;

    /// What is tried behind the guards, by its name; whether it was done.
    type Deed<'a> = (&'a str, fn() -> bool);

    /// Runs this very test in a process of its own, where it does the deed behind the guards.
    #[track_caller]
    fn behind_guards(test: &str, deeds: &[Deed<'_>]) -> Vec<ExitStatus> {
        behind_guards_after(test, || (), deeds)
    }

    /// The same in a process that did something else `before`.
    #[track_caller]
    fn behind_guards_after(test: &str, before: fn(), deeds: &[Deed<'_>]) -> Vec<ExitStatus> {
        if let Ok(deed) = env::var(DEED) {
            let (_, act) = deeds.iter().find(|(name, _)| *name == deed).unwrap();
            before();
            let guards = Guards::new().unwrap();
            // Seconds in which a busy machine can find all the memory that a deed takes.
            guards.apply(Allowance { memory: 64 << 20, cpu: 4 }).unwrap();
            process::end(if act() { DONE } else { REFUSED });
        }
        let run = |(name, _): &Deed<'_>| {
            let mut command = Command::new(env::current_exe().unwrap());
            command.args(["--exact", &format!("contain::guards::tests::{test}"), "--test-threads=1"]);
            // As the zygote's: to print a backtrace, files would be opened.
            command.env_clear().env(DEED, name).output().unwrap().status
        };
        deeds.iter().map(run).collect()
    }

    #[test]
    fn files_are_refused() {
        let open = || fs::File::open("/etc/hostname").is_ok();
        let look = || fs::metadata("/").is_ok();
        let create = || fs::write("/tmp/reinstate-was-here", b"x").is_ok();
        let ends = behind_guards("files_are_refused", &[("open", open), ("look", look), ("create", create)]);
        for end in ends {
            assert_eq!(end.code(), Some(REFUSED));
        }
    }

    #[test]
    fn sockets_processes_and_signals_to_others_are_deadly() {
        let connect = || net::TcpStream::connect(("127.0.0.1", 9)).is_ok();
        let listen = || net::UdpSocket::bind(("127.0.0.1", 0)).is_ok();
        let run = || Command::new("/bin/true").status().is_ok();
        let signal = || rustix::process::getppid().is_some();
        let thread = || std::thread::Builder::new().spawn(|| ()).is_ok();
        let limit = || setrlimit(Resource::Data, Rlimit { current: None, maximum: None }).is_ok();
        let deeds: [Deed<'_>; 6] = [
            ("connect", connect),
            ("listen", listen),
            ("run", run),
            ("signal", signal),
            ("thread", thread),
            ("limit", limit),
        ];
        let ends = behind_guards("sockets_processes_and_signals_to_others_are_deadly", &deeds);
        for ((deed, _), end) in deeds.iter().zip(ends) {
            assert_eq!(end.signal(), Some(Signal::SYS.as_raw()), "{deed}: {end}");
        }
    }

    /// Memory in pieces of a mebibyte.
    fn pieces(count: usize) -> Vec<Vec<u8>> {
        std::hint::black_box(vec![vec![1_u8; 1 << 20]; count])
    }

    #[test]
    fn what_a_zygote_used_and_gave_back_is_not_its_workers_beyond_their_bound() {
        let before = || {
            process::give_memory_back();
            // The allocator takes what is as large as something that was given back for worth keeping.
            drop(std::hint::black_box(vec![1_u8; 30 << 20]));
            drop(pieces(50));
            process::trim_memory();
            process::keep_memory();
        };
        let within = || pieces(50).len() == 50;
        let beyond = || pieces(80).len() == 80;
        let ends = behind_guards_after(
            "what_a_zygote_used_and_gave_back_is_not_its_workers_beyond_their_bound",
            before,
            &[("within", within), ("beyond", beyond)],
        );
        assert_eq!(ends[0].code(), Some(DONE));
        assert_eq!(ends[1].signal(), Some(Signal::ABORT.as_raw()), "{}", ends[1]);
    }

    #[test]
    fn memory_and_time_are_bounded() {
        let memory = || !std::hint::black_box(vec![1_u8; 65 << 20]).is_empty();
        let time = || loop {
            std::hint::spin_loop();
        };
        let ends = behind_guards("memory_and_time_are_bounded", &[("memory", memory), ("time", time)]);
        assert_eq!(ends[0].signal(), Some(Signal::ABORT.as_raw()), "{}", ends[0]);
        assert_eq!(ends[1].signal(), Some(Signal::XCPU.as_raw()), "{}", ends[1]);
    }

    #[test]
    fn what_an_examination_does_is_allowed() {
        let work = || {
            let memory = vec![7_u8; 32 << 20];
            let seed = std::collections::HashMap::<u8, u8>::new();
            let now = std::time::Instant::now();
            memory.iter().map(|b| u64::from(*b)).sum::<u64>() > 0
                && seed.is_empty()
                && now.elapsed().as_secs() < 60
        };
        let caught = || std::panic::catch_unwind(|| panic!("on purpose")).is_err();
        for end in behind_guards("what_an_examination_does_is_allowed", &[("work", work), ("panic", caught)])
        {
            assert_eq!(end.code(), Some(DONE), "{end}");
        }
    }
}
