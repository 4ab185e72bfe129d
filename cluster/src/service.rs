//! One of Reinstate's services as a process: started, asked, stopped, killed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, PATIENCE};
use crate::keeper;

/// How often its state is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// How long a question to a service may take.
const ANSWER: Duration = Duration::from_secs(2);

/// One service of a system, running or not.
#[derive(Debug)]
pub struct Service {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    /// Of the operations port.
    pub(crate) operations: String,
    /// Of the interface, for an api.
    pub(crate) url: Option<String>,
    pub(crate) log: PathBuf,
    pub(crate) process: Mutex<Option<Child>>,
}

impl Service {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the interface of an api is.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Where `/metrics`, `/livez` and `/readyz` are.
    #[must_use]
    pub fn operations_url(&self) -> &str {
        &self.operations
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Child::id)
    }

    /// Starts it, unless it runs. Returns before it is ready.
    ///
    /// # Errors
    /// [`Error::NotRun`].
    pub fn start(&self) -> Result<(), Error> {
        let mut process = self.process();
        if is_running(&mut process) {
            return Ok(());
        }
        let not_run = |source| Error::NotRun { name: self.name.clone(), source };
        let output = File::options().create(true).append(true).open(&self.log).map_err(not_run)?;
        let mut command = self.command(keeper::until_we_die("KILL"));
        command.stdout(output.try_clone().map_err(not_run)?).stderr(output);
        *process = Some(keeper::spawn(command).map_err(not_run)?);
        Ok(())
    }

    /// Whether its process is there and has not ended.
    #[must_use]
    pub fn runs(&self) -> bool {
        is_running(&mut self.process())
    }

    /// Runs its program with these arguments, to the end.
    ///
    /// # Errors
    /// [`Error::Ended`] with what it said, when it did not do what it was told.
    pub fn run_once(&self, arguments: &[&str]) -> Result<String, Error> {
        let not_run = |source| Error::NotRun { name: self.name.clone(), source };
        let mut command = self.command(keeper::until_we_die("KILL"));
        let output = command.args(arguments).output().map_err(not_run)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let said = format!("{} {}", text(&output.stdout), last_line(&text(&output.stderr)));
        Err(Error::Ended { name: self.name.clone(), log: self.log.clone(), said })
    }

    /// Continues a command with the program and its environment.
    fn command(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars_os() {
            // Settings of whoever starts us are not the cluster's.
            if name.to_str().is_some_and(|name| name.starts_with("REINSTATE_") && name.contains("__")) {
                command.env_remove(name);
            }
        }
        command.arg(&self.program).envs(&self.environment).stdin(Stdio::null());
        command
    }

    /// Whether it says so itself.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER)).proxy(None).build();
        ureq::Agent::from(agent).get(format!("{}/readyz", self.operations)).call().is_ok()
    }

    /// # Errors
    /// [`Error::Ended`], [`Error::Late`].
    pub fn wait_until_ready(&self) -> Result<(), Error> {
        let begin = Instant::now();
        while !self.is_ready() {
            if !self.runs() {
                return Err(self.ended());
            }
            if begin.elapsed() > PATIENCE {
                return Err(self.late("become ready"));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// `kill -9`. Nothing happens to one that does not run.
    pub fn kill(&self) {
        if let Some(mut child) = self.process().take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; returns at once.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    /// Waits for the end after [`Self::terminate`]; kills what is late.
    ///
    /// # Errors
    /// [`Error::Late`]; [`Error::Ended`] for one that did not end well.
    pub fn wait_until_ended(&self) -> Result<(), Error> {
        let begin = Instant::now();
        loop {
            let status = match self.process().as_mut().map(Child::try_wait) {
                None => return Ok(()),
                Some(status) => status.unwrap_or(None),
            };
            if let Some(status) = status {
                self.process().take();
                return if status.success() { Ok(()) } else { Err(self.ended()) };
            }
            if begin.elapsed() > PATIENCE {
                self.kill();
                return Err(self.late("end"));
            }
            thread::sleep(LOOK);
        }
    }

    /// SIGSTOP: it is there and does not answer.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT after [`Self::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let mut process = self.process();
        let Some(child) = process.as_mut() else { return };
        // A child that has ended keeps its id until it is waited for, which only happens under this lock.
        if matches!(child.try_wait(), Ok(None))
            && let Some(pid) = Pid::from_raw(child.id().cast_signed())
        {
            let _ = kill_process(pid, signal);
        }
    }

    fn ended(&self) -> Error {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        Error::Ended { name: self.name.clone(), log: self.log.clone(), said: last_line(&said).to_owned() }
    }

    pub(crate) fn late(&self, what: &'static str) -> Error {
        Error::Late { name: self.name.clone(), what, log: self.log.clone() }
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_running(process: &mut Option<Child>) -> bool {
    process.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

/// Whether there is such a process, and it has not ended.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        // `PID (NAME) STATE …`, and a name may have any character.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        !matches!(state, Some('Z' | 'X') | None)
    })
}
