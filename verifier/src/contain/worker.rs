//! A worker's own side: guards, one job, one answer, the end.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use reinstate_process::in_one_line;
use rustix::stdio::stdin;

use super::frame;
use super::guards::{Allowance, Guards};
use super::messages::{Answer, Hello, JOB, Task};
use super::process;
use crate::examiner::{Examined, Examiner};

/// The worker's socket, which is its only descriptor.
struct Socket;

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(stdin(), buffer)?)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(stdin(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does one job from standard input and ends.
pub(super) fn serve(mut examiner: Examiner, guards: &Guards, allowance: Allowance) -> ! {
    let hello = match guards.apply(allowance) {
        Ok(landlock) => Hello::Guarded(landlock),
        Err(error) => Hello::Unguarded { detail: in_one_line(&error) },
    };
    let told = frame::write(&mut Socket, &hello, &[]);
    if told.is_err() || matches!(hello, Hello::Unguarded { .. }) {
        process::end(1);
    }
    // Whoever is at the other end may have gone, which is no error.
    let Ok((task, pictures)) = frame::read::<Task>(&mut Socket, JOB) else { process::end(0) };
    let examined = catch_unwind(AssertUnwindSafe(|| examine(&mut examiner, &task, &pictures)));
    let (answer, portrait) = examined.unwrap_or((Answer::Panicked, None));
    let blobs: Vec<&[u8]> = portrait.iter().map(Vec::as_slice).collect();
    let status = frame::write(&mut Socket, &answer, &blobs).is_err();
    process::end(status.into());
}

fn examine(examiner: &mut Examiner, task: &Task, pictures: &[Vec<u8>]) -> (Answer, Option<Vec<u8>>) {
    let examined = match task {
        Task::Decode => return (Answer::Decoded { faults: Examiner::faults(pictures) }, None),
        Task::Document { today } => examiner.document(pictures, *today),
        Task::Face { frames, references } => examiner.face(pictures, frames, references),
    };
    match examined {
        Ok(Examined::Document(examined)) => {
            let observation = Box::new(examined.observation);
            (Answer::Document { observation, timings: examined.timings }, examined.portrait)
        }
        Ok(Examined::Face(examined)) => {
            let observation = Box::new(examined.observation);
            (Answer::Face { observation, timings: examined.timings }, None)
        }
        Err(error) => (Answer::Failed { detail: in_one_line(&error) }, None),
    }
}
