//! `reinstate-audit verify|show ACCOUNT --data DIR [--json]`. Reads beside a running server.

use std::{error::Error as StdError, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use reinstate_audit::{
    evidence,
    show::show,
    verify::{Audit, Report},
};
use reinstate_domain::ids::AccountId;
use reinstate_store::{
    blobs::{self, Artefacts, Blobs},
    data_dir::Layout,
    log::{self, LogReader, embedded::EmbeddedReader},
};

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
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the log can't be read")]
    Log(#[from] log::Error),
    #[error("the evidence can't be read")]
    Blobs(#[from] blobs::Error),
    #[error("{0}")]
    Account(#[from] reinstate_domain::ids::InvalidId),
    #[error("the report can't be written as JSON")]
    Json(#[from] serde_json::Error),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Verify { source, evidence } => verify(&source, evidence).await,
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
async fn verify(source: &Source, with_evidence: bool) -> Result<bool, Error> {
    let log = EmbeddedReader::open(&source.data)?;
    let mut audit = if with_evidence { Audit::collecting_evidence() } else { Audit::new() };
    match log.heads().await {
        Ok(table) => {
            audit.read(&log, 0, table.end).await?;
            audit.compare(&table);
        }
        Err(log::Error::Corrupt { source, .. }) => {
            audit.read(&log, 0, log.end(0).await?).await?;
            audit.unreadable_table(&*source);
        }
        Err(error) => return Err(error.into()),
    }
    if with_evidence {
        let layout = Layout::of(&source.data);
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
    let log = EmbeddedReader::open(&source.data)?;
    let Some(shown) = show(&log, &account).await? else {
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
