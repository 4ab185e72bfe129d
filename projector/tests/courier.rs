//! The courier: each code to its owner, and none that was acknowledged a second time.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests, and not all of the shared world")]

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reinstate_domain::{
    account::{Command, decide::Enrolment, event::Attributes},
    codes::Channel,
    entry::Head,
    identity::{Contacts, Person},
    ids::AccountId,
    sealed::purpose,
};
use reinstate_projector::{
    courier::{Carrier, Courier, Error, Message, Undelivered, acknowledged::Acknowledged, outbox::Outbox},
    follow::Step,
};
use reinstate_store::{
    keys::{Keys, SqliteKeys},
    log::{Log, LogReader},
    master::Secret,
    seal,
};
use serde_json::Value;
use world::{World, case, lock, now, request};

#[path = "../../store/tests/support/world.rs"]
mod world;

/// A world, keys, and a carrier that writes down what it was given.
struct Post {
    world: World,
    keys: Arc<SqliteKeys>,
    folder: tempfile::TempDir,
    carrier: Arc<Notes>,
}

#[derive(Default)]
struct Notes {
    given: Mutex<Vec<(String, Channel, String, String)>>,
    down: AtomicBool,
}

#[async_trait]
impl Carrier for Notes {
    async fn deliver(&self, m: &Message) -> Result<(), Undelivered> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Undelivered("down".into()));
        }
        self.given.lock().unwrap().push((m.id.clone(), m.channel, m.to.clone(), m.code.reveal()));
        Ok(())
    }

    async fn forget(&self, _account: &AccountId) -> Result<(), Undelivered> {
        Ok(())
    }
}

impl Notes {
    /// The contacts and codes since the last look.
    fn take(&self) -> Vec<(String, String)> {
        self.given.lock().unwrap().drain(..).map(|(_, _, to, code)| (to, code)).collect()
    }
}

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn minutes(n: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_mins(n)).unwrap()
}

impl Post {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = SqliteKeys::open(&folder.path().join("keys.sqlite"), Secret::new([7; 32])).unwrap();
        Self { world: World::new(1), keys: Arc::new(keys), folder, carrier: Arc::default() }
    }

    /// A courier that has just started.
    fn courier(&self) -> Courier {
        self.courier_with(self.carrier.clone())
    }

    fn courier_with(&self, carrier: Arc<dyn Carrier>) -> Courier {
        let acknowledged = Acknowledged::open(&self.folder.path().join("courier.json")).unwrap();
        let World { log, models, code_key, .. } = &self.world;
        Courier::new(log.clone(), models.clone(), self.keys.clone(), code_key.clone(), carrier, acknowledged)
    }

    /// An account with both contacts and an open case whose codes may be asked for.
    async fn with_case(&self, who: &AccountId, id: u128) {
        let person = Person {
            contacts: Contacts {
                phone: Some(format!("+49151{id:07}")),
                email: Some(format!("{who}@example.org")),
            },
            ..Person::default()
        };
        let key = self.keys.create_or_get(who).await.unwrap();
        let profile = seal::seal(&key, who, purpose::PROFILE, &serde_json::to_vec(&person).unwrap()).unwrap();
        let enrol = Command::Enrol(Enrolment {
            profile,
            digest: "d".into(),
            phone: true,
            email: true,
            identity: false,
            questions: Vec::new(),
            attributes: Attributes::default(),
        });
        let reminder = Command::AcknowledgeReminder { case: case(id) };
        let request = Command::Request { case: case(id) };
        self.world.must(who, [enrol, lock("owner_request"), request, reminder]).await;
    }

    async fn issue(&self, who: &AccountId, id: u128, channel: Channel, at: Timestamp) {
        let mut asked = request(who);
        asked.now = at;
        let issue = Command::IssueCode { case: case(id), channel };
        self.world.execute_on(&self.world.journal, &asked, &issue).await.unwrap();
    }

    fn code(&self, id: u128, channel: Channel, issue: u32) -> String {
        self.world.code_key.code(case(id), channel, issue).reveal()
    }
}

async fn run_to_the_end(courier: &Courier, now: Timestamp) {
    while let Step::Applied { .. } = courier.step(0, now).await.unwrap() {}
}

#[tokio::test]
async fn each_code_goes_to_its_owners_contact_and_a_restart_sends_none_again() {
    let post = Post::new();
    let anna = account("anna");
    post.with_case(&anna, 1).await;
    post.issue(&anna, 1, Channel::Phone, now()).await;
    post.issue(&anna, 1, Channel::Email, now()).await;
    run_to_the_end(&post.courier(), minutes(1)).await;
    let expected = [
        ("+491510000001".to_owned(), post.code(1, Channel::Phone, 1)),
        ("anna@example.org".to_owned(), post.code(1, Channel::Email, 1)),
    ];
    assert_eq!(post.carrier.take(), expected);

    run_to_the_end(&post.courier(), minutes(2)).await;
    assert_eq!(post.carrier.take(), []);
    post.issue(&anna, 1, Channel::Phone, minutes(10)).await;
    run_to_the_end(&post.courier(), minutes(10)).await;
    assert_eq!(post.carrier.take(), [("+491510000001".to_owned(), post.code(1, Channel::Phone, 2))]);
}

