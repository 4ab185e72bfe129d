//! `reinstate-projector`: keeps the read models at the log's end, sends what is due, brings codes to their owners; and the commands
//! that look after the topic and the rows.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
