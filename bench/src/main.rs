//! Measures, and prints what it measured. Each bench is a subcommand: `reinstate-bench log`.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use reinstate_verifier::contain::Program;

mod arm;
mod cluster;
mod contain;
mod journeys;
mod kafka;
mod log;
mod memory;
mod peers;
mod photos;
mod rebuild;
mod sweep;
mod usage;
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
    /// Decisions per second over HTTP, through the services on Kafka and PostgreSQL, beside a producer and a consumer without anything of
    /// ours on the same brokers; and the memory of the interface.
    Cluster {
        /// Brokers on this machine, 1 or 3.
        #[arg(long, default_value_t = 1)]
        brokers: u16,
        /// Instances of the interface. Clients are spread over them.
        #[arg(long, default_value_t = 1)]
        apis: usize,
        /// Seconds of each run.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Runs of each side, in turn.
        #[arg(long, default_value_t = 3)]
        runs: u32,
    },
    /// Appends per second on Kafka, beside a producer and a consumer without anything of ours, one caller after the other's answer.
    Kafka {
        /// Brokers on this machine, 1 or 3.
        #[arg(long, default_value_t = 1)]
        brokers: u16,
        /// Seconds of each run.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Runs of each side, in turn.
        #[arg(long, default_value_t = 3)]
        runs: u32,
    },
    /// A log on Kafka: rows rebuilt from it into PostgreSQL beside `psql \copy` of the same rows, an audit of it beside a consumer that
    /// counts, and the lag of live rows.
    Rebuild {
        /// Where the log and the database lie meanwhile. Every user must be able to walk there.
        #[arg(long, default_value = "/var/tmp")]
        folder: PathBuf,
        /// Entries of each run.
        #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000])]
        entries: Vec<usize>,
        /// Entries of each account.
        #[arg(long, default_value_t = 10)]
        each: usize,
        /// Audits of each log, and as many counts of it, in turn.
        #[arg(long, default_value_t = 3)]
        audits: usize,
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
    /// What it costs to examine each picture in a process of its own, in time and memory, and what a second worker brings.
    Contain {
        /// Measured examinations of each subject, beside the same in this process.
        #[arg(long, default_value_t = 15)]
        runs: usize,
        /// Mixed examinations with each number of workers.
        #[arg(long, default_value_t = 3000)]
        photos: usize,
        /// Their rates are compared with that of the first.
        #[arg(long, value_delimiter = ',', default_values = ["1", "2"])]
        workers: Vec<NonZero<usize>>,
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

fn main() -> ExitCode {
    let program = reinstate_verifier::contain::enter();
    let Err(error) = run(&program) else { return ExitCode::SUCCESS };
    eprintln!("reinstate-bench: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

#[tokio::main]
async fn run(program: &Program) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match Cli::parse().bench {
        Bench::Log { folder, seconds } => log::run(&folder, seconds).await?,
        Bench::Cluster { brokers, apis, seconds, runs } => cluster::run(brokers, apis, seconds, runs).await?,
        Bench::Kafka { brokers, seconds, runs } => kafka::run(brokers, seconds, runs).await?,
        Bench::Rebuild { folder, entries, each, audits, seconds } => {
            rebuild::run(&folder, &entries, each, audits, seconds).await?
        }
        Bench::Verify { runs, photos } => verify::run(runs, photos)?,
        Bench::Contain { runs, photos, workers } => contain::run(program, runs, photos, &workers).await?,
        Bench::Memory { journeys, at_once } => memory::run(journeys, at_once)?,
        Bench::Sweep(arguments) => sweep::run(&arguments)?,
        Bench::Read { list } => peers::read(&list)?,
    }
    Ok(())
}
