//! The service's side: starts the zygote, asks it for workers, and speaks with them.

use std::env;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::guards::{Allowance, Landlock};
use super::messages::{ANSWER, Answer, CONTROL, Hello, Reply, Request, Task};
use super::{Error, Lost, NAME, Program, frame};
use crate::examiner::Need;
use crate::models::Bundle;
use crate::settings::{Containment, Settings};

/// How long the zygote may take for an answer: to make all networks and try them, on a machine that has no time. Whoever
/// starts it in earnest tries again.
const ZYGOTE: Duration = Duration::from_secs(300);
/// How long a worker may take to say that it is guarded.
const HELLO: Duration = Duration::from_secs(10);

/// What the zygote finds in its environment. Nothing else: that of a service holds secrets.
const ENVIRONMENT: [&str; 5] =
    ["HOME", "XDG_CACHE_HOME", "REINSTATE_CACHE", "ORT_DYLIB_PATH", "LD_LIBRARY_PATH"];

/// Starts and replaces the zygote, and gets workers from it.
pub(crate) struct Keeper {
    program: Program,
    folder: Option<PathBuf>,
    /// Lower-case hex of its sha-256.
    manifest: String,
    allowance: Allowance,
    strict: bool,
    zygote: Mutex<Option<Zygote>>,
}

impl Keeper {
    /// Starts the zygote of a bundle that was opened from `folder`. It has no networks before [`Keeper::load`].
    ///
    /// # Errors
    /// The program can't be started, or reads another manifest.
    pub(crate) fn start(
        program: &Program,
        folder: Option<PathBuf>,
        bundle: &Bundle,
        settings: &Settings,
    ) -> Result<Arc<Self>, Error> {
        let keeper = Self {
            program: program.clone(),
            folder,
            manifest: bundle.sha256(),
            allowance: Allowance { memory: settings.memory_mib << 20, cpu: settings.cpu_seconds },
            strict: settings.containment == Containment::Strict,
            zygote: Mutex::new(None),
        };
        keeper.with_zygote(|_| Ok(()))?;
        Ok(Arc::new(keeper))
    }

    /// Makes the networks: some hundred milliseconds, once.
    ///
    /// # Errors
    /// A model is missing, altered or of a kind that is not known.
    pub(crate) fn load(&self, need: Need) -> Result<(), Error> {
        self.with_zygote(|zygote| zygote.load(need))
    }

    /// Forks a worker: a few milliseconds.
    ///
    /// # Errors
    /// The zygote can't be started again, or the worker's guards are not what is asked for.
    pub(crate) fn worker(self: &Arc<Self>) -> Result<Worker, Error> {
        let begun = Instant::now();
        let (ours, theirs) = UnixStream::pair().map_err(Error::Spawn)?;
        let pid = self.with_zygote(|zygote| {
            match zygote.ask(&Request::Fork(self.allowance), Some(theirs.as_fd()))? {
                Reply::Forked { pid } => Ok(pid),
                Reply::NotForked { detail } => Err(Error::Unguarded { detail }),
                _ => Err(Error::Confused),
            }
        })?;
        drop(theirs);
        let mut worker =
            Worker { keeper: Arc::clone(self), socket: ours, pid, landlock: Landlock::Absent, ended: false };
        let mut hearing = Until { socket: &worker.socket, end: Instant::now() + HELLO };
        let (hello, _) = frame::read::<Hello>(&mut hearing, ANSWER)
            .map_err(|error| Error::Unguarded { detail: error.to_string() })?;
        match hello {
            Hello::Guarded(landlock) => worker.landlock = landlock,
            Hello::Unguarded { detail } => return Err(Error::Unguarded { detail }),
        }
        if self.strict && worker.landlock != Landlock::Full {
            return Err(Error::NotStrict { found: worker.landlock });
        }
        metrics::histogram!("reinstate_verifier_worker_start_seconds").record(begun.elapsed().as_secs_f64());
        Ok(worker)
    }

    /// The signal that a worker ended by. It is killed if it has not ended.
    fn end(&self, pid: i32) -> Option<i32> {
        let mut zygote = self.zygote.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose zygote is gone went with it.
        match zygote.as_mut()?.ask(&Request::End { pid }, None) {
            Ok(Reply::Ended { signal }) => signal,
            _ => None,
        }
    }

    /// Has no further use for a worker.
    fn dismiss(&self, pid: i32) {
        let mut zygote = self.zygote.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose zygote is gone went with it.
        if let Some(zygote) = zygote.as_mut() {
            let _ = zygote.ask(&Request::Dismiss { pid }, None);
        }
    }

    /// Does something with the zygote. One that is gone is replaced, once, with the networks that it had.
    fn with_zygote<T>(&self, mut act: impl FnMut(&mut Zygote) -> Result<T, Error>) -> Result<T, Error> {
        let mut place = self.zygote.lock().unwrap_or_else(PoisonError::into_inner);
        let before = place.take();
        let loaded = before.as_ref().and_then(|zygote| zygote.loaded);
        if let Some(mut zygote) = before {
            match act(&mut zygote) {
                Err(Error::Gone(_) | Error::Confused) => {
                    tracing::error!("the process that holds the models is replaced")
                }
                done => {
                    *place = Some(zygote);
                    return done;
                }
            }
        }
        let mut zygote = self.spawn()?;
        if let Some(need) = loaded {
            zygote.load(need)?;
        }
        let done = act(&mut zygote)?;
        *place = Some(zygote);
        Ok(done)
    }

