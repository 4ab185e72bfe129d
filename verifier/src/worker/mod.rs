//! Does the next examination that a case asks for: one step with an outcome, and a loop around it ([`rounds`]).
//!
//! A worker that dies in the middle leaves the work as it was, and a finding that comes twice is refused by the domain, so each
//! piece of evidence gets one finding however often it is examined. Evidence that brings its workers down is given up.

mod engine_room;
mod finding;
mod rounds;
mod share;

use std::sync::Arc;

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
use reinstate_store::attempts::{self, Attempts};
use reinstate_store::blobs::{self, Artefacts, Blobs};
use reinstate_store::journal::{self, Journal};
use reinstate_store::keys::{self, Keys};
use reinstate_store::read_models::ReadModels;
use reinstate_store::seal;
use reinstate_store::seal::DataKey;

use crate::engine::{self, DocumentJob, Engine, FaceJob};
pub use engine_room::{EngineRoom, State};
use finding::{FaceBounds, Subject};
pub use share::{Assigner, Share, Told, share_of};

/// Evidence over which so many examinations never came to an end is given up, and a person looks.
const LOST: u32 = 2;

/// Why a step did not get done. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the account could not be decided on")]
    Journal(#[source] journal::Error),
    #[error("the examination could not be noted down")]
    Attempts(#[source] attempts::Unavailable),
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
    /// Something was found; it is in the log.
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
    pub attempts: Arc<dyn Attempts>,
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
}

impl Worker {
    #[must_use]
    pub fn new(ports: Ports, engine: EngineRoom) -> Self {
        Self { ports, engine }
    }

    /// Does the next examination of an account.
    ///
    /// # Errors
    /// [`Error`]: nothing was recorded, and the work is still there.
    pub async fn step(&self, id: &AccountId) -> Result<Outcome, Error> {
        self.ports.journal.check_clock().map_err(Error::Journal)?;
        let account = self.ports.journal.load(id).await.map_err(Error::Journal)?;
        let Some(work) = next_step(&account) else { return Ok(Outcome::Nothing) };
        let Some(engine) = self.engine.get() else { return Ok(Outcome::NoModels) };
        let Some(key) = self.ports.keys.get(id).await.map_err(Error::Keys)? else {
            return Ok(Outcome::Erased);
        };
        let Some((evidence, command)) = self.examine(&engine, id, &account, &key, work).await? else {
            return Ok(Outcome::Nothing);
        };
        let now = Timestamp::now();
        let request =
            journal::Request { account: id.clone(), actor: Actor::service("verifier"), command: None, now };
        let context = Context { now, policy: &self.ports.policy, code_key: &self.ports.code_key };
        let executed = self.ports.journal.execute(&request, |account| decide(account, &command, context));
        executed.await.map_err(Error::Journal)?;
        // What was given up is counted until its finding is in the log.
        self.ports.attempts.end(evidence).await.map_err(Error::Attempts)?;
        tracing::info!(%evidence, "a finding is in the log");
        Ok(Outcome::Recorded)
    }

    async fn examine(
        &self,
        engine: &Engine,
        id: &AccountId,
        account: &Account,
        key: &DataKey,
        work: Work,
    ) -> Result<Option<(EvidenceId, Command)>, Error> {
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
                let finding = match self.survive(evidence, engine.examine_document(job)).await? {
                    Err(lost) => subject.given_up_document(lost),
                    Ok(examined) => {
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
                Ok(Some((evidence, Command::RecordDocument { case, evidence, finding })))
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
                let finding = match self.survive(evidence, engine.examine_face(job)).await? {
                    Err(lost) => subject.given_up_face(lost),
                    Ok(examined) => {
                        let terms = account.case(case).map(|case| &case.terms.face);
                        let bounds = FaceBounds::of(engine.bundle(), terms);
                        let verdict = judge_face(&examined.observation, &bounds.thresholds);
                        finding::record_timings("face", &examined.timings);
                        subject.face(&examined.observation, &bounds, verdict)?
                    }
                };
                Ok(Some((evidence, Command::RecordFace { case, evidence, finding })))
            }
            // The projector's concluder does that.
            Work::Conclude { .. } => Ok(None),
        }
    }

    /// Examines, unless the evidence has brought down too many workers: then says how many.
    async fn survive<T>(
        &self,
        evidence: EvidenceId,
        examination: impl Future<Output = Result<T, engine::Error>>,
    ) -> Result<Result<T, u32>, Error> {
        let lost = self.ports.attempts.begin(evidence).await.map_err(Error::Attempts)?;
        if lost >= LOST {
            metrics::counter!("reinstate_verifier_given_up_total").increment(1);
            tracing::error!(%evidence, lost, "the evidence is given up: a person looks");
            return Ok(Err(lost));
        }
        let examined = examination.await;
        // What brought down its own process counts as what brings down the service.
        if !matches!(examined, Err(engine::Error::Lost(_))) {
            self.ports.attempts.end(evidence).await.map_err(Error::Attempts)?;
        }
        examined.map(Ok).map_err(Error::Engine)
    }

    async fn image(&self, key: &DataKey, id: &AccountId, blob: BlobId) -> Result<Vec<u8>, Error> {
        Ok(self.ports.blobs.get(key, id, blob).await.map_err(Error::Blobs)?.to_vec())
    }

    fn person(&self, id: &AccountId, account: &Account, key: &DataKey) -> Result<Option<Person>, Error> {
        let Some(profile) = &account.profile else { return Ok(None) };
        let opened = seal::open(key, id, purpose::PROFILE, &profile.sealed).map_err(Error::Seal)?;
        serde_json::from_slice(&opened).map(Some).map_err(Error::Json)
    }
}
