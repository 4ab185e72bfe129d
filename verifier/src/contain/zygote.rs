//! The process that holds the networks and forks workers. It has one thread and never sees a picture; it ends with the
//! service, whose end of the control socket then closes.

use std::collections::HashSet;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::{mem, panic};

use reinstate_process::in_one_line;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::stdio::{dup2_stdin, stdin};

use super::guards::{Allowance, Guards};
use super::messages::{CONTROL, Reply, Request};
use super::process::{self, Forked};
use super::worker;
use crate::examiner::{Examiner, Need};
use crate::models::{self, Bundle};
use crate::timing::Timings;

/// Serves the control socket, which is standard input, until the other end is closed.
pub(super) fn run(folder: Option<&Path>) -> ! {
    // What a panic has to say about a picture is nobody's to read.
    panic::set_hook(Box::new(|_| {}));
    process::ignore_requests_to_end();
    process::give_memory_back();
    let served = process::close_above(2).map(|()| serve(folder));
    process::end(served.is_err().into());
}

fn serve(folder: Option<&Path>) {
    // The first look at a clock finds out by a forbidden call where the kernel keeps it (prctl(2), PR_GET_AUXV).
    Timings::default().measure("first look", || ());
    let bundle = match Bundle::open(folder) {
        Ok(bundle) => bundle,
        Err(error) => return reply(&unusable(&error)).unwrap_or_default(),
    };
    let mut zygote = Zygote {
        bundle,
        guards: None,
        examiner: Examiner::default(),
        workers: HashSet::new(),
        dismissed: Vec::new(),
    };
    let mut answer = Reply::Up { manifest: zygote.bundle.sha256() };
    while reply(&answer).is_some() {
        let Some((request, socket)) = receive() else { return };
        zygote.wait_for_dismissed();
        answer = match request {
            Request::Load(need) => zygote.load(need),
            Request::Fork(allowance) => zygote.fork(allowance, socket),
            Request::End { pid } => zygote.end(pid),
            Request::Dismiss { pid } => zygote.dismiss(pid),
        };
    }
}

struct Zygote {
    bundle: Bundle,
    guards: Option<Guards>,
    examiner: Examiner,
    /// Those that were not waited for: their ids are nobody else's.
    workers: HashSet<i32>,
    /// Those of them that are of no further use, and may not have ended yet.
    dismissed: Vec<i32>,
}

impl Zygote {
    fn load(&mut self, need: Need) -> Reply {
        let loaded = self.examiner.load(&self.bundle, need);
        process::trim_memory();
        match loaded {
            Ok(()) => Reply::Loaded,
            Err(error) => unusable(&error),
        }
    }

    fn fork(&mut self, allowance: Allowance, socket: Option<OwnedFd>) -> Reply {
        let refused = |detail: String| Reply::NotForked { detail };
        let Some(socket) = socket else { return refused("no socket came along".into()) };
        let guards = match self.guards.take().map_or_else(Guards::new, Ok) {
            Ok(guards) => self.guards.insert(guards),
            Err(error) => return refused(in_one_line(&error)),
        };
        match process::fork() {
            Ok(Forked::Parent(pid)) => {
                let pid = pid.as_raw_nonzero().get();
                self.workers.insert(pid);
                Reply::Forked { pid }
            }
            Ok(Forked::Child) => {
                if dup2_stdin(&socket).is_err() || process::close_above(0).is_err() {
                    process::end(1);
                }
                worker::serve(mem::take(&mut self.examiner), guards, allowance)
            }
            Err(error) => refused(in_one_line(&error)),
        }
    }

    fn dismiss(&mut self, pid: i32) -> Reply {
        if self.workers.remove(&pid)
            && let Some(process) = Pid::from_raw(pid)
        {
            let _ = kill_process(process, Signal::KILL);
            self.dismissed.push(pid);
        }
        Reply::Dismissed
    }

    /// Of those that have ended, nothing is left after this.
    fn wait_for_dismissed(&mut self) {
        let ended = |pid: &i32| match Pid::from_raw(*pid) {
            Some(pid) => !matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None)),
            None => true,
        };
        self.dismissed.retain(|pid| !ended(pid));
    }

    fn end(&mut self, pid: i32) -> Reply {
        let mut signal = None;
        if self.workers.remove(&pid)
            && let Some(pid) = Pid::from_raw(pid)
        {
            // One that has ended already keeps the end that it had.
            let _ = kill_process(pid, Signal::KILL);
            if let Ok(Some((_, status))) = waitpid(Some(pid), WaitOptions::empty()) {
                signal = status.terminating_signal();
            }
        }
        Reply::Ended { signal }
    }
}

fn unusable(error: &models::Error) -> Reply {
    Reply::Unusable { public: error.in_public(), detail: in_one_line(error) }
}

/// `None` when nobody is there to hear it.
fn reply(reply: &Reply) -> Option<()> {
    let bytes = serde_json::to_vec(reply).ok()?;
    sendmsg(stdin(), &[IoSlice::new(&bytes)], &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
        .ok()?;
    Some(())
}

/// `None` at the end.
fn receive() -> Option<(Request, Option<OwnedFd>)> {
    let mut bytes = vec![0; CONTROL];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(stdin(), &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
    let socket = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    serde_json::from_slice(&bytes[..received.bytes]).ok().map(|request| (request, socket))
}
