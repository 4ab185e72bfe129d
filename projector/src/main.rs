//! `reinstate-projector`: keeps the read models at the log's end, sends what is due, brings codes to their owners; and the commands
//! that look after the topic and the rows.

mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Requests and entries are many small pieces of memory that one thread takes and another gives back (docs/decisions/0100).
#[global_allocator]
static MEMORY: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
