//! Brings one-time codes to their owners. A code is in no store: it is computed again from the server's key when it is sent.
//!
//! At least once: a message is acknowledged, durably, after it was handed over, and a restart sends nothing that was
//! acknowledged. What no longer helps is not sent at all: a code that has expired or was followed by a newer one, of a case
//! that has ended, to a person who was erased.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use reinstate_domain::{
    account::{CaseStatus, Event, event::CodeIssued},
    codes::{Channel, Code, CodeKey},
    entry::Position,
    identity::Person,
    ids::{AccountId, CaseId},
    sealed::{Sealed, purpose},
    wire,
};
use reinstate_store::{
    keys::{self, Keys},
    log::{self, LogReader, Page, Record},
    read_models::{self, ReadModels},
    seal::{self, DataKey},
};
use tokio::task::JoinSet;

pub mod acknowledged;
pub mod outbox;

use crate::{REST, follow::Step};
use acknowledged::Acknowledged;

/// The records of one step.
const STEP: usize = 200;

/// One code to one contact. Does not print.
pub struct Message {
    /// The same each time the message is handed over: whoever gets it twice can tell.
    pub id: String,
    pub channel: Channel,
    pub to: String,
    pub code: Code,
    pub account: AccountId,
    pub reactivation: CaseId,
    pub sent_at: Timestamp,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({})", self.id)
    }
}

/// Where messages go.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Hands the message over; when this returns it will not be lost. An error means that it may be tried again.
    async fn deliver(&self, message: &Message) -> Result<(), Undelivered>;

    /// Destroys what is still kept of messages to an account whose person was erased. Again is the same as once.
    async fn forget(&self, account: &AccountId) -> Result<(), Undelivered>;
}

