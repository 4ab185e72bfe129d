//! `reinstate-verifier`: examines documents and faces.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    let program = reinstate_verifier::contain::enter();
    cli::run(&program)
}
