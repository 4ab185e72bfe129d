//! The interface over ports that a test holds: a clock that it sets, read models that write down what they are asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use actix_web::web;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reinstate_api::{Application, Clock, KeySettings, Keys, Ports, Service, Settings};
use reinstate_demo::Client;
use reinstate_domain::codes::{Channel, CodeKey};
use reinstate_domain::entry::Position;
use reinstate_domain::ids::{AccountId, CaseId};
use reinstate_domain::policy::{EXCHANGE, Policy};
use reinstate_process::{Readiness, Stop, stop};
use reinstate_store::blobs::Blobs;
use reinstate_store::journal::Journal;
use reinstate_store::keys::SqliteKeys;
use reinstate_store::master::Master;
use reinstate_store::read_models::memory::Memory;
use reinstate_store::read_models::{
    AccountRow, AccountStatus, Due, Error, ReactivationRow, ReactivationStatus, ReadModels, Snapshots,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::watch;
use world::World;

#[path = "../../../store/tests/support/world.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of the shared world is needed here")]
mod world;

const BACKEND: &str = "backend key";
const AUDITOR: &str = "auditor key";

/// A clock that stands still until it is moved.
pub struct HeldClock(Mutex<Timestamp>);

impl HeldClock {
    pub fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = now;
    }

    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        self.now()
    }
}

/// Read models that write down what they are asked.
pub struct Asked {
    models: Arc<Memory>,
    calls: Mutex<Vec<&'static str>>,
}

impl Asked {
    fn note(&self, call: &'static str) {
        self.calls().push(call);
    }

    fn calls(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often this was asked since [`Asked::take`] was called last.
    pub fn count(&self, call: &str) -> usize {
        self.calls().iter().filter(|asked| **asked == call).count()
    }

    /// What was asked since this was called last.
    pub fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls())
    }
}

#[async_trait]
impl Snapshots for Asked {
    async fn account(&self, id: &AccountId) -> Result<Option<AccountRow>, Error> {
        self.note("account");
        self.models.account(id).await
    }

    async fn checkpoint(&self, partition: u32) -> Result<u64, Error> {
        self.note("checkpoint");
        self.models.checkpoint(partition).await
    }
}