#[derive(Debug, thiserror::Error)]
#[error("the message could not be handed over")]
pub struct Undelivered(#[source] pub Box<dyn std::error::Error + Send + Sync>);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the log could not be followed")]
    Log(#[source] log::Error),
    #[error("the read model does not answer")]
    Models(#[source] read_models::Error),
    #[error("an account's key could not be read")]
    Keys(#[source] keys::Error),
    #[error(transparent)]
    Undelivered(#[from] Undelivered),
    #[error(transparent)]
    Acknowledged(#[from] acknowledged::Error),
    #[error("the courier was stopped")]
    Stopped(#[source] tokio::task::JoinError),
}

pub struct Courier {
    log: Arc<dyn LogReader>,
    models: Arc<dyn ReadModels>,
    keys: Arc<dyn Keys>,
    code_key: CodeKey,
    carrier: Arc<dyn Carrier>,
    acknowledged: Arc<Acknowledged>,
}

impl Courier {
    #[must_use]
    pub fn new(
        log: Arc<dyn LogReader>,
        models: Arc<dyn ReadModels>,
        keys: Arc<dyn Keys>,
        code_key: CodeKey,
        carrier: Arc<dyn Carrier>,
        acknowledged: Acknowledged,
    ) -> Self {
        Self { log, models, keys, code_key, carrier, acknowledged: Arc::new(acknowledged) }
    }

    /// Delivers what some records of a partition ask for, from the acknowledged position on.
    ///
    /// # Errors
    /// What was delivered before the error is acknowledged; the step may be repeated.
    pub async fn step(&self, partition: u32, now: Timestamp) -> Result<Step, Error> {
        let from = self.acknowledged.next(partition);
        let Page { records, next } = self.log.page(partition, from, STEP).await.map_err(Error::Log)?;
        if next == from {
            return Ok(Step::Idle { next });
        }
        for record in &records {
            let delivered = self.serve(record, now).await?;
            self.acknowledge(partition, record.position.offset + 1, delivered).await?;
        }
        // What follows the last of them belongs to no account.
        self.acknowledge(partition, next, false).await?;
        Ok(Step::Applied { next })
    }

    /// Notes that everything before `next` is done.
    async fn acknowledge(&self, partition: u32, next: u64, delivered: bool) -> Result<(), Error> {
        if !delivered && !self.acknowledged.pass(partition, next) {
            return Ok(());
        }
        let acknowledged = self.acknowledged.clone();
        let stored = tokio::task::spawn_blocking(move || acknowledged.store(partition, next)).await;
        Ok(stored.map_err(Error::Stopped)??)
    }

    /// Delivers a record's codes, and forgets who was erased. Says whether there was anything to do.
    async fn serve(&self, record: &Record, now: Timestamp) -> Result<bool, Error> {
        // An entry that can't be understood has halted its account, which is for the projector to tell.
        let Ok(entry) = wire::decode(&record.value) else { return Ok(false) };
        let mut delivered = false;
        for (index, event) in entry.events.iter().enumerate() {
            if matches!(event, Event::PersonalDataErased(_)) && self.is_effective(record).await? {
                self.carrier.forget(&record.account).await?;
                delivered = true;
            }
            let Event::CodeIssued(issued) = event else { continue };
            if !self.is_effective(record).await? {
                continue;
            }
            if let Some(message) = self.message(&record.account, record.position, index, issued, now).await? {
                self.carrier.deliver(&message).await?;
                delivered = true;
            }
        }
        Ok(delivered)
    }

    /// Whether the rule lets the record count, now that the rows have it.
    async fn is_effective(&self, record: &Record) -> Result<bool, Error> {
        self.models.wait(record.position).await.map_err(Error::Models)?;
        self.models.is_effective(&record.account, record.position).await.map_err(Error::Models)
    }

    /// The message, if it still helps.
    async fn message(
        &self,
        account: &AccountId,
        position: Position,
        index: usize,
        issued: &CodeIssued,
        now: Timestamp,
    ) -> Result<Option<Message>, Error> {
        if now >= issued.expires_at {
            return Ok(None);
        }
        if issued.key_id != self.code_key.id() {
            tracing::error!(%position, key = issued.key_id, "a code was issued under a key that is not here");
            return Ok(None);
        }
        let Some(row) = self.models.account(account).await.map_err(Error::Models)? else { return Ok(None) };
        let newest = row.state.case(issued.case).filter(|case| case.status == CaseStatus::Open);
        let newest = newest.and_then(|case| case.requirement(issued.channel.kind())?.code.as_ref());
        if newest.is_none_or(|code| code.issue != issued.issue) {
            return Ok(None);
        }
        let Some(profile) = &row.state.profile else { return Ok(None) };
        let Some(key) = self.keys.get(account).await.map_err(Error::Keys)? else { return Ok(None) };
        let Some(person) = open(&key, account, &profile.sealed) else {
            tracing::error!(%account, %position, "a code can't be sent: the person can't be read");
            return Ok(None);
        };
        let Some(to) = person.contacts.of(issued.channel) else { return Ok(None) };
        Ok(Some(Message {
            id: format!("{:03}-{:012}-{index}", position.partition, position.offset),
            channel: issued.channel,
            to: to.to_owned(),
            code: self.code_key.code(issued.case, issued.channel, issued.issue),
            account: account.clone(),
            reactivation: issued.case,
            sent_at: now,
        }))
    }

    /// Follows the log for ever. After an error it rests and tries again: a partition's messages keep their order.
    pub async fn run(self: Arc<Self>) {
        let mut partitions = JoinSet::new();
        for partition in 0..self.log.partitions() {
            let courier = self.clone();
            partitions.spawn(async move { courier.follow(partition).await });
        }
        partitions.join_all().await;
    }

    async fn follow(&self, partition: u32) {
        loop {
            let followed = match self.step(partition, Timestamp::now()).await {
                Ok(Step::Applied { .. }) => Ok(()),
                Ok(Step::Idle { next }) => self.log.wait(partition, next).await.map_err(Error::Log),
                Err(error) => Err(error),
            };
            if let Err(error) = followed {
                tracing::error!(error = &error as &dyn std::error::Error, partition, "the courier rests");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// `None` where trying again would not help either.
fn open(key: &DataKey, account: &AccountId, sealed: &Sealed) -> Option<Person> {
    let person = seal::open(key, account, purpose::PROFILE, sealed).ok()?;
    serde_json::from_slice(&person).ok()
}
