//! Follows the log and does the next piece of work that a case names: one step with an outcome, and a loop around it.
//!
//! A worker that dies in the middle leaves the work as it was, and a finding that comes twice is refused by the domain, so each
//! piece of evidence gets one finding however often it is examined.

mod engine_room;
mod finding;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reinstate_domain::account::{Account, Command, Context, Work, decide, next_step};
use reinstate_domain::codes::CodeKey;
use reinstate_domain::document::{Claim, judge as judge_document};
use reinstate_domain::face::{Reference, judge as judge_face};
use reinstate_domain::identity::Person;
use reinstate_domain::ids::{AccountId, EvidenceId};
use reinstate_domain::policy::Policy;
use reinstate_domain::sealed::{BlobId, purpose};
use reinstate_domain::wire::Actor;
use reinstate_store::blobs::{self, Artefacts, Blobs};
use reinstate_store::journal::{self, Journal};
use reinstate_store::keys::{self, DataKey, Keys};
use reinstate_store::read_models::{self, ReadModels};
use reinstate_store::seal;
use tokio::task::JoinSet;

use crate::engine::{self, DocumentJob, Engine, FaceJob};
pub use engine_room::{EngineRoom, State};
use finding::Subject;

/// How long the loop waits when nothing changes, so that work which could not be done is looked at again.
const TICK: Duration = Duration::from_secs(1);
/// Accounts that one look at the read model brings.
const LOOK: usize = 64;
/// After so many panics over the same evidence it is given up, and a person looks.
const PANICS: u32 = 2;

