//! Where pictures are looked at: in processes that can do nothing else.
//!
//! ```text
//!  service ──exec──► zygote: one thread, holds the networks, never sees a picture
//!     │  ◄─control─►    │
//!     │                fork, one for each examination
//!     │                 ▼
//!     └──job, answer──► worker: no files, no network, no other process, bounded memory and time
//! ```
//!
//! A worker is forked warm, takes one job over a socket of its own, answers, and is killed: what a picture may have done to it
//! reaches no other picture. Its answer is bounded and typed, and is taken for as hostile as the picture.

mod frame;
mod guards;
mod keeper;
mod messages;
mod process;
mod worker;
mod zygote;

use std::path::{Path, PathBuf};
use std::{env, io};

pub use guards::Landlock;
pub(crate) use keeper::{Keeper, Worker};
pub(crate) use messages::{Answer, Task};

/// What a process is called that examines, and how it knows that it is to. It shows in `ps`.
const NAME: &str = "reinstate-examiner";

/// A program that turns into a zygote when it is started as one: [`enter`] is the first thing that its `main` calls.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

impl Program {
    /// Another program than this one, for tests: theirs has a `main` of its own.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

/// To be called by `main` before anything else, while there is one thread. Returns what an engine is started with, unless this
/// process was started to examine: then never.
#[must_use]
pub fn enter() -> Program {
    let mut arguments = env::args_os();
    if arguments.next().is_some_and(|name| name == NAME) {
        zygote::run(arguments.next().map(PathBuf::from).as_deref());
    }
    // The very file that runs, also when another version has meanwhile been put in its place.
    Program(PathBuf::from("/proc/self/exe"))
}

/// Nothing can be examined. No picture is to blame.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the process that holds the models could not be started")]
    Spawn(#[source] io::Error),
    #[error("the process that holds the models is gone or does not answer")]
    Gone(#[source] io::Error),
    #[error("the process that holds the models answered with something else")]
    Confused,
    /// `detail` is for the log, `public` for anybody.
    #[error("{detail}")]
    Models { public: String, detail: String },
    #[error("the manifest changed while it was read")]
    Changed,
    #[error("a worker could not be contained: {detail}")]
    Unguarded { detail: String },
    #[error("landlock is {}, and verifier.containment is \"strict\"", found.as_str())]
    NotStrict { found: Landlock },
}

/// An examination that came to no end. The same pictures would do it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("the examination panicked")]
    Panicked,
    #[error("the examination took longer than it may")]
    TimedOut,
    /// By signal: 6 is what is left of an allocation that was refused, 31 of a system call that was.
    #[error("the worker was killed by signal {signal}")]
    Killed { signal: i32 },
    /// A network or OpenCV failed, or memory was refused to them.
    #[error("the examination failed")]
    Failed,
    /// The worker ended without an answer, or answered with something that is none.
    #[error("the worker gave no answer")]
    NoAnswer,
}

impl Lost {
    /// Everything that [`Lost::cause`] says.
    pub const CAUSES: [&str; 5] = ["panic", "time", "signal", "error", "no_answer"];

    /// For the label of a metric.
    #[must_use]
    pub fn cause(self) -> &'static str {
        match self {
            Self::Panicked => "panic",
            Self::TimedOut => "time",
            Self::Killed { .. } => "signal",
            Self::Failed => "error",
            Self::NoAnswer => "no_answer",
        }
    }
}
