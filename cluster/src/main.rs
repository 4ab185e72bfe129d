//! `reinstate-cluster`: brokers, PostgreSQL and the services on this machine, kept running by one process in the background.
//!
//! ```text
//! FOLDER/lock         held by that process for as long as it lives; holds its id
//! FOLDER.env          where everything is, written once everything is ready, gone after `down`
//! FOLDER/failure      what did not come back when `up` was said again
//! FOLDER/processes    NAME PID START of each process, for the cleaning up after one that was killed
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use reinstate_cluster::services::{self, Plan, System, is_alive, write_private};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// How long a start or an end of everything may take.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(100);

/// Runs real Kafka brokers, PostgreSQL, and Reinstate's services on top of them, on free ports of 127.0.0.1.
#[derive(Parser)]
#[command(name = "reinstate-cluster", version)]
struct Arguments {
    /// Where everything of it lies.
    #[arg(long, default_value = ".reinstate/cluster", global = true)]
    folder: PathBuf,
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Starts everything and returns when it is ready; where it runs already, starts again what has ended meanwhile.
    Up(Size),
    /// Ends everything; the data stay.
    Down,
    /// Keeps everything running until it is told to end. What `up` starts in the background.
    #[command(hide = true)]
    Run(Size),
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct Size {
    /// 1 or 3. Each number has data of its own.
    #[arg(long, default_value_t = 1)]
    brokers: usize,
    #[arg(long, default_value_t = 2)]
    apis: usize,
    #[arg(long, default_value_t = 2)]
    verifiers: usize,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{} can't be used", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Services(#[from] services::Error),
    #[error("another cluster runs in {}: reinstate-cluster down ends it", .0.display())]
    Runs(PathBuf),
    #[error("the cluster did not start: {said}")]
    NotUp { said: String },
    #[error("not everything came back: {said}")]
    NotHealed { said: String },
    #[error("the cluster was not ready within {} s; see {}", PATIENCE.as_secs(), log.display())]
    Late { log: PathBuf },
    #[error("signals can't be watched")]
    Signals(#[source] io::Error),
    #[error("the cluster's own process could not be started")]
    NotRun(#[source] io::Error),
}

fn main() -> ExitCode {
    let Arguments { folder, command } = Arguments::parse();
    let place = Place { folder };
    let done = match command {
        What::Up(size) => place.up(size),
        What::Down => place.down(),
        What::Run(size) => place.run(size),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("reinstate-cluster: {}", in_one_line(&failure));
            ExitCode::FAILURE
        }
    }
}

fn in_one_line(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", in_one_line(cause)),
        None => error.to_string(),
    }
}

/// A folder in which a cluster runs, or not.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn announcement(&self) -> PathBuf {
        self.folder.with_extension("env")
    }

    fn failed(&self, source: io::Error) -> Failure {
        Failure::Folder { path: self.folder.clone(), source }
    }

    /// The lock, if nobody has it.
    fn lock(&self) -> Result<Option<File>, Failure> {
        fs::create_dir_all(&self.folder).map_err(|e| self.failed(e))?;
        let file = File::options().write(true).create(true).truncate(false).open(self.file("lock"));
        let file = file.map_err(|e| self.failed(e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(self.failed(error)),
        }
    }

    fn keeper(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.file("lock")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    fn up(&self, size: Size) -> Result<(), Failure> {
        let log = self.file("cluster.log");
        let before = fs::metadata(&log).map_or(0, |m| m.len());
        if let Some(lock) = self.lock()? {
            self.clean()?;
            drop(lock);
            self.start(size, &log)?;
        } else {
            println!("it runs already: what has ended is started again");
            self.forget(&[self.announcement(), self.file("failure")])?;
            self.signal(Signal::HUP);
        }
        let begin = Instant::now();
        loop {
            if self.announcement().exists() {
                println!("ready: {}", self.announcement().display());
                return Ok(());
            }
            if let Ok(said) = fs::read_to_string(self.file("failure")) {
                return Err(Failure::NotHealed { said });
            }
            // Until it has taken the lock, it may seem that nobody runs.
            if begin.elapsed() > Duration::from_secs(2) && self.lock()?.is_some() {
                return Err(Failure::NotUp { said: since(&log, before) });
            }
            if begin.elapsed() > PATIENCE {
                return Err(Failure::Late { log });
            }
            thread::sleep(LOOK);
        }
    }

    /// Starts the process that keeps everything, in a session of its own: it outlives this terminal.
    fn start(&self, size: Size, log: &Path) -> Result<(), Failure> {
        let output = File::options().create(true).append(true).open(log).map_err(|e| self.failed(e))?;
        let program = std::env::current_exe().map_err(Failure::NotRun)?;
        let mut command = Command::new("setsid");
        command.arg(program).arg("--folder").arg(&self.folder).arg("run");
        command.args(["--brokers", &size.brokers.to_string(), "--apis", &size.apis.to_string()]);
        command.args(["--verifiers", &size.verifiers.to_string()]);
        command.stdin(Stdio::null()).stdout(output.try_clone().map_err(|e| self.failed(e))?).stderr(output);
        command.spawn().map(|_| ()).map_err(Failure::NotRun)
    }

    fn down(&self) -> Result<(), Failure> {
        if !self.folder.exists() {
            println!("nothing runs");
            return Ok(());
        }
        let begin = Instant::now();
        let mut told = false;
        loop {
            if let Some(_lock) = self.lock()? {
                self.clean()?;
                println!("{}", if told { "ended" } else { "nothing runs" });
                return Ok(());
            }
            if !told {
                self.signal(Signal::TERM);
                told = true;
            } else if begin.elapsed() > PATIENCE {
                // Its children end with it.
                self.signal(Signal::KILL);
            }
            thread::sleep(LOOK);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.keeper() {
            // One that has just ended needs no signal.
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends what a process that was killed may have left behind, and forgets it. Only with the lock.
    fn clean(&self) -> Result<(), Failure> {
        let left = fs::read_to_string(self.file("processes")).unwrap_or_default();
        for line in left.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(pid), Some(start)) = (fields.next(), fields.next()) else { continue };
            let Ok(pid) = pid.parse::<u32>() else { continue };
            // The same number may be another process by now; that has begun at another time.
            if is_alive(pid)
                && started_at(pid).as_deref() == Some(start)
                && let Some(pid) = Pid::from_raw(pid.cast_signed())
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        self.forget(&[self.file("processes"), self.announcement(), self.file("failure")])
    }

    fn forget(&self, files: &[PathBuf]) -> Result<(), Failure> {
        for file in files {
            fs::remove_file(file).or_else(absent_is_fine).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    fn run(&self, size: Size) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Failure::NotRun)?.block_on(self.keep(size))
    }

    async fn keep(&self, size: Size) -> Result<(), Failure> {
        let Some(mut lock) = self.lock()? else { return Err(Failure::Runs(self.folder.clone())) };
        let pid = std::process::id().to_string();
        lock.set_len(0).and_then(|()| lock.write_all(pid.as_bytes())).map_err(|e| self.failed(e))?;
        let mut end = signal(SignalKind::terminate()).map_err(Failure::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Signals)?;
        let mut heal = signal(SignalKind::hangup()).map_err(Failure::Signals)?;
        let program = std::env::current_exe().map_err(Failure::NotRun)?;
        let plan = Plan {
            folder: self.folder.clone(),
            programs: program.parent().map(Path::to_path_buf).unwrap_or_default(),
            brokers: size.brokers,
            apis: size.apis,
            verifiers: size.verifiers,
            environment: Vec::new(),
        };
        let system = System::start(&plan)?;
        self.announce(&system)?;
        loop {
            tokio::select! {
                _ = end.recv() => break,
                _ = interrupt.recv() => break,
                _ = heal.recv() => {
                    match system.heal() {
                        Ok(()) => self.announce(&system)?,
                        Err(error) => {
                            let said = in_one_line(&error);
                            write_private(&self.file("failure"), &said).map_err(|e| self.failed(e))?;
                        }
                    }
                }
            }
        }
        system.stop()?;
        Ok(())
    }

    fn announce(&self, system: &System) -> Result<(), Failure> {
        let lines = system.pids().into_iter().map(|(name, pid)| {
            let start = started_at(pid).unwrap_or_default();
            format!("{name} {pid} {start}\n")
        });
        let lines: String = lines.collect();
        write_private(&self.file("processes"), &lines)
            .and_then(|()| write_private(&self.announcement(), &system.environment()))
            .map_err(|e| self.failed(e))
    }
}

/// When the process began, in clock ticks since the machine did.
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The 22nd field; the second is a name in brackets that may hold spaces.
    stat.rsplit_once(") ")?.1.split(' ').nth(19).map(str::to_owned)
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// What a log says from an offset on, in one line.
fn since(log: &Path, from: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let new = bytes.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
    String::from_utf8_lossy(new).trim().replace('\n', " | ")
}
