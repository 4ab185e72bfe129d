//! What every handler needs, and the one way in which a handler changes anything.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use jiff::Timestamp;
use reinstate_domain::account::{Account, Answer, Command, Context, Recall, Refusal, decide, open};
use reinstate_domain::codes::CodeKey;
use reinstate_domain::entry::{Fingerprint, Position};
use reinstate_domain::identity::Person;
use reinstate_domain::ids::{AccountId, CaseId};
use reinstate_domain::policy::{Kind, Policy};
use reinstate_domain::sealed::{BlobId, purpose};
use reinstate_process::{Readiness, Stop};
use reinstate_store::blobs::Blobs;
use reinstate_store::journal::{self, Executed, Journal};
use reinstate_store::keys::{self, Keys as DataKeys};
use reinstate_store::log::LogReader;
use reinstate_store::master::Master;
use reinstate_store::read_models::ReadModels;
use reinstate_store::seal::{self, DataKey};

use crate::auth::{Caller, Keys, OwnerTokens};
use crate::error::Problem;
use crate::held::Held;
use crate::idempotency::Fingerprints;
use crate::owners::Owners;

/// How long a read waits for the read model to reach a position (api.md §1).
pub(crate) const READ_YOUR_WRITES: Duration = Duration::from_secs(2);

/// Tells the time. A test may hold it.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The ports that a service stands on.
pub struct Ports {
    pub journal: Arc<Journal>,
    /// Where a timeline's entries are read.
    pub log: Arc<dyn LogReader>,
    pub read_models: Arc<dyn ReadModels>,
    pub data_keys: Arc<dyn DataKeys>,
    pub blobs: Arc<Blobs>,
    pub policy: Arc<Policy>,
    pub code_key: CodeKey,
    pub clock: Arc<dyn Clock>,
    pub readiness: Arc<Readiness>,
    /// The end of the process: nobody is kept waiting then.
    pub stop: Stop,
}

/// Everything behind the interface.
pub struct Service {
    pub(crate) ports: Ports,
    keys: Keys,
    owner_tokens: OwnerTokens,
    fingerprints: Fingerprints,
    pub(crate) owners: Owners,
    pub(crate) held: Held,
}

/// A command that was carried out, now or earlier under the same idempotency key.
pub(crate) struct Done {
    pub(crate) account: Arc<Account>,
    pub(crate) answer: Answer,
    pub(crate) replayed: bool,
}

