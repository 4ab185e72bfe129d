//! The judge can find what it looks for: each test plants a bug that such systems are known for, and it must be caught.
//! The bugs live in adapters around the real ones, never in what is shipped.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use reinstate_chaos::judge::{Ledger, Promise, audit, compare};
use reinstate_cluster::postgres::Postgres as Server;
use reinstate_demo::load::Journey;
use reinstate_domain::{
    account::{
        self, Account, Command, Context, Event, decide,
        decide::Enrolment,
        event::{Attributes, DocumentExamined, Risk},
    },
    codes::CodeKey,
    entry::{Hash, Head, Position},
    evidence::{Decision, Finding},
    ids::{AccountId, CaseId, EntryId, EvidenceId},
    policy::{EXCHANGE, Policy},
    sealed::Sealed,
    wire::{self, Actor, Entry},
};
use reinstate_store::{
    journal::{Executed, Journal, Request},
    log::{self, Appended, Log, LogReader, Page, memory::Memory as MemoryLog},
    postgres::{Postgres, Settings},
    read_models::{AccountRow, Batch, Projections, memory::Memory as Rows, project::next_batch},
};

/// What goes wrong in a log.
#[derive(Clone, Copy)]
enum Bug {
    /// Says `Committed` when the entry is delivered, whatever the rule makes of it.
    AcknowledgedBeforeReadBack,
    /// Says `Committed` and writes nothing.
    AcknowledgedBeforeWritten,
    /// Says that nothing was written when something was.
    WrittenAndRefused,
}

struct Broken {
    inner: Arc<MemoryLog>,
    bug: Bug,
}

#[async_trait]
impl LogReader for Broken {
    fn partitions(&self) -> u32 {
        self.inner.partitions()
    }
    fn partition_of(&self, account: &AccountId) -> u32 {
        self.inner.partition_of(account)
    }
    async fn page(&self, partition: u32, from: u64, max: usize) -> Result<Page, log::Error> {
        self.inner.page(partition, from, max).await
    }
    async fn end(&self, partition: u32) -> Result<u64, log::Error> {
        self.inner.end(partition).await
    }
    async fn wait(&self, partition: u32, offset: u64) -> Result<(), log::Error> {
        self.inner.wait(partition, offset).await
    }
}

#[async_trait]
impl Log for Broken {
    async fn append(&self, value: Bytes) -> Result<Appended, log::Error> {
        let envelope = wire::envelope(&value).unwrap();
        let head = Head { hash: Some(Hash::of(&value)), version: envelope.version };
        match self.bug {
            Bug::AcknowledgedBeforeReadBack => match self.inner.append(value).await? {
                Appended::Conflict { position } => Ok(Appended::Committed { position, head }),
                committed => Ok(committed),
            },
            Bug::AcknowledgedBeforeWritten => {
                let partition = self.inner.partition_of(&envelope.account);
                let offset = self.inner.end(partition).await?;
                Ok(Appended::Committed { position: Position { partition, offset }, head })
            }
            Bug::WrittenAndRefused => {
                self.inner.append(value).await?;
                Err(log::Error::Full)
            }
        }
    }
}

/// Two instances of a service on one log.
struct World {
    log: Arc<MemoryLog>,
    one: Journal,
    other: Journal,
    policy: Policy,
    code_key: CodeKey,
}

impl World {
    fn sound() -> Self {
        let log = Arc::new(MemoryLog::new(1));
        Self::on(log.clone(), log)
    }

    fn with(bug: Bug) -> Self {
        let inner = Arc::new(MemoryLog::new(1));
        Self::on(inner.clone(), Arc::new(Broken { inner, bug }))
    }

    fn on(log: Arc<MemoryLog>, used: Arc<dyn Log>) -> Self {
        let journal = || Journal::new(used.clone(), Arc::new(Rows::default()));
        let (policy, code_key) = (Policy::parse(EXCHANGE).unwrap(), CodeKey::new("k".into(), [1; 32]));
        Self { one: journal(), other: journal(), log, policy, code_key }
    }

    fn request(&self, id: &AccountId) -> Request {
        let now = Timestamp::now();
        Request { account: id.clone(), actor: Actor::service("test"), command: None, now }
    }

