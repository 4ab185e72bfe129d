//! `reinstate-audit verify|show ACCOUNT (--data DIR | --brokers HOST:PORT --topic TOPIC) [--json]`. Reads beside running servers.

use std::{
    error::Error as StdError,
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    thread,
};

use clap::{Args, Parser, Subcommand};
use mimalloc::MiMalloc;
use reinstate_audit::{
    evidence,
    show::show,
    verify::{Audit, Report},
};
use reinstate_domain::ids::AccountId;
use reinstate_store::{
    blobs::{self, Artefacts, Blobs},
    data_dir::Layout,
    log::{
        self, LogReader,
        embedded::EmbeddedReader,
        kafka::{self, KafkaReader, Security, Settings},
    },
};

/// An entry is many small pieces of memory that are taken and given back (docs/decisions/0100).
#[global_allocator]
static MEMORY: MiMalloc = MiMalloc;

/// The most partitions that are read at the same time. Each has some megabytes fetched ahead, and the rows of its accounts.
const SIDE_BY_SIDE: usize = 8;

/// Replays the log of Reinstate and says what it found.
///
/// Exit codes: 0 nothing wrong, 1 a fault or an unknown account, 2 the log can't be read at all.
#[derive(Parser)]
#[command(name = "reinstate-audit", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks every entry: its place, its account's chain, the rule, its events, and the table beside the log.
    Verify {
        #[command(flatten)]
        source: Source,
        /// Reads every image, policy and manifest that an event names, too.
        #[arg(long)]
        evidence: bool,
        /// Where they are, when the log is on Kafka: a folder with blobs/ and artefacts/.
        #[arg(long, value_name = "DIR", requires = "brokers")]
        stores: Option<PathBuf>,
    },
    /// Shows an account's entries, effective and void, without anything personal.
    Show {
        /// The exchange's id of the account.
        account: String,
        #[command(flatten)]
        source: Source,
    },
}

#[derive(Args)]
struct Source {
    /// The data directory of a standalone server, running or not.
    #[arg(long, value_name = "DIR", required_unless_present = "brokers", conflicts_with = "brokers")]
    data: Option<PathBuf>,
    /// Kafka brokers, one or more with commas between.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    #[arg(long, default_value = "reinstate.accounts.v1", conflicts_with = "data")]
    topic: String,
    /// TOML, how to speak with the brokers: protocol, mechanism, username, password_file, ca_file, … as the services' `security`.
    #[arg(long, value_name = "FILE", requires = "brokers")]
    security: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// A log that was opened to be read.
enum Opened<'a> {
    Embedded {
        log: EmbeddedReader,
        data: &'a Path,
    },
    /// With what a service would have refused the topic for.
    Kafka {
        log: KafkaReader,
        unsafe_setting: Option<kafka::Error>,
    },
}

impl Source {
    async fn open(&self) -> Result<Opened<'_>, Error> {
        match (&self.data, &self.brokers) {
            (Some(data), _) => Ok(Opened::Embedded { log: EmbeddedReader::open(data)?, data }),
            (None, brokers) => {
                let mut settings = Settings::new(brokers.clone().unwrap_or_default(), &self.topic);
                if let Some(path) = &self.security {
                    settings.security = security(path)?;
                }
                let (log, unsafe_setting) =
                    KafkaReader::connect_to_any(&settings).await.map_err(Error::Kafka)?;
                Ok(Opened::Kafka { log, unsafe_setting })
            }
        }
    }
}

