//! Measures, and prints what it measured. Each bench is a subcommand: `reinstate-bench log`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

mod accuracy;
mod log;
mod memory;
mod verify;

#[derive(Parser)]
#[command(name = "reinstate-bench", version)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Durable decisions per second on the embedded log, beside the disk's own sync rate.
    Log {
        /// Where to write; the disk of this folder is measured. Everything below it is removed again.
        #[arg(long, default_value = ".")]
        folder: PathBuf,
        /// Seconds per line.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Where the verifier's time goes, and whether its memory stays flat.
    Verify {
        /// Measured examinations of each subject.
        #[arg(long, default_value_t = 15)]
        runs: usize,
    },
    /// What the standalone server holds in memory while owners hand in documents and selfies.
    Memory {
        /// Each with one document, a few with two, and all but a few with a selfie.
        #[arg(long, default_value_t = 200)]
        journeys: usize,
        /// How many are played at the same time.
        #[arg(long, default_value_t = 3)]
        at_once: usize,
    },
    /// How well documents are read and faces are matched, on the labelled photos at hand.
    Accuracy,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match Cli::parse().bench {
        Bench::Log { folder, seconds } => log::run(&folder, seconds).await?,
        Bench::Verify { runs } => verify::run(runs)?,
        Bench::Memory { journeys, at_once } => memory::run(journeys, at_once)?,
        Bench::Accuracy => accuracy::run()?,
    }
    Ok(())
}
