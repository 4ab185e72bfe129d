//! The only way in which services write: decide on an account's state, append what follows, and find out what became of it.

mod states;

use std::{collections::hash_map::RandomState, hash::BuildHasher, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use reinstate_domain::{
    account::{self, Account, Answer, Decided, Event, Recall, Refusal},
    entry::{Fingerprint, Hash, Head, Position, Ruling, rule},
    ids::{AccountId, EntryId},
    wire::{self, Actor, Entry},
};
use tokio::sync;
use uuid::Uuid;

use crate::{
    clock::{Difference, SharedClock},
    log::{self, Appended, Log},
    read_models::{self, Snapshots},
};
use states::States;

/// How often a decision is made again after somebody else's entry came first.
const DECISIONS: usize = 32;

/// How often the same bytes are appended while their outcome is unknown.
const APPENDS: u32 = 3;

/// The pause before the first repeat; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// Locks that decisions on the same account share, so that callers of one process wait for each other instead of voiding each
/// other's entries. Two accounts that meet on one only wait a little longer.
const STRIPES: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the log refused the entry")]
    Log(#[source] log::Error),
    #[error("the account's state could not be loaded")]
    Load(#[source] read_models::Error),
    /// The state could not be brought up to the log's end in time.
    #[error("the account's state is behind the log")]
    Behind,
    /// An entry of the account is not understood by this program; nothing is decided on the account until one that
    /// understands it runs.
    #[error("the account is in quarantine since {position}")]
    Quarantined { position: Position },
    /// Deadlines can't be kept by a clock that others would not go by.
    #[error("nothing is decided by this clock")]
    Clock(#[source] Difference),
    #[error("too many others wrote to the account at the same time")]
    Contended,
    /// The caller may repeat the command under the same idempotency key.
    #[error("the log did not say in time whether the entry was written")]
    Indeterminate,
    /// Written, it would have halted the account for every reader.
    #[error("the entry can't be read back as it would be written")]
    Unreadable(#[source] wire::Error),
    #[error("the entry can't be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

/// Who wants something of an account, and when.
#[derive(Debug, Clone)]
pub struct Request {
    pub account: AccountId,
    pub actor: Actor,
    /// With an idempotency key: the same request again is answered, not carried out.
    pub command: Option<Fingerprint>,
    pub now: Timestamp,
}

/// What became of a request.
#[derive(Debug)]
pub enum Executed {
    Decided {
        /// With the entry that was written, if one was.
        account: Arc<Account>,
        answer: Result<Answer, Refusal>,
        /// Whether an entry was written: it stands at `account.position`.
        written: bool,
    },
    /// The request was carried out within the last 24 hours.
    Replayed { account: Arc<Account>, answer: Answer },
    /// Its idempotency key was used for another request.
    KeyReused,
}

/// What became of an append.
#[derive(Debug)]
pub enum Written {
    /// The entry is effective and folded into this state.
    Committed(Arc<Account>),
    /// Another entry came first. [`Journal::load`] has it from now on.
    Conflict,
    Indeterminate,
}

pub struct Journal {
    log: Arc<dyn Log>,
    states: Arc<States>,
    stripes: Vec<sync::Mutex<()>>,
    hasher: RandomState,
    clock: Option<Arc<dyn SharedClock>>,
}

impl Journal {
    /// [`Journal::follow`] must run beside it, or nothing is refused in time.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, snapshots: Arc<dyn Snapshots>) -> Self {
        Self {
            states: Arc::new(States::new(log.clone(), snapshots)),
            log,
            stripes: (0..STRIPES).map(|_| sync::Mutex::default()).collect(),
            hasher: RandomState::new(),
            clock: None,
        }
    }

    /// For one of several processes: nothing is decided while its clock differs from the one that they share.
    #[must_use]
    pub fn by(self, clock: Arc<dyn SharedClock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Keeps the states in memory at the log's end, for ever.
    pub async fn follow(&self) {
        self.states.clone().follow().await;
    }

    /// The account's state with every entry that this process committed, and with those of other processes but for the last
    /// moments: good to decide on, because a decision on an outgrown state is void. `Account::default()` when it has none.
    ///
    /// # Errors
    /// [`Error::Behind`], [`Error::Quarantined`], [`Error::Load`], [`Error::Log`].
    pub async fn load(&self, id: &AccountId) -> Result<Arc<Account>, Error> {
        self.states.load(id).await
    }

    /// The account's state with every entry that anybody committed before this call: what a refusal must be based on, because no
    /// entry will show that it was wrong.
    ///
    /// # Errors
    /// As [`Journal::load`].
    pub async fn fresh(&self, id: &AccountId) -> Result<Arc<Account>, Error> {
        self.states.fresh(id).await
    }

    /// Decides on the account's newest state and appends what follows; decides again when somebody else's entry came first.
    /// `decide` is called with each state; it must be pure.
    ///
    /// # Errors
    /// Every [`Error`]. Nothing was written, except that after [`Error::Indeterminate`] nobody knows.
    pub async fn execute(
        &self,
        request: &Request,
        mut decide: impl FnMut(&Account) -> Decided + Send,
    ) -> Result<Executed, Error> {
        self.check_clock()?;
        let _turn = self.stripe(&request.account).lock().await;
        let mut fresh: Option<Arc<Account>> = None;
        for _ in 0..DECISIONS {
            let confirmed = fresh.take();
            let account = match &confirmed {
                Some(account) => account.clone(),
                None => self.load(&request.account).await?,
            };
            if let Some(fingerprint) = &request.command {
                match account.recall(fingerprint, request.now) {
                    Recall::New => {}
                    Recall::Replay(answer) => return Ok(Executed::Replayed { account, answer }),
                    Recall::Reused => return Ok(Executed::KeyReused),
                }
            }
            let Decided { events, answer } = decide(&account);
            if events.is_empty() {
                if confirmed.is_some() {
                    return Ok(Executed::Decided { account, answer, written: false });
                }
                let newest = self.fresh(&request.account).await?;
                if newest.version == account.version {
                    return Ok(Executed::Decided { account, answer, written: false });
                }
                fresh = Some(newest);
                continue;
            }
            match self.append(&account, request, events).await? {
                Written::Committed(account) => {
                    return Ok(Executed::Decided { account, answer, written: true });
                }
                Written::Conflict => {}
                Written::Indeterminate => return Err(Error::Indeterminate),
            }
        }
        Err(Error::Contended)
    }

    /// Whether anything may be decided now: for whoever has costly work to do before.
    ///
    /// # Errors
    /// [`Error::Clock`].
    pub fn check_clock(&self) -> Result<(), Error> {
        let difference = self.clock.as_ref().and_then(|clock| clock.difference());
        difference.map_or(Ok(()), |difference| Err(Error::Clock(difference)))
    }

    /// Appends events that were decided on `account`.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn append(
        &self,
        account: &Account,
        request: &Request,
        events: Vec<Event>,
    ) -> Result<Written, Error> {
        self.check_clock()?;
        let entry = Entry {
            id: EntryId::from_uuid(Uuid::now_v7()),
            account: request.account.clone(),
            version: account.version + 1,
            prev: account.head,
            time: account.time.map_or(request.now, |last| last.max(request.now)),
            actor: request.actor.clone(),
            command: request.command.clone(),
            events,
        };
        let value = Bytes::from(wire::encode(&entry).map_err(Error::Unwritable)?);
        // What is folded is what every reader will read.
        let entry = wire::decode(&value).map_err(Error::Unreadable)?;
        // A caller that goes away in the middle leaves no state behind that the log has outgrown.
        self.states.forget(&request.account);

        let mut pause = PAUSE;
        let mut unsure = false;
        for _ in 0..APPENDS {
            match self.log.append(value.clone()).await {
                Ok(Appended::Committed { position, .. }) => {
                    let mut next = account.clone();
                    account::apply(&mut next, &entry, Hash::of(&value), position);
                    let next = self.states.remember(&request.account, next, position).await;
                    return Ok(Written::Committed(next));
                }
                Ok(Appended::Conflict { position }) if unsure => {
                    let won = self.won(account, request, &value, position).await;
                    return Ok(match won {
                        Ok(Some(next)) => Written::Committed(next),
                        Ok(None) => Written::Conflict,
                        Err(error) => {
                            tracing::warn!(%error, "the outcome of an append could not be found out");
                            Written::Indeterminate
                        }
                    });
                }
                Ok(Appended::Conflict { .. }) => return Ok(Written::Conflict),
                Ok(Appended::Indeterminate) => {
                    unsure = true;
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                // This copy was not written. An earlier one may have been.
                Err(_) if unsure => break,
                Err(error) => return Err(Error::Log(error)),
            }
        }
        Ok(Written::Indeterminate)
    }

    /// Whether an earlier copy of these bytes is effective, now that a later one, at `end`, is void.
    async fn won(
        &self,
        account: &Account,
        request: &Request,
        value: &[u8],
        end: Position,
    ) -> Result<Option<Arc<Account>>, Error> {
        let ours = Hash::of(value);
        let newest = self.states.cold(&request.account).await?;
        if newest.head == Some(ours) {
            return Ok(Some(newest));
        }
        if newest.version <= account.version + 1 {
            return Ok(None);
        }
        // Others wrote after whichever entry won; only the log knows it.
        let head = Head { hash: account.head, version: account.version };
        let mut from = account.position.map_or(0, |position| position.offset + 1);
        while from < end.offset {
            let page = self.log.page(end.partition, from, 1000).await.map_err(Error::Log)?;
            if page.next == from {
                break;
            }
            from = page.next;
            for record in page.records.iter().filter(|record| record.account == request.account) {
                let envelope = wire::envelope(&record.value).map_err(Error::Unreadable)?;
                if matches!(rule(head, &envelope, &record.value), Ruling::Effective(_)) {
                    return Ok((Hash::of(&record.value) == ours).then_some(newest));
                }
            }
        }
        Ok(None)
    }

    fn stripe(&self, id: &AccountId) -> &sync::Mutex<()> {
        let hash = usize::try_from(self.hasher.hash_one(id) % STRIPES as u64).unwrap_or(0);
        &self.stripes[hash]
    }
}