    /// Carries out a command that writes, and notes what a customer would: the event and where it stands, or nothing when refused.
    async fn write(&self, journal: &Journal, note: &mut Journey, event: &'static str, command: &Command) {
        let id = AccountId::parse(&note.account).unwrap();
        let request = self.request(&id);
        let context = Context { now: request.now, policy: &self.policy, code_key: &self.code_key };
        let executed = journal.execute(&request, |account| decide(account, command, context)).await;
        if let Ok(Executed::Decided { account, answer: Ok(_), .. }) = executed {
            note.events.push(event);
            note.positions.extend(account.position.map(|position| position.to_string()));
        }
    }

    async fn enrolled(&self) -> Journey {
        let mut note =
            Journey { account: "t-anna".into(), events: vec![], unknown: false, positions: vec![] };
        self.write(&self.one, &mut note, "AccountEnrolled", &enrol()).await;
        note
    }

    /// An entry of a program that does not ask the domain.
    async fn force(&self, id: &AccountId, events: Vec<Event>, steps: u64) {
        let account: Arc<Account> = self.one.load(id).await.unwrap();
        let entry = Entry {
            id: EntryId::from_uuid(uuid::Uuid::now_v7()),
            account: id.clone(),
            version: account.version + steps,
            prev: account.head,
            time: Timestamp::now(),
            actor: Actor::service("test"),
            command: None,
            events,
        };
        self.log.append(wire::encode(&entry).unwrap().into()).await.unwrap();
    }

    async fn promises_broken(&self, journeys: &[Journey]) -> Vec<Promise> {
        let ledger = Ledger::read(&*self.log).await.unwrap();
        ledger.judge(journeys, "t-").into_iter().map(|violation| violation.promise).collect()
    }
}

fn enrol() -> Command {
    Command::Enrol(Enrolment {
        profile: Sealed::from_bytes(vec![1]),
        digest: "d".into(),
        phone: true,
        email: false,
        identity: false,
        questions: Vec::new(),
        attributes: Attributes { country: None, risk: Some(Risk::Low), tier: None },
    })
}

fn lock() -> Command {
    Command::Lock { reason: "owner_request".into(), at: None }
}

#[tokio::test]
async fn nothing_is_found_where_nothing_is_wrong() {
    let world = World::sound();
    let mut note = world.enrolled().await;
    world.write(&world.one, &mut note, "AccountLocked", &lock()).await;
    assert_eq!(world.promises_broken(&[note]).await, []);
    let rows = database("sound").await;
    project_into(&rows, &*world.log).await;
    assert_eq!(compare(&*world.log, &rows).await.unwrap(), []);
}

#[tokio::test]
async fn an_answer_before_the_entry_was_read_back_is_caught() {
    let world = World::with(Bug::AcknowledgedBeforeReadBack);
    let mut note = world.enrolled().await;
    world.other.load(&AccountId::parse(&note.account).unwrap()).await.unwrap();
    world.write(&world.one, &mut note, "AccountLocked", &lock()).await;
    // The other instance still has the state from before.
    world.write(&world.other, &mut note, "AccountLocked", &lock()).await;
    let broken = world.promises_broken(&[note]).await;
    assert!(broken.contains(&Promise::Answered), "{broken:?}");
}

#[tokio::test]
async fn an_answer_without_an_entry_is_caught() {
    let world = World::with(Bug::AcknowledgedBeforeWritten);
    let note = world.enrolled().await;
    assert_eq!(world.promises_broken(&[note]).await, [Promise::Answered, Promise::Answered]);
}

#[tokio::test]
async fn a_refusal_with_an_entry_is_caught() {
    let world = World::with(Bug::WrittenAndRefused);
    let note = world.enrolled().await;
    assert_eq!(note.events, [""; 0]);
    assert_eq!(world.promises_broken(&[note]).await, [Promise::Answered]);
}

#[tokio::test]
async fn a_journey_that_nobody_finished_is_caught() {
    let world = World::sound();
    world.enrolled().await;
    assert_eq!(world.promises_broken(&[]).await, [Promise::Ended]);
}