/// Why a step did not get done. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the account could not be decided on")]
    Journal(#[source] journal::Error),
    #[error("the read model does not answer")]
    ReadModels(#[source] read_models::Error),
    #[error("the store of keys does not answer")]
    Keys(#[source] keys::Error),
    #[error("an image could not be read or kept")]
    Blobs(#[source] blobs::Error),
    #[error("something personal could not be sealed or opened")]
    Seal(#[source] seal::Error),
    #[error("the examination failed")]
    Engine(#[source] engine::Error),
    #[error("what was found can't be written as JSON, or what is on file can't be read")]
    Json(#[source] serde_json::Error),
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to do.
    Nothing,
    /// Something was found or concluded; it is in the log.
    Recorded,
    /// The models are not usable: the work waits for them.
    NoModels,
    /// The account's key is gone: there is nothing left to look at.
    Erased,
}

/// The ports that a worker stands on.
pub struct Ports {
    pub journal: Arc<Journal>,
    pub read_models: Arc<dyn ReadModels>,
    pub keys: Arc<dyn Keys>,
    pub blobs: Arc<Blobs>,
    pub artefacts: Arc<Artefacts>,
    pub policy: Arc<Policy>,
    pub code_key: CodeKey,
}

/// The worker.
pub struct Worker {
    ports: Ports,
    engine: EngineRoom,
    /// How often the examination of a piece of evidence panicked.
    panics: Mutex<HashMap<EvidenceId, u32>>,
}

impl Worker {
    #[must_use]
    pub fn new(ports: Ports, engine: EngineRoom) -> Self {
        Self { ports, engine, panics: Mutex::default() }
    }

    /// Does the next piece of work of an account.
    ///
    /// # Errors
    /// [`Error`]: nothing was recorded, and the work is still there.
    pub async fn step(&self, id: &AccountId) -> Result<Outcome, Error> {
        let account = self.ports.journal.load(id).await.map_err(Error::Journal)?;
        let Some(work) = next_step(&account) else { return Ok(Outcome::Nothing) };
        let command = match work {
            Work::Conclude { case } => Command::Conclude { case },
            work => {
                let Some(engine) = self.engine.get() else { return Ok(Outcome::NoModels) };
                let Some(key) = self.ports.keys.get(id).await.map_err(Error::Keys)? else {
                    return Ok(Outcome::Erased);
                };
                self.examine(&engine, id, &account, &key, work).await?
            }
        };
        let now = Timestamp::now();
        let request =
            journal::Request { account: id.clone(), actor: Actor::service("verifier"), command: None, now };
        let context = Context { now, policy: &self.ports.policy, code_key: &self.ports.code_key };
        let executed = self.ports.journal.execute(&request, |account| decide(account, &command, context));
        executed.await.map_err(Error::Journal)?;
        Ok(Outcome::Recorded)
    }

    async fn examine(
        &self,
        engine: &Engine,
        id: &AccountId,
        account: &Account,
        key: &DataKey,
        work: Work,
    ) -> Result<Command, Error> {
        // A finding names its bundle by hash, so the manifest is kept before any finding does.
        let manifest = engine.bundle().manifest().to_owned();
        self.ports.artefacts.put(manifest.into()).await.map_err(Error::Blobs)?;
        match work {
            Work::ExamineDocument { case, evidence, document_type, country, front, back } => {
                let inputs: Vec<BlobId> = [Some(front), back].into_iter().flatten().collect();
                let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
                let back = match back {
                    Some(back) => Some(self.image(key, id, back).await?),
                    None => None,
                };
                let job = DocumentJob { front: self.image(key, id, front).await?, back, today };
                let subject = Subject { engine, id, key, inputs };
                let finding = match self.survive(evidence, engine.examine_document(job).await)? {
                    None => subject.given_up_document(),
                    Some(examined) => {
                        let identity = self.person(id, account, key)?.and_then(|person| person.identity);
                        let claim = Claim { document_type: Some(document_type), country: Some(country) };
                        let thresholds = engine.bundle().document_thresholds();
                        let verdict = judge_document(
                            &examined.observation,
                            thresholds,
                            &claim,
                            identity.as_ref(),
                            today,
                        );
                        let portrait = match &examined.portrait {
                            Some(png) => {
                                Some(self.ports.blobs.put(key, id, png).await.map_err(Error::Blobs)?)
                            }
                            None => None,
                        };
                        finding::record_timings("document", &examined.timings);
                        subject.document(&examined.observation, verdict, portrait)?
                    }
                };
                Ok(Command::RecordDocument { case, evidence, finding })
            }
            Work::ExamineFace { case, evidence, frames, document_portrait, portrait_on_file } => {
                let wanted =
                    [(Reference::Document, document_portrait), (Reference::OnFile, portrait_on_file)];
                let mut references = Vec::with_capacity(wanted.len());
                let mut inputs: Vec<BlobId> = frames.iter().map(|(_, blob)| *blob).collect();
                for (reference, blob) in wanted {
                    if let Some(blob) = blob {
                        inputs.push(blob);
                        references.push((reference, self.image(key, id, blob).await?));
                    }
                }
                let mut images = Vec::with_capacity(frames.len());
                for (action, blob) in frames {
                    images.push((action, self.image(key, id, blob).await?));
                }
                let job = FaceJob { frames: images, references };
                let subject = Subject { engine, id, key, inputs };
                let finding = match self.survive(evidence, engine.examine_face(job).await)? {
                    None => subject.given_up_face(),
                    Some(examined) => {
                        let verdict = judge_face(&examined.observation, engine.bundle().face_thresholds());
                        finding::record_timings("face", &examined.timings);
                        subject.face(&examined.observation, verdict)?
                    }
                };
                Ok(Command::RecordFace { case, evidence, finding })
            }
            Work::Conclude { case } => Ok(Command::Conclude { case }),
        }
    }

    /// `None` when the evidence has brought the examination down too often.
    fn survive<T>(
        &self,
        evidence: EvidenceId,
        examined: Result<T, engine::Error>,
    ) -> Result<Option<T>, Error> {
        let mut panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
        match examined {
            Ok(examined) => {
                panics.remove(&evidence);
                Ok(Some(examined))
            }
            Err(engine::Error::Panicked) => {
                let count = panics.entry(evidence).or_default();
                *count += 1;
                metrics::counter!("reinstate_verifier_panics_total").increment(1);
                if *count < PANICS {
                    return Err(Error::Engine(engine::Error::Panicked));
                }
                panics.remove(&evidence);
                tracing::error!(%evidence, "the evidence is given up: a person looks");
                Ok(None)
            }
            Err(error) => Err(Error::Engine(error)),
        }
    }

    async fn image(&self, key: &DataKey, id: &AccountId, blob: BlobId) -> Result<Vec<u8>, Error> {
        Ok(self.ports.blobs.get(key, id, blob).await.map_err(Error::Blobs)?.to_vec())
    }

    fn person(&self, id: &AccountId, account: &Account, key: &DataKey) -> Result<Option<Person>, Error> {
        let Some(profile) = &account.profile else { return Ok(None) };
        let opened = seal::open(key, id, purpose::PROFILE, &profile.sealed).map_err(Error::Seal)?;
        serde_json::from_slice(&opened).map(Some).map_err(Error::Json)
    }

    /// Follows the log for ever. Different accounts are worked on side by side, as many as the engine has threads and one more,
    /// so that a thread never waits for the log.
    pub async fn run(self: Arc<Self>, threads: usize) {
        // There from the start: who watches for a first panic needs the series before it.
        metrics::counter!("reinstate_verifier_panics_total").increment(0);
        let mut changes = self.ports.read_models.changes();
        let mut busy: HashSet<AccountId> = HashSet::new();
        let mut steps: JoinSet<(AccountId, Result<Outcome, Error>)> = JoinSet::new();
        loop {
            changes.mark_unchanged();
            match self.ports.read_models.work(LOOK).await {
                Ok(ids) => {
                    for id in ids {
                        if steps.len() <= threads && busy.insert(id.clone()) {
                            let worker = Arc::clone(&self);
                            steps.spawn(async move {
                                let outcome = worker.step(&id).await;
                                (id, outcome)
                            });
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the verifier could not look")
                }
            }
            tokio::select! {
                Some(done) = steps.join_next(), if !steps.is_empty() => {
                    if let Ok((id, outcome)) = done {
                        self.settle(&mut busy, &id, outcome).await;
                    }
                }
                _ = changes.changed(), if steps.len() <= threads => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Lets an account be taken up again, at once or after a rest.
    async fn settle(&self, busy: &mut HashSet<AccountId>, id: &AccountId, outcome: Result<Outcome, Error>) {
        match outcome {
            Ok(Outcome::Recorded | Outcome::Nothing) => {}
            Ok(Outcome::NoModels | Outcome::Erased) => tokio::time::sleep(TICK / 4).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, account = %id, "a step failed and is tried again");
                tokio::time::sleep(TICK / 4).await;
            }
        }
        busy.remove(id);
    }
}