fn security(path: &Path) -> Result<Security, Error> {
    let text = fs::read_to_string(path).map_err(|e| Error::SecurityFile(path.to_owned(), e))?;
    toml::from_str(&text).map_err(|e| Error::Security(path.to_owned(), e))
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the log can't be read")]
    Log(#[from] log::Error),
    #[error("the log can't be read")]
    Kafka(#[source] kafka::Error),
    #[error("{} can't be read", .0.display())]
    SecurityFile(PathBuf, #[source] io::Error),
    #[error("{} does not say how to speak with the brokers", .0.display())]
    Security(PathBuf, #[source] toml::de::Error),
    #[error("--evidence needs --stores DIR when the log is on Kafka")]
    NoStores,
    #[error("the evidence can't be read")]
    Blobs(#[from] blobs::Error),
    #[error("{0}")]
    Account(#[from] reinstate_domain::ids::InvalidId),
    #[error("the report can't be written as JSON")]
    Json(#[from] serde_json::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Verify { source, evidence, stores } => verify(&source, evidence, stores.as_deref()).await,
        Command::Show { account, source } => print_account(&source, &account).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut cause: Option<&dyn StdError> = Some(&error);
            while let Some(error) = cause {
                eprintln!("reinstate-audit: {error}");
                cause = error.source();
            }
            ExitCode::from(2)
        }
    }
}

/// Says whether nothing is wrong.
async fn verify(source: &Source, with_evidence: bool, stores: Option<&Path>) -> Result<bool, Error> {
    let opened = source.open().await?;
    let mut audit = if with_evidence { Audit::collecting_evidence() } else { Audit::new() };
    let stores = match &opened {
        Opened::Embedded { log, data } => {
            read_embedded(&mut audit, log).await?;
            Some(*data)
        }
        Opened::Kafka { log, unsafe_setting } => {
            audit.topic(unsafe_setting.as_ref().map(ToString::to_string));
            let mut ranges = Vec::new();
            for partition in 0..log.partitions() {
                ranges.push(log.first(partition)..log.end(partition).await?);
            }
            let cores = thread::available_parallelism().map_or(1, NonZero::get);
            // Two for each core: while one waits for the brokers another has something to do.
            let at_once = (2 * cores).min(SIDE_BY_SIDE);
            audit.read_all(Arc::new(log.clone()), ranges, at_once).await?;
            stores
        }
    };
    if with_evidence {
        let layout = Layout::of(stores.ok_or(Error::NoStores)?);
        let (blobs, artefacts) =
            (Blobs::local_to_read(&layout.blobs())?, Artefacts::local_to_read(&layout.artefacts())?);
        evidence::check(&mut audit, &blobs, &artefacts).await?;
    }
    let report = audit.finish();
    if source.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(report.faults.is_empty())
}

async fn read_embedded(audit: &mut Audit, log: &EmbeddedReader) -> Result<(), Error> {
    match log.heads().await {
        Ok(table) => {
            audit.read(log, 0, table.end).await?;
            audit.compare(&table);
        }
        Err(log::Error::Corrupt { source, .. }) => {
            audit.read(log, 0, log.end(0).await?).await?;
            audit.unreadable_table(&*source);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn print(report: &Report) {
    let Report { sources, entries, accounts, effective, void, faults } = report;
    println!("read: {}", sources.join(", "));
    println!("{entries} entries of {accounts} accounts: {effective} effective, {void} void");
    for fault in faults {
        let position = fault.position.map(|p| format!(" at {p}")).unwrap_or_default();
        let account = fault.account.as_ref().map(|a| format!(" of {a}")).unwrap_or_default();
        println!("FAULT {}{position}{account}: {}", fault.kind, fault.detail);
    }
    if faults.is_empty() {
        println!("nothing is wrong");
    } else {
        println!("{} faults", faults.len());
    }
}

/// Says whether the account is known.
async fn print_account(source: &Source, account: &str) -> Result<bool, Error> {
    let account = AccountId::parse(account)?;
    let shown = match source.open().await? {
        Opened::Embedded { log, .. } => show(&log, &account).await?,
        Opened::Kafka { log, .. } => show(&log, &account).await?,
    };
    let Some(shown) = shown else {
        eprintln!("reinstate-audit: the log has no entry of this account");
        return Ok(false);
    };
    if source.json {
        println!("{}", serde_json::to_string(&shown)?);
    } else {
        print!("{shown}");
    }
    Ok(true)
}
