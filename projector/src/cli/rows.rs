//! Looking after the rows by hand. What was found goes to standard output.

use std::time::Duration;

use reinstate_domain::ids::AccountId;
use reinstate_process::Stores;
use reinstate_projector::check::{self, Difference};
use reinstate_projector::rebuild::{self, Progress, Stage};
use reinstate_projector::retry::{self, Retried};
use reinstate_store::log::LogReader;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Failure;

/// How often progress is shown.
const SHOW: Duration = Duration::from_secs(1);

pub(super) async fn rebuild(stores: &Stores, show: bool) -> Result<(), Failure> {
    let (progress, seen) = watch::channel(Progress::default());
    let log: std::sync::Arc<dyn LogReader> = std::sync::Arc::new(stores.log.reader().clone());
    let rebuilding = rebuild::rebuild(log, &stores.database, &*stores.keys, &progress);
    let rebuilt = if show {
        tokio::select! {
            rebuilt = rebuilding => rebuilt,
            never = tell(seen) => match never {},
        }
    } else {
        rebuilding.await
    }?;
    let seconds = rebuilt.took.as_secs_f64();
    println!("{} entries in {seconds:.1} s: the new rows are in use", rebuilt.entries);
    Ok(())
}

async fn tell(progress: watch::Receiver<Progress>) -> std::convert::Infallible {
    loop {
        sleep(SHOW).await;
        let now = *progress.borrow();
        let doing = match now.stage {
            Stage::Reading => "reading the log",
            Stage::Indexing => "making indexes",
            Stage::CatchingUp => "catching up with what came meanwhile",
            Stage::Done => "done",
        };
        println!(
            "{} of {} entries, {:.0}/s, {} s left: {doing}",
            now.entries,
            now.total,
            now.rate,
            now.left.as_secs()
        );
    }
}

pub(super) async fn check(stores: &Stores) -> Result<(), Failure> {
    let checked = check::check(stores.log.reader(), &stores.database).await?;
    println!("{} entries, {} accounts", checked.entries, checked.accounts);
    for (account, position) in &checked.quarantined {
        println!("{account} halts at {position}: retry it with a program that understands the entry");
    }
    for difference in &checked.differences {
        println!("{}", describe(difference));
    }
    if checked.differences.is_empty() { Ok(()) } else { Err(Failure::Differ) }
}

fn describe(difference: &Difference) -> String {
    match difference {
        Difference::Missing { account } => format!("{account} is in the log and has no row"),
        Difference::Unfounded { account } => format!("{account} has a row and is not in the log"),
        Difference::Differs { account, parts } => format!("{account} differs: {parts:?}"),
        Difference::Ahead { partition, rows, log } => {
            format!("partition {partition}: the rows are at {rows}, and the log ends at {log}")
        }
    }
}

pub(super) async fn retry(stores: &Stores, account: &AccountId) -> Result<(), Failure> {
    let retried = retry::retry(stores.log.reader(), &stores.database, &*stores.keys, account).await?;
    match retried {
        Retried::Understood { version } => println!("{account} goes on: {version} entries"),
        Retried::Unknown => println!("{account} is not in the log"),
        Retried::StillHalted(quarantine) => {
            println!("{account} halts at {}: {}", quarantine.position, quarantine.detail);
            return Err(Failure::StillHalted);
        }
    }
    Ok(())
}
