//! The command lines of api.md §5: one finding as JSON on standard output, or an evaluation, and no server. Without a command
//! it serves.

mod document;
mod evaluate;
mod face;
mod serve;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use reinstate_domain::evidence::MAX_IMAGE_BYTES;
use reinstate_process::{Options, in_one_line};
use reinstate_verifier::contain::Program;
use reinstate_verifier::engine;
use reinstate_verifier::models::{self, Bundle};
use serde::Serialize;

/// Examines identity documents and faces: what comes in through the log, or with a command, one by hand.
#[derive(Parser)]
#[command(name = "reinstate-verifier", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// The folder of another model bundle: a manifest.toml and the files that it names.
    #[arg(long, env = "REINSTATE_MODELS", global = true, value_name = "DIR")]
    models: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Document(document::Arguments),
    Evaluate(evaluate::Arguments),
    Face(face::Arguments),
}

/// Why there is no finding.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{path} can't be read")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Models(#[from] models::Error),
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("the document could not be examined")]
    Document(#[from] reinstate_verifier::document::Error),
    #[error(transparent)]
    Evaluation(#[from] reinstate_verifier::evaluate::Error),
    #[error("the finding can't be written")]
    Output(#[source] io::Error),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            // Of an evaluation 1 says that something false is accepted.
            Self::Unreadable { .. } | Self::Evaluation(_) => 2,
            Self::Models(_) | Self::Engine(_) | Self::Document(_) | Self::Output(_) => 1,
        }
    }
}

pub(crate) fn run(program: &Program) -> ExitCode {
    let arguments = Arguments::parse();
    let bundle = arguments.models.as_deref();
    let result = match arguments.command {
        Some(Command::Document(arguments)) => {
            document::run(program, bundle, &arguments).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Evaluate(arguments)) => evaluate::run(bundle, &arguments),
        Some(Command::Face(arguments)) => face::run(program, bundle, &arguments).map(|()| ExitCode::SUCCESS),
        None => {
            return reinstate_process::run(
                serve::NAME,
                serve::run(program, arguments.options, arguments.models),
            );
        }
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{}: {}", serve::NAME, in_one_line(&failure));
            ExitCode::from(failure.code())
        }
    }
}

/// The bundle in this folder, or the default one.
fn open_bundle(folder: Option<&Path>) -> Result<Bundle, Failure> {
    Ok(Bundle::open(folder)?)
}

/// Reads a picture, of a file that is too large only as much as it takes to say so.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_IMAGE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn print(finding: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(finding).map_err(|e| Failure::Output(e.into()))?;
    writeln!(io::stdout(), "{json}").map_err(Failure::Output)
}