    fn spawn(&self) -> Result<Zygote, Error> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|e| Error::Spawn(e.into()))?;
        for timeout in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&ours, timeout, Some(ZYGOTE)).map_err(|e| Error::Spawn(e.into()))?;
        }
        let mut command = Command::new(self.program.path());
        command.arg0(NAME).args(&self.folder).env_clear().process_group(0);
        // Like `models::memory`, for OpenCV: it aligns within what it got of malloc(3).
        command.env("OPENCV_ENABLE_MEMALIGN", "false");
        command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(Error::Spawn)?;
        // The command holds a copy of the zygote's end, which must close with the zygote.
        drop(command);
        let mut zygote = Zygote { child, control: ours, loaded: None };
        match zygote.hear()? {
            Reply::Up { manifest } if manifest == self.manifest => Ok(zygote),
            Reply::Up { .. } => Err(Error::Changed),
            Reply::Unusable { public, detail } => Err(Error::Models { public, detail }),
            _ => Err(Error::Confused),
        }
    }
}

struct Zygote {
    child: Child,
    control: OwnedFd,
    /// The networks that it was asked for.
    loaded: Option<Need>,
}

impl Zygote {
    fn load(&mut self, need: Need) -> Result<(), Error> {
        self.loaded = Some(need);
        match self.ask(&Request::Load(need), None)? {
            Reply::Loaded => Ok(()),
            Reply::Unusable { public, detail } => Err(Error::Models { public, detail }),
            _ => Err(Error::Confused),
        }
    }

    fn ask(&mut self, request: &Request, socket: Option<BorrowedFd<'_>>) -> Result<Reply, Error> {
        let bytes = serde_json::to_vec(request).map_err(|_| Error::Confused)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let sockets = socket.map(|socket| [socket]);
        if let Some(sockets) = &sockets {
            control.push(SendAncillaryMessage::ScmRights(sockets));
        }
        sendmsg(&self.control, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)
            .map_err(|e| Error::Gone(e.into()))?;
        self.hear()
    }

    fn hear(&mut self) -> Result<Reply, Error> {
        let mut bytes = vec![0; CONTROL];
        let mut nothing = RecvAncillaryBuffer::default();
        let received =
            recvmsg(&self.control, &mut [IoSliceMut::new(&mut bytes)], &mut nothing, RecvFlags::empty())
                .map_err(|e| Error::Gone(e.into()))?;
        if received.bytes == 0 {
            return Err(Error::Gone(io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_slice(&bytes[..received.bytes]).map_err(|_| Error::Confused)
    }
}

/// Its workers go with it.
impl Drop for Zygote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A worker that waits for its job.
pub(crate) struct Worker {
    keeper: Arc<Keeper>,
    socket: UnixStream,
    pid: i32,
    landlock: Landlock,
    ended: bool,
}

impl Worker {
    pub(crate) fn landlock(&self) -> Landlock {
        self.landlock
    }

    /// Hands the job over. Whoever fails here has not seen it.
    ///
    /// # Errors
    /// The worker is gone.
    pub(crate) fn send(&self, task: &Task, pictures: &[&[u8]], within: Duration) -> io::Result<()> {
        let mut open = Until { socket: &self.socket, end: Instant::now() + within };
        frame::write(&mut open, task, pictures).map_err(io::Error::other)
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// [`Lost`]. The worker is of no further use then.
    pub(crate) fn receive(&mut self, within: Duration) -> Result<(Answer, Vec<Vec<u8>>), Lost> {
        let mut waiting = Until { socket: &self.socket, end: Instant::now() + within };
        let lost = match frame::read::<Answer>(&mut waiting, ANSWER) {
            Ok((Answer::Panicked, _)) => Lost::Panicked,
            Ok((Answer::Failed { detail }, _)) => {
                // The worker's words may be the picture's: no more than a line of them, and no control characters.
                let detail: String = detail.chars().filter(|c| !c.is_control()).take(200).collect();
                tracing::error!(detail, "an examination failed");
                Lost::Failed
            }
            Ok(answer) => return Ok(answer),
            Err(frame::Error::Io(error)) if timed_out(&error) => Lost::TimedOut,
            Err(error) => {
                let ended = matches!(error, frame::Error::Io(_));
                match self.end() {
                    Some(signal) if ended && signal == rustix::process::Signal::XCPU.as_raw() => {
                        Lost::TimedOut
                    }
                    Some(signal) if ended => Lost::Killed { signal },
                    _ => Lost::NoAnswer,
                }
            }
        };
        Err(lost)
    }

    fn end(&mut self) -> Option<i32> {
        self.ended = true;
        self.keeper.end(self.pid)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.ended {
            self.keeper.dismiss(self.pid);
        }
    }
}

fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A socket up to a moment, however little comes at a time.
struct Until<'a> {
    socket: &'a UnixStream,
    end: Instant,
}

impl Until<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(buffer)
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
