//! Which part of the work is this worker's.

use reinstate_domain::account::Event;
use reinstate_domain::ids::AccountId;
use reinstate_domain::wire;
use reinstate_store::log::kafka::Group;
use reinstate_store::trace::Traceparent;
use tokio::sync::{mpsc, watch};

/// Accounts that wait to be looked at before whoever tells of them has to wait.
const TOLD: usize = 64;

/// An account in which something may have to be done now.
#[derive(Debug, Clone)]
pub struct Told {
    pub account: AccountId,
    /// The trace of the entry that gave rise to it: the finding belongs to it too.
    pub trace: Option<Traceparent>,
}

/// The partitions whose work is this worker's, and news from them. News only save time: what is to be done is in the read model,
/// which the worker looks through at every assignment and now and then.
#[derive(Debug)]
pub struct Share {
    pub(super) partitions: watch::Receiver<Vec<u32>>,
    pub(super) told: mpsc::Receiver<Told>,
    /// Whether changes of rows are the only news.
    pub(super) by_rows: bool,
}

/// The other end of a [`Share`]. Dropped, the share stays as it is.
#[derive(Debug)]
pub struct Assigner {
    pub partitions: watch::Sender<Vec<u32>>,
    pub told: mpsc::Sender<Told>,
}

impl Share {
    /// Nothing at first.
    #[must_use]
    pub fn assigned() -> (Assigner, Self) {
        let (partitions, assigned) = watch::channel(Vec::new());
        let (tell, told) = mpsc::channel(TOLD);
        (Assigner { partitions, told: tell }, Self { partitions: assigned, told, by_rows: false })
    }

    /// All partitions of a log, for the only worker. It hears of changes from the read model.
    #[must_use]
    pub fn of_everything(partitions: u32) -> Self {
        let (assigner, share) = Self::assigned();
        assigner.partitions.send_replace((0..partitions).collect());
        Self { by_rows: true, ..share }
    }
}

/// Tells the worker of what the group assigns and hands over, for ever. The group's own thread goes on polling whatever the work
/// does: while the worker has no hand free, records wait here, then in the group, and then the partitions are paused.
pub async fn share_of(mut group: Group, assigner: Assigner) {
    let mut partitions = group.partitions();
    loop {
        tokio::select! {
            changed = partitions.changed() => {
                if changed.is_err() {
                    return;
                }
                let assigned = partitions.borrow_and_update().clone();
                metrics::gauge!("reinstate_verifier_partitions").set(count(assigned.len()));
                assigner.partitions.send_replace(assigned);
            }
            record = group.next() => {
                let Some(record) = record else { return };
                let position = record.position;
                if asks_for_an_examination(&record.value) {
                    let told = Told { account: record.account, trace: record.trace };
                    if assigner.told.send(told).await.is_err() {
                        return;
                    }
                }
                // The read model knows of the work from here on; nobody needs to be told again.
                group.done(position);
            }
        }
    }
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// Whether an entry can be the reason for an examination: evidence came in, or what a face waits for. What can't be understood
/// halts its account, which is for the projector to tell.
#[must_use]
fn asks_for_an_examination(value: &[u8]) -> bool {
    wire::decode(value).is_ok_and(|entry| {
        entry.events.iter().any(|event| {
            matches!(
                event,
                Event::DocumentSubmitted(_) | Event::DocumentExamined(_) | Event::FaceSubmitted(_)
            )
        })
    })
}
