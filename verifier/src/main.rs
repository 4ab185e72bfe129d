//! `reinstate-verifier`: examines documents and faces.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