#[tokio::test]
async fn what_could_not_be_handed_over_is_tried_again_and_what_came_before_it_is_not() {
    let post = Post::new();
    let (anna, berta) = (account("anna"), account("berta"));
    post.with_case(&anna, 1).await;
    post.with_case(&berta, 2).await;
    post.issue(&anna, 1, Channel::Phone, now()).await;
    let courier = post.courier();
    run_to_the_end(&courier, now()).await;
    assert_eq!(post.carrier.take().len(), 1);

    post.issue(&berta, 2, Channel::Phone, now()).await;
    post.carrier.down.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert!(matches!(courier.step(0, now()).await, Err(Error::Undelivered(_))));
    }
    post.carrier.down.store(false, Ordering::SeqCst);
    run_to_the_end(&post.courier(), now()).await;
    assert_eq!(post.carrier.take(), [("+491510000002".to_owned(), post.code(2, Channel::Phone, 1))]);
}

#[tokio::test]
async fn a_code_that_no_longer_helps_is_not_sent() {
    let post = Post::new();
    for (n, who) in ["expired", "newer", "ended", "erased"].iter().enumerate() {
        let (who, id) = (account(who), n as u128 + 1);
        post.with_case(&who, id).await;
        post.issue(&who, id, Channel::Phone, now()).await;
    }
    post.issue(&account("newer"), 2, Channel::Phone, minutes(29)).await;
    post.world.must(&account("ended"), [Command::Cancel { case: case(3) }]).await;
    post.keys.erase(&account("erased")).await.unwrap();
    run_to_the_end(&post.courier(), minutes(31)).await;
    assert_eq!(post.carrier.take(), [("+491510000002".to_owned(), post.code(2, Channel::Phone, 2))]);
}

#[tokio::test]
async fn a_void_entry_sends_nothing() {
    let post = Post::new();
    let anna = account("anna");
    post.with_case(&anna, 1).await;
    let before = post.world.journal.load(&anna).await.unwrap();
    post.issue(&anna, 1, Channel::Phone, now()).await;
    let winner = post.world.log.at(post.world.journal.load(&anna).await.unwrap().position.unwrap()).await;
    // The same decision by a writer that came too late.
    let mut entry: Value = serde_json::from_slice(&winner.unwrap().unwrap().value).unwrap();
    entry["id"] = uuid::Uuid::now_v7().to_string().into();
    let head = Head { hash: before.head, version: before.version };
    assert_eq!(entry["prev"], serde_json::to_value(head.hash).unwrap());
    post.world.log.append(serde_json::to_vec(&entry).unwrap().into()).await.unwrap();

    run_to_the_end(&post.courier(), now()).await;
    assert_eq!(post.carrier.take().len(), 1);
}

#[tokio::test]
async fn an_account_that_cannot_be_read_does_not_hold_up_the_others() {
    let post = Post::new();
    let (anna, berta) = (account("anna"), account("berta"));
    // Her profile is sealed under a key that nobody has.
    post.world.up_to_the_code(&anna, case(1), "owner_request").await;
    post.keys.create_or_get(&anna).await.unwrap();
    post.with_case(&berta, 2).await;
    post.issue(&berta, 2, Channel::Email, now()).await;
    run_to_the_end(&post.courier(), now()).await;
    assert_eq!(post.carrier.take(), [("berta@example.org".to_owned(), post.code(2, Channel::Email, 1))]);
}

#[tokio::test]
async fn the_position_is_kept_over_long_stretches_without_codes() {
    let post = Post::new();
    let anna = account("anna");
    post.with_case(&anna, 1).await;
    for n in 0..1200 {
        let enrol = world::enrol();
        post.world.must(&account(&format!("a{n}")), [enrol]).await;
    }
    run_to_the_end(&post.courier(), now()).await;
    let kept = Acknowledged::open(&post.folder.path().join("courier.json")).unwrap().next(0);
    assert!(kept >= 1000, "{kept}");
}

#[test]
fn a_position_that_cannot_be_read_is_an_error_and_not_a_new_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("courier.json");
    fs::write(&path, "{\"0\": 1").unwrap();
    assert!(Acknowledged::open(&path).is_err());
}

fn files(folder: &Path) -> Vec<Value> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn the_outbox_has_one_whole_file_per_message_however_often_it_is_delivered() {
    let post = Post::new();
    let anna = account("anna");
    post.with_case(&anna, 1).await;
    post.issue(&anna, 1, Channel::Phone, now()).await;
    post.issue(&anna, 1, Channel::Email, now()).await;
    let folder = post.folder.path().join("outbox");
    for _ in 0..2 {
        let outbox = Arc::new(Outbox::open(&folder).unwrap());
        run_to_the_end(&post.courier_with(outbox), minutes(1)).await;
        // As if the process had died between the delivery and its acknowledgement.
        fs::remove_file(post.folder.path().join("courier.json")).unwrap();
    }
    let files = files(&folder);
    assert_eq!(files.len(), 2);
    let first = serde_json::json!({
        "channel": "phone", "to": "+491510000001", "code": post.code(1, Channel::Phone, 1),
        "account": "anna", "reactivation": case(1), "sent_at": minutes(1),
    });
    assert_eq!(files[0], first);
    assert_eq!(files[1]["channel"], "email");
}
