//! Measures, and prints what it measured. Each bench is a subcommand: `reinstate-bench log`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

mod kafka;
mod log;
mod memory;
mod peers;
mod rebuild;
mod sweep;
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
    /// Rows rebuilt into PostgreSQL, beside `psql \copy` of the same rows, and the lag of live rows.
    Rebuild {
        /// Where the log and the database lie meanwhile. Every user must be able to walk there.
        #[arg(long, default_value = "/var/tmp")]
        folder: PathBuf,
        /// Entries of each run.
        #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000])]
        entries: Vec<usize>,
        /// Seconds of the live part.
        #[arg(long, default_value_t = 20)]
        seconds: u64,
    },
    /// Where the verifier's time goes, and whether its memory stays flat.
    Verify {
        /// Measured examinations of each subject.
        #[arg(long, default_value_t = 15)]
        runs: usize,
        /// Labelled photos on which other readers are measured too. Default: `mrz-dev` of REINSTATE_SHARED_DATA, when it is there.
        #[arg(long)]
        photos: Option<PathBuf>,
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
    /// How well specimens are read that are drawn on the way: thousands, of known truth. Goes on where it was ended.
    Sweep(sweep::Arguments),
    /// Reads the photos of a list, for `verify`.
    #[command(hide = true)]
    Read { list: PathBuf },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match Cli::parse().bench {
        Bench::Log { folder, seconds } => log::run(&folder, seconds).await?,
        Bench::Kafka { brokers, seconds } => kafka::run(brokers, seconds).await?,
        Bench::Rebuild { folder, entries, seconds } => rebuild::run(&folder, &entries, seconds).await?,
        Bench::Verify { runs, photos } => verify::run(runs, photos)?,
        Bench::Memory { journeys, at_once } => memory::run(journeys, at_once)?,
        Bench::Sweep(arguments) => sweep::run(&arguments)?,
        Bench::Read { list } => peers::read(&list)?,
    }
    Ok(())
}
