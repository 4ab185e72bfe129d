//! The loop around the step: different accounts side by side, each account one step at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reinstate_domain::ids::AccountId;
use reinstate_process::{Stop, trace};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::share::{Share, Told};
use super::{Error, Outcome, Worker};
use crate::contain::Lost;

/// How often the loop looks when nothing changes, so that work which could not be done is looked at again.
const TICK: Duration = Duration::from_secs(1);
/// How long an account rests after a step that did not get done.
const REST: Duration = Duration::from_millis(250);
/// Accounts that one look at the read model brings.
const LOOK: usize = 64;
/// How long the end of the process waits for the steps that were begun.
const LAST_STEPS: Duration = Duration::from_secs(25);

impl Worker {
    /// Works until the process is to end, and finishes what was begun. As many steps run side by side as the engine has threads
    /// and one more, so that a thread never waits for the log.
    pub async fn run(self: Arc<Self>, mut share: Share, threads: usize, stop: Stop) {
        // There from the start: who watches for a first one needs the series before it.
        metrics::counter!("reinstate_verifier_given_up_total").increment(0);
        for cause in Lost::CAUSES {
            metrics::counter!("reinstate_verifier_workers_lost_total", "cause" => cause).increment(0);
        }
        let mut hands = Hands::new(Arc::clone(&self), threads.max(1) + 1);
        let mut changes = self.ports.read_models.changes();
        // A share whose other end is gone stays as it is.
        let (mut assigning, mut telling) = (true, true);
        let mut look = true;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if look && hands.free() {
                look = false;
                changes.mark_unchanged();
                let partitions = share.partitions.borrow_and_update().clone();
                self.look(&partitions, &mut hands).await;
            }
            metrics::gauge!("reinstate_verifier_steps").set(hands.count());
            tokio::select! {
                () = stop.requested() => break,
                // Whoever has to wait was seen by the last look, or will be by the next.
                () = hands.settle(), if hands.working() => look = true,
                told = share.told.recv(), if telling && hands.free() => match told {
                    Some(told) => hands.take(told, Urgency::Now),
                    None => telling = false,
                },
                changed = share.partitions.changed(), if assigning => {
                    assigning = changed.is_ok();
                    look = true;
                }
                // With news from the log, every change of any row would be a question for nothing.
                _ = changes.changed(), if share.by_rows && hands.free() => look = true,
                _ = tick.tick() => look = true,
            }
        }
        if timeout(LAST_STEPS, hands.finish()).await.is_err() {
            tracing::warn!("an examination is left to another worker");
        }
    }

    async fn look(&self, partitions: &[u32], hands: &mut Hands) {
        if partitions.is_empty() {
            return;
        }
        // Those that rest must not hide the others behind the limit.
        match self.ports.read_models.work(partitions, LOOK + hands.resting()).await {
            Ok(ids) => {
                metrics::gauge!("reinstate_verifier_waiting")
                    .set(f64::from(u32::try_from(ids.len()).unwrap_or(u32::MAX)));
                for account in ids {
                    hands.take(Told { account, trace: None }, Urgency::Rested);
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the verifier could not look");
            }
        }
    }
}

/// Whether an account that rests is taken up all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Urgency {
    Now,
    Rested,
}

/// The steps that are being done.
struct Hands {
    worker: Arc<Worker>,
    most: usize,
    steps: JoinSet<Result<Outcome, Error>>,
    busy: HashMap<Id, AccountId>,
    resting: HashMap<AccountId, Instant>,
}

impl Hands {
    fn new(worker: Arc<Worker>, most: usize) -> Self {
        Self { worker, most, steps: JoinSet::new(), busy: HashMap::new(), resting: HashMap::new() }
    }

    fn free(&self) -> bool {
        self.steps.len() < self.most
    }

    fn working(&self) -> bool {
        !self.steps.is_empty()
    }

    fn count(&self) -> f64 {
        f64::from(u32::try_from(self.steps.len()).unwrap_or(u32::MAX))
    }

    fn resting(&mut self) -> usize {
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        self.resting.len()
    }

    /// Begins a step, unless both hands are full or the account is being worked on.
    fn take(&mut self, told: Told, urgency: Urgency) {
        let rests = urgency == Urgency::Rested && self.resting.contains_key(&told.account);
        if rests || !self.free() || self.busy.values().any(|account| *account == told.account) {
            return;
        }
        let Told { account, trace } = told;
        let (worker, id) = (Arc::clone(&self.worker), account.clone());
        let step = self.steps.spawn(async move {
            let span = tracing::info_span!("examine", otel.kind = "consumer");
            trace::within(span, trace.as_ref(), Box::pin(worker.step(&id))).await
        });
        self.busy.insert(step.id(), account);
    }

    /// Waits for the end of a step, and lets its account be taken up again, at once or after a rest.
    async fn settle(&mut self) {
        let Some(ended) = self.steps.join_next_with_id().await else { return };
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a step broke off");
                (error.id(), None)
            }
        };
        let Some(account) = self.busy.remove(&id) else { return };
        if let Some(Err(error)) = &outcome {
            tracing::warn!(error = error as &dyn std::error::Error, %account, "a step failed and is tried again");
        }
        if !matches!(outcome, Some(Ok(Outcome::Recorded))) {
            self.resting.insert(account, Instant::now() + REST);
        }
    }

    async fn finish(&mut self) {
        while self.working() {
            self.settle().await;
        }
    }
}
