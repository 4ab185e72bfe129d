//! Measures, and prints what it measured. Each bench is a subcommand: `reinstate-bench log`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

mod accuracy;
mod kafka;
mod log;
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
    /// Appends per second on Kafka, beside a producer and a consumer without anything of ours, one caller after the other's answer.
    Kafka {
        /// Brokers on this machine, 1 or 3.
        #[arg(long, default_value_t = 1)]
        brokers: u16,
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
    /// How well documents are read and faces are matched, on the labelled photos at hand.
    Accuracy,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match Cli::parse().bench {
        Bench::Log { folder, seconds } => log::run(&folder, seconds).await?,
        Bench::Kafka { brokers, seconds } => kafka::run(brokers, seconds).await?,
        Bench::Verify { runs } => verify::run(runs)?,
        Bench::Accuracy => accuracy::run()?,
    }
    Ok(())
}
