//! The command line. Without a command it serves.

mod rows;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use reinstate_domain::ids::AccountId;
use reinstate_process::service;
use reinstate_process::stores::Settings;
use reinstate_process::{Options, Running, Stores, Telemetry, operations, stores, telemetry};
use reinstate_projector::courier::acknowledged;
use reinstate_projector::{check, rebuild, retry};
use reinstate_store::log::kafka;

use self::settings::{DEFAULTS, Own};

pub(crate) const NAME: &str = "reinstate-projector";

/// Keeps the read models at the log's end, sends the commands that are due, and brings codes to their owners.
#[derive(Parser)]
#[command(name = NAME, version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// The topic that is the log.
    Topic {
        #[command(subcommand)]
        command: Topic,
    },
    /// Makes all rows anew beside the ones that are in use, and changes over in one transaction.
    Rebuild {
        /// Shows how far it is, with the rate and the time left.
        #[arg(long)]
        watch: bool,
    },
    /// Compares every row with what the log makes of it. Exit status 1 when they differ.
    Check,
    /// Makes one account's rows anew, once this program understands the entry that the account halted at.
    Retry {
        #[arg(value_parser = |text: &str| AccountId::parse(text).map_err(|error| error.to_string()))]
        account: AccountId,
    },
}

#[derive(Subcommand)]
enum Topic {
    /// Makes it with everything that a log needs. One that is there already is only checked.
    Create,
}

/// Why it did not start, or did not do what it was told.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Settings(#[from] reinstate_process::settings::Error),
    #[error(transparent)]
    Stores(#[from] stores::Error),
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error("the outbox {} can't be used", path.display())]
    Outbox {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Acknowledged(#[from] acknowledged::Error),
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    #[error(transparent)]
    Service(#[from] service::Error),
    #[error(transparent)]
    Operations(#[from] operations::Error),
    #[error("the rows were not made anew")]
    Rebuild(#[from] rebuild::Error),
    #[error("the rows could not be checked")]
    Check(#[from] check::Error),
    #[error("the rows differ from the log")]
    Differ,
    #[error("the account's rows were not made anew")]
    Retry(#[from] retry::Error),
    #[error("the account halts still: see above")]
    StillHalted,
}

pub(crate) fn run() -> ExitCode {
    let Arguments { options, command } = Arguments::parse();
    reinstate_process::run(NAME, obey(options, command))
}

async fn obey(options: Options, command: Option<Command>) -> Result<(), Failure> {
    if options.defaults {
        print!("{DEFAULTS}{}", stores::DEFAULTS);
        return Ok(());
    }
    let (own, settings): (Own, _) = Settings::load(DEFAULTS, &options)?;
    if options.check {
        println!("ok: {}", service::check(&settings)?);
        return Ok(());
    }
    let Some(command) = command else {
        let running = Running::begin(NAME, &settings.log, &settings.traces)?;
        serve::serve(&own.courier, &settings, &running).await?;
        running.end();
        return Ok(());
    };
    let telemetry = Telemetry::init(NAME, &settings.log, &settings.traces)?;
    match command {
        Command::Topic { command: Topic::Create } => {
            let made = kafka::create_topic(&settings.kafka).await?;
            let what = if made { "made" } else { "there already, and fit to be a log" };
            println!("topic {}: {what}", settings.kafka.topic);
        }
        Command::Rebuild { watch } => rows::rebuild(&Stores::open(&settings).await?, watch).await?,
        Command::Check => rows::check(&Stores::open(&settings).await?).await?,
        Command::Retry { account } => rows::retry(&Stores::open(&settings).await?, &account).await?,
    }
    telemetry.finish();
    Ok(())
}
