//! Accounts that live through the journal, and the rows that follow them.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use reinstate_domain::{
    account::{
        Account, Command, Context, Decided, decide,
        decide::{Enrolment, SubmittedDocument},
        event::{Attributes, Risk},
    },
    codes::{Channel, Code, CodeKey},
    document::DocumentType,
    entry::{Fingerprint, Hash},
    evidence::{Decision, Finding},
    ids::{AccountId, CaseId, EvidenceId},
    policy::{EXCHANGE, Policy},
    sealed::{BlobId, Sealed},
    wire::Actor,
};
use reinstate_store::{
    journal::{Error, Executed, Journal, Request},
    log::{LogReader, memory::Memory as Log},
    read_models::{Projections, Snapshots, memory::Memory as Models, project::next_batch},
};
use tokio::task::JoinHandle;

pub struct World {
    pub log: Arc<Log>,
    pub models: Arc<Models>,
    pub journal: Arc<Journal>,
    pub policy: Policy,
    pub code_key: CodeKey,
    /// The projector's, one a partition, then the journals'.
    followers: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.followers.lock().unwrap().iter().for_each(JoinHandle::abort);
    }
}

pub fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub fn case(n: u128) -> CaseId {
    CaseId::from_uuid(uuid::Uuid::from_u128(n))
}

pub fn evidence(n: u128) -> EvidenceId {
    EvidenceId::from_uuid(uuid::Uuid::from_u128(n))
}

pub fn fingerprint(key: &str, request: &str) -> Fingerprint {
    Fingerprint { key: Hash::of(key.as_bytes()), request: Hash::of(request.as_bytes()) }
}

pub fn finding(decision: Decision) -> Finding {
    Finding {
        decision,
        reasons: Vec::new(),
        bundle: None,
        models: Vec::new(),
        runtime: "test".into(),
        inputs: Vec::new(),
        scores: [("similarity".to_owned(), 0.1 + 0.2)].into(),
        thresholds: [("match".to_owned(), 0.42)].into(),
        observation: None,
        portrait: None,
    }
}

pub fn request(account: &AccountId) -> Request {
    Request { account: account.clone(), actor: Actor::service("test"), command: None, now: now() }
}

pub fn enrol() -> Command {
    Command::Enrol(Enrolment {
        profile: Sealed::from_bytes(vec![1, 2, 3]),
        digest: "d1".into(),
        phone: true,
        email: false,
        identity: true,
        questions: Vec::new(),
        attributes: Attributes { country: None, risk: Some(Risk::Low), tier: None },
    })
}

pub fn lock(reason: &str) -> Command {
    let at = now().checked_sub(SignedDuration::from_hours(3)).unwrap();
    Command::Lock { reason: reason.into(), at: Some(at) }
}

pub fn document(case: CaseId, n: u128) -> Command {
    Command::SubmitDocument(SubmittedDocument {
        case,
        evidence: evidence(n),
        document_type: DocumentType::Passport,
        country: "UTO".into(),
        front: BlobId::of(b"front"),
        back: None,
    })
}

impl World {
    pub fn new(partitions: u32) -> Self {
        let (log, models) = (Arc::new(Log::new(partitions)), Arc::new(Models::default()));
        let mut followers: Vec<_> =
            (0..partitions).map(|p| tokio::spawn(follow(log.clone(), models.clone(), p))).collect();
        let journal = Arc::new(Journal::new(log.clone(), models.clone()));
        followers.push(following(&journal));
        Self {
            journal,
            log,
            models,
            policy: Policy::parse(EXCHANGE).unwrap(),
            code_key: CodeKey::new("k1".into(), [1; 32]),
            followers: Mutex::new(followers),
        }
    }

    /// The journal of another process on the same log.
    pub fn another_journal(&self) -> Arc<Journal> {
        let journal = self.journal_that_does_not_follow();
        self.followers.lock().unwrap().push(following(&journal));
        journal
    }

    pub fn journal_that_does_not_follow(&self) -> Arc<Journal> {
        Arc::new(Journal::new(self.log.clone(), self.models.clone()))
    }

    /// From now on the rows stay as they are.
    pub fn stop_the_projector(&self) {
        let partitions = self.log.partitions() as usize;
        self.followers.lock().unwrap().iter().take(partitions).for_each(JoinHandle::abort);
    }

    pub fn decide(&self, account: &Account, command: &Command, now: Timestamp) -> Decided {
        decide(account, command, Context { now, policy: &self.policy, code_key: &self.code_key })
    }

    pub async fn execute_on(
        &self,
        journal: &Journal,
        request: &Request,
        command: &Command,
    ) -> Result<Executed, Error> {
        journal.execute(request, |account| self.decide(account, command, request.now)).await
    }

    pub async fn execute(&self, account: &AccountId, command: Command) -> Executed {
        self.execute_on(&self.journal, &request(account), &command).await.unwrap()
    }

    /// Carries out commands that must each write an entry.
    pub async fn must(&self, account: &AccountId, commands: impl IntoIterator<Item = Command>) {
        for command in commands {
            let executed = self.execute(account, command.clone()).await;
            let Executed::Decided { answer: Ok(_), written: true, .. } = executed else {
                panic!("{command:?}: {executed:?}");
            };
        }
    }

    pub fn code(&self, case: CaseId, issue: u32) -> Code {
        self.code_key.code(case, Channel::Phone, issue)
    }

    /// A code that is not the first one of this case.
    pub fn wrong_code(&self, case: CaseId) -> Code {
        let right = self.code(case, 1);
        let wrong = ["000000", "000001"].map(|text| Code::parse(text).unwrap());
        wrong.into_iter().find(|code| !code.matches(&right)).unwrap()
    }

    /// From enrolment to a case whose phone code was issued.
    pub async fn up_to_the_code(&self, account: &AccountId, id: CaseId, reason: &str) {
        let issue = Command::IssueCode { case: id, channel: Channel::Phone };
        let reminder = Command::AcknowledgeReminder { case: id };
        self.must(account, [enrol(), lock(reason), Command::Request { case: id }, reminder, issue]).await;
    }
}

pub fn following(journal: &Arc<Journal>) -> JoinHandle<()> {
    let journal = journal.clone();
    tokio::spawn(async move { journal.follow().await })
}

async fn follow(log: Arc<Log>, models: Arc<Models>, partition: u32) {
    loop {
        let next = models.checkpoint(partition).await.unwrap();
        log.wait(partition, next).await.unwrap();
        while let Some(batch) = next_batch(&*log, &*models, partition, 100).await.unwrap() {
            models.apply(batch).await.unwrap();
        }
    }
}