/// Who wants it, and whether it may be a repeat.
pub(crate) struct Request<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) caller: &'a Caller,
    /// Of a request that came with an idempotency key.
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl Service {
    #[must_use]
    pub fn new(ports: Ports, keys: Keys, master: &Master) -> Self {
        Self {
            ports,
            keys,
            owner_tokens: OwnerTokens::new(*master.token_key().expose()),
            fingerprints: Fingerprints::new(*master.fingerprint_key().expose()),
            owners: Owners::default(),
            held: Held::default(),
        }
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn owner_tokens(&self) -> &OwnerTokens {
        &self.owner_tokens
    }

    pub(crate) fn fingerprints(&self) -> &Fingerprints {
        &self.fingerprints
    }

    /// A write as it came in. `content` is what its body says, as [`Fingerprints::of_request`] wants it.
    pub(crate) fn request<'a>(
        &self,
        http: &HttpRequest,
        account: &'a AccountId,
        caller: &'a Caller,
        content: &[u8],
    ) -> Result<Request<'a>, Problem> {
        let fingerprint = self.fingerprints.of_request(http, caller, content)?;
        Ok(Request { account, caller, fingerprint })
    }

    /// Carries out a command, or answers it when it was carried out before.
    pub(crate) async fn execute(&self, request: &Request<'_>, command: &Command) -> Result<Done, Problem> {
        let now = self.ports.clock.now();
        self.decide(request, command, now).await
    }

    /// As [`Self::execute`], for a command that depends on the state or keeps something first. It is not made for a repeat. What it
    /// refuses by itself it refuses on a state that has everything that was written before, by whichever instance.
    pub(crate) async fn execute_with(
        &self,
        request: &Request<'_>,
        command: impl AsyncFnOnce(&Account) -> Result<Command, Problem>,
    ) -> Result<Done, Problem> {
        let now = self.ports.clock.now();
        let account = self.fresh(request.account).await?;
        if let Some(fingerprint) = &request.fingerprint {
            match account.recall(fingerprint, now) {
                Recall::New => {}
                Recall::Replay(answer) => return replay(account, answer),
                Recall::Reused => return Err(reused()),
            }
        }
        let command = command(&account).await?;
        self.decide(request, &command, now).await
    }

    async fn decide(
        &self,
        request: &Request<'_>,
        command: &Command,
        now: Timestamp,
    ) -> Result<Done, Problem> {
        let wanted = journal::Request {
            account: request.account.clone(),
            actor: request.caller.actor(),
            command: request.fingerprint.clone(),
            now,
        };
        let context = Context { now, policy: &self.ports.policy, code_key: &self.ports.code_key };
        let executed = self.ports.journal.execute(&wanted, |account| decide(account, command, context)).await;
        match executed.map_err(|error| write_failed(&error))? {
            Executed::Decided { account, answer: Ok(answer), .. } => {
                Ok(Done { account, answer, replayed: false })
            }
            Executed::Decided { answer: Err(refusal), .. } => {
                if let Refusal::Policy(detail) = &refusal {
                    tracing::error!(detail, "the policy could not be applied");
                }
                Err(Problem::refused(&refusal, now))
            }
            Executed::Replayed { account, answer } => replay(account, answer),
            Executed::KeyReused => Err(reused()),
        }
    }

    /// An account as this instance has it in memory, or as it is read for it.
    pub(crate) async fn load(&self, id: &AccountId) -> Result<Arc<Account>, Problem> {
        self.ports.journal.load(id).await.map_err(|error| write_failed(&error))
    }

    /// An account with everything that was committed before, by whichever instance.
    async fn fresh(&self, id: &AccountId) -> Result<Arc<Account>, Problem> {
        self.ports.journal.fresh(id).await.map_err(|error| write_failed(&error))
    }

    /// Refuses an account that nobody enrolled, before anything is kept for it.
    pub(crate) async fn known(&self, id: &AccountId) -> Result<(), Problem> {
        let account = self.fresh(id).await?;
        if account.exists() { Ok(()) } else { Err(Problem::not_found()) }
    }

    /// Refuses evidence for a step that is not open, before anything is kept for it.
    pub(crate) fn must_be_open(&self, account: &Account, case: CaseId, kind: Kind) -> Result<(), Problem> {
        let now = self.ports.clock.now();
        open(account, case, kind, now).map(|_| ()).map_err(|refusal| Problem::refused(&refusal, now))
    }

    /// Waits until a read sees what was written.
    pub(crate) async fn await_position(&self, position: Position) -> Result<(), Problem> {
        let waiting = self.ports.read_models.wait(position);
        match actix_web::rt::time::timeout(READ_YOUR_WRITES, waiting).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(read_failed(&error)),
            Err(_) => Err(Problem::read_model_behind()),
        }
    }

    /// The account's key, made if it has none.
    pub(crate) async fn key(&self, account: &AccountId) -> Result<DataKey, Problem> {
        self.ports.data_keys.create_or_get(account).await.map_err(|error| match error {
            keys::Error::Erased => Problem::refused(&Refusal::Erased, self.ports.clock.now()),
            error => key_failed(&error),
        })
    }

    /// Everything personal that was enrolled; `None` when nothing was, or when it was erased.
    pub(crate) async fn person(&self, id: &AccountId, account: &Account) -> Result<Option<Person>, Problem> {
        let Some(profile) = &account.profile else { return Ok(None) };
        let Some(key) = self.ports.data_keys.get(id).await.map_err(|e| key_failed(&e))? else {
            return Ok(None);
        };
        let opened = seal::open(&key, id, purpose::PROFILE, &profile.sealed).map_err(|error| {
            tracing::error!(%error, "a profile can't be opened");
            Problem::internal()
        })?;
        serde_json::from_slice(&opened).map(Some).map_err(|_| {
            tracing::error!("a profile is not of the known shape");
            Problem::internal()
        })
    }

    /// Keeps an image, sealed and synced.
    pub(crate) async fn keep(&self, account: &AccountId, bytes: &[u8]) -> Result<BlobId, Problem> {
        let key = self.key(account).await?;
        self.ports.blobs.put(&key, account, bytes).await.map_err(|error| {
            tracing::error!(%error, "an image can't be kept");
            let detail = "The image could not be kept. Nothing was written; try again.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "blobs_unavailable", detail)
        })
    }
}

fn reused() -> Problem {
    let detail = "This Idempotency-Key was used for another request.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
}

fn replay(account: Arc<Account>, answer: Answer) -> Result<Done, Problem> {
    match answer {
        Answer::NotOpened { reason, until } => Err(Problem::not_yet(reason, until).replayed()),
        answer => Ok(Done { account, answer, replayed: true }),
    }
}

fn write_failed(error: &journal::Error) -> Problem {
    tracing::error!(error = error as &(dyn std::error::Error + 'static), "a write failed");
    match error {
        journal::Error::Indeterminate => Problem::outcome_unknown(),
        journal::Error::Quarantined { .. } => {
            let detail =
                "This account halts: its history has an entry that this version does not understand.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "account_quarantined", detail)
        }
        journal::Error::Contended => {
            let detail = "Too many writers at the same account. Nothing was written; try again.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "contended", detail)
        }
        journal::Error::Clock(_) => {
            let detail = "This instance's clock is wrong. Nothing was written; try another instance.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "clock_differs", detail)
        }
        journal::Error::Load(_) | journal::Error::Behind => Problem::read_model_behind(),
        journal::Error::Log(_) => Problem::log_unavailable(),
        journal::Error::Unreadable(_) | journal::Error::Unwritable(_) => Problem::internal(),
    }
}

pub(crate) fn key_failed(error: &keys::Error) -> Problem {
    tracing::error!(%error, "the store of keys does not answer");
    let detail = "The store of keys does not answer. Nothing was written; try again.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable", detail)
}

pub(crate) fn read_failed(error: &reinstate_store::read_models::Error) -> Problem {
    tracing::error!(%error, "the read model does not answer");
    Problem::read_model_behind()
}