#[async_trait]
impl ReadModels for Asked {
    async fn accounts(
        &self,
        status: Option<AccountStatus>,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<AccountRow>, Error> {
        self.note("accounts");
        self.models.accounts(status, after, limit).await
    }

    async fn reactivation(&self, id: CaseId) -> Result<Option<ReactivationRow>, Error> {
        self.note("reactivation");
        self.models.reactivation(id).await
    }

    async fn reactivations_of(&self, ids: &[CaseId]) -> Result<Vec<ReactivationRow>, Error> {
        self.note("reactivations_of");
        self.models.reactivations_of(ids).await
    }

    async fn reactivations(
        &self,
        status: Option<ReactivationStatus>,
        after: Option<CaseId>,
        limit: usize,
    ) -> Result<Vec<ReactivationRow>, Error> {
        self.note("reactivations");
        self.models.reactivations(status, after, limit).await
    }

    async fn timeline(&self, id: &AccountId, after: u64, limit: usize) -> Result<Vec<Position>, Error> {
        self.note("timeline");
        self.models.timeline(id, after, limit).await
    }

    async fn is_effective(&self, id: &AccountId, position: Position) -> Result<bool, Error> {
        self.note("is_effective");
        self.models.is_effective(id, position).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        self.note("due");
        self.models.due(now, limit).await
    }

    async fn work(&self, partitions: &[u32], limit: usize) -> Result<Vec<AccountId>, Error> {
        self.note("work");
        self.models.work(partitions, limit).await
    }

    async fn quarantined(&self, limit: usize) -> Result<Vec<AccountRow>, Error> {
        self.note("quarantined");
        self.models.quarantined(limit).await
    }

    async fn wait(&self, position: Position) -> Result<(), Error> {
        self.note("wait");
        self.models.wait(position).await
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.models.changes()
    }
}

/// What a server says of itself once it listens.
struct Started {
    url: String,
    other_url: String,
    clock: Arc<HeldClock>,
    other_clock: Arc<HeldClock>,
    asked: Arc<Asked>,
    end: stop::Request,
}

/// Two instances on one log, each with its own clock, in a thread of their own. Most tests call only the first.
pub struct Interface {
    pub clock: Arc<HeldClock>,
    /// The second instance's.
    pub other_clock: Arc<HeldClock>,
    other_url: String,
    pub asked: Arc<Asked>,
    url: String,
    end: Option<stop::Request>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Interface {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_owned();
        let (started, starting) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let world = World::new(1);
                let clock = || Arc::new(HeldClock(Mutex::new(world::now())));
                let (clock, other_clock) = (clock(), clock());
                let asked = Arc::new(Asked { models: world.models.clone(), calls: Mutex::default() });
                let master = Master::generate(&place.join("master.key")).unwrap();
                let hashed = |key: &str| vec![format!("test:{}", hex::encode(Sha256::digest(key)))];
                let keys = KeySettings {
                    backend: hashed(BACKEND),
                    auditor: hashed(AUDITOR),
                    ..KeySettings::default()
                };
                let (end, stop) = Stop::by_hand();
                let data_keys = SqliteKeys::open(&place.join("keys.sqlite"), master.wrapping_key()).unwrap();
                let (data_keys, blobs) =
                    (Arc::new(data_keys), Arc::new(Blobs::local(&place.join("blobs")).unwrap()));
                let instance = |clock: &Arc<HeldClock>| {
                    let journal = Arc::new(Journal::new(world.log.clone(), asked.clone()));
                    let followed = Arc::clone(&journal);
                    actix_web::rt::spawn(async move { followed.follow().await });
                    let ports = Ports {
                        journal,
                        log: world.log.clone(),
                        read_models: asked.clone(),
                        data_keys: data_keys.clone(),
                        blobs: Arc::clone(&blobs),
                        policy: Arc::new(Policy::parse(EXCHANGE).unwrap()),
                        code_key: world.code_key.clone(),
                        clock: clock.clone(),
                        readiness: Readiness::default().shared(),
                        stop: stop.clone(),
                    };
                    let service = web::Data::new(Service::new(ports, Keys::new(&keys).unwrap(), &master));
                    let settings = Settings { listen: "127.0.0.1:0".into(), workers: 2 };
                    let application = Application::build(&settings, service).unwrap();
                    (format!("http://{}", application.address()), application)
                };
                let (url, first) = instance(&clock);
                let (other_url, second) = instance(&other_clock);
                started.send(Started { url, other_url, clock, other_clock, asked, end }).unwrap();
                let (first, second) = tokio::join!(first.run(), second.run());
                first.and(second).unwrap();
            });
        });
        let Started { url, other_url, clock, other_clock, asked, end } = starting.recv().unwrap();
        let (end, thread) = (Some(end), Some(thread));
        Self { clock, other_clock, asked, url, other_url, end, thread, _folder: folder }
    }

    /// As [`Interface::backend`], through the second instance.
    pub fn other_backend(&self) -> Client {
        Client::new(&self.other_url).with_key(BACKEND)
    }

    /// The owner with this token, through the second instance.
    pub fn other_owner(&self, token: &str) -> Client {
        Client::new(&self.other_url).with_key(token)
    }

    pub fn anybody(&self) -> Client {
        Client::new(&self.url)
    }

    pub fn backend(&self) -> Client {
        self.anybody().with_key(BACKEND)
    }

    pub fn auditor(&self) -> Client {
        self.anybody().with_key(AUDITOR)
    }

    /// The code that the courier would carry.
    pub fn code(&self, case: &str, channel: Channel, issue: u32) -> String {
        // The world's key, under which the server derives its codes.
        let key = CodeKey::new("k1".into(), [1; 32]);
        key.code(CaseId::parse(case).unwrap(), channel, issue).reveal()
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        drop(self.end.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()), "the server panicked");
    }
}