#[tokio::test]
async fn a_finding_that_came_twice_is_caught() {
    let world = World::sound();
    let mut note = world.enrolled().await;
    let id = AccountId::parse(&note.account).unwrap();
    let finding = Finding {
        decision: Decision::Pass,
        reasons: Vec::new(),
        bundle: None,
        models: Vec::new(),
        runtime: "test".into(),
        inputs: Vec::new(),
        scores: Default::default(),
        thresholds: Default::default(),
        observation: None,
        portrait: None,
    };
    let (case, evidence) =
        (CaseId::from_uuid(uuid::Uuid::now_v7()), EvidenceId::from_uuid(uuid::Uuid::now_v7()));
    let examined = Event::DocumentExamined(Box::new(DocumentExamined { case, evidence, finding }));
    world.force(&id, vec![examined.clone(), examined], 1).await;
    note.events.extend(["DocumentExamined"; 2]);
    assert_eq!(world.promises_broken(&[note]).await, [Promise::OneFinding]);
}

#[tokio::test]
async fn a_number_that_was_left_out_of_an_account_s_history_is_caught() {
    let world = World::sound();
    let note = world.enrolled().await;
    assert_eq!(audit(&*world.log).await.unwrap(), []);
    world.force(&AccountId::parse(&note.account).unwrap(), Vec::new(), 2).await;
    assert_eq!(audit(&*world.log).await.unwrap().len(), 1);
}

/// Read models in a database of their own, on the one server of this process.
async fn database(name: &'static str) -> Postgres {
    let create = move || Server::of_this_process().unwrap().create_database(name).unwrap();
    let url = tokio::task::spawn_blocking(create).await.unwrap();
    Postgres::open(&Settings::new(&url), None).await.unwrap()
}

/// Does what a sound projector does, from wherever the rows are.
async fn project_into(rows: &Postgres, log: &dyn LogReader) {
    while let Some(batch) = next_batch(log, rows, 0, 100).await.unwrap() {
        rows.apply(batch).await.unwrap();
    }
}

#[tokio::test]
async fn a_checkpoint_that_is_stored_before_its_rows_is_caught() {
    let world = World::sound();
    world.enrolled().await;
    let rows = database("checkpoint_first").await;
    let batch = next_batch(&*world.log, &rows, 0, 100).await.unwrap().unwrap();
    let (from, next) = (batch.from, batch.next);
    rows.apply(Batch { from, next, ..Batch::default() }).await.unwrap();
    // The projector dies here, and goes on after the checkpoint.
    project_into(&rows, &*world.log).await;
    let broken = compare(&*world.log, &rows).await.unwrap();
    assert!(broken.iter().any(|violation| violation.promise == Promise::Fold), "{broken:?}");
}

#[tokio::test]
async fn a_projector_that_folds_void_entries_is_caught() {
    let world = World::sound();
    let note = world.enrolled().await;
    let id = AccountId::parse(&note.account).unwrap();
    let account = world.one.load(&id).await.unwrap();
    // Two instances decide on the same state: the second entry is void.
    for _ in 0..2 {
        let now = Timestamp::now();
        let context = Context { now, policy: &world.policy, code_key: &world.code_key };
        let events = decide(&account, &lock(), context).events;
        world.one.append(&account, &world.request(&id), events).await.unwrap();
    }
    let rows = database("folds_void").await;
    let records = world.log.read(0, 0, 100).await.unwrap();
    let mut row = AccountRow::new(id.clone());
    for record in &records {
        let entry = wire::decode(&record.value).unwrap();
        account::apply(&mut row.state, &entry, Hash::of(&record.value), record.position);
        row.head = Head { hash: row.state.head, version: row.state.version };
    }
    let timeline = records.iter().map(|record| (id.clone(), record.position)).collect();
    let next = records.len() as u64;
    let batch = Batch { next, accounts: vec![row], timeline, ..Batch::default() };
    rows.apply(batch).await.unwrap();
    let broken = compare(&*world.log, &rows).await.unwrap();
    assert!(broken.iter().any(|violation| violation.promise == Promise::Fold), "{broken:?}");
}
