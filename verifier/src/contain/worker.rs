//! A worker's own side: guards, one job, one answer, the end.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use reinstate_process::in_one_line;
use rustix::net::{RecvFlags, recv};
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
    process::keep_memory();
    let hello = match guards.apply(allowance) {
        Ok(landlock) => Hello::Guarded(landlock),
        Err(error) => Hello::Unguarded { detail: in_one_line(&error) },
    };
    let told = frame::write(&mut Socket, &hello, &[]);
    if told.is_err() || matches!(hello, Hello::Unguarded { .. }) {
        process::end(1);
    }
    touch(READY, has_job);
    // Whoever is at the other end may have gone, which is no error.
    let Ok((task, pictures)) = frame::read::<Task>(&mut Socket, JOB) else { process::end(0) };
    let examined = catch_unwind(AssertUnwindSafe(|| examine(&mut examiner, &task, &pictures)));
    let (answer, portrait) = examined.unwrap_or((Answer::Panicked, None));
    let blobs: Vec<&[u8]> = portrait.iter().map(Vec::as_slice).collect();
    let status = frame::write(&mut Socket, &answer, &blobs).is_err();
    process::end(status.into());
}

/// Bytes that are there before a job comes. The kernel clears each page that is touched for the first time, which took a fifth of
/// an examination; one of a document touches 100 to 120 MiB, one of faces 40.
const READY: usize = 64 << 20;
/// Smaller than what the allocator would have the kernel take back.
const PIECE: usize = 1 << 20;

/// Takes that much memory from the kernel and leaves it to the allocator, as far as it may be had and until there is a better thing
/// to do.
fn touch(bytes: usize, is_over: fn() -> bool) {
    let mut pieces: Vec<Vec<u8>> = vec![Vec::new(); bytes / PIECE];
    for piece in &mut pieces {
        if is_over() || piece.try_reserve_exact(PIECE).is_err() {
            break;
        }
        piece.resize(PIECE, 0);
    }
    std::hint::black_box(&pieces);
}

/// Whether there is something to read, or nobody who would write it.
fn has_job() -> bool {
    recv(stdin(), &mut [0_u8], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok()
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
