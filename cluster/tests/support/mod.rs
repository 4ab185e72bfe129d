//! What the tests of the whole system share: one with everything in it, called over HTTP and nothing else.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use reinstate_cluster::services::{Plan, Service, System, Variable};
use reinstate_demo::resource::{CodeSent, Reactivation};
use reinstate_demo::{Answer, Body, Client, Method, Outbox, Part, Person, Pictures, timeline};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(25);

/// Waits until something holds; fails, and says what, when it does not in time.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen within {} s", PATIENCE.as_secs());
        thread::sleep(PAUSE);
    }
}

/// A system in a scratch folder. After the test the auditor's tool and the projector's check judge what is left.
pub struct World {
    pub system: System,
    _scratch: TempDir,
    /// Two at a time would each take the other's processors, and be late.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl World {
    pub fn start(brokers: usize, apis: usize, verifiers: usize) -> Self {
        Self::start_in(Vec::new(), brokers, apis, verifiers)
    }

    /// As [`World::start`], with these in the services' environment.
    pub fn start_in(environment: Vec<Variable>, brokers: usize, apis: usize, verifiers: usize) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = tempfile::tempdir().unwrap();
        // PostgreSQL runs as another user, who must be able to walk there.
        std::fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let folder = scratch.path().join("cluster");
        let plan = Plan { folder, programs: programs(), brokers, apis, verifiers, environment };
        let system = System::start(&plan).unwrap();
        Self { system, _scratch: scratch, _turn: turn }
    }

    pub fn service(&self, name: &str) -> &Service {
        self.system.service(name).unwrap()
    }

    /// A caller without a key that takes the apis in turn.
    pub fn anybody(&self) -> Client {
        Client::new(&self.system.urls().join(","))
    }

    pub fn backend(&self) -> Client {
        self.anybody().with_key(self.system.key("BACKEND").unwrap())
    }

    pub fn reviewer(&self) -> Client {
        self.anybody().with_key(self.system.key("REVIEWER").unwrap())
    }

    pub fn auditor(&self) -> Client {
        self.anybody().with_key(self.system.key("AUDITOR").unwrap())
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::new(&self.system.outbox())
    }

    /// What a service's operations port counts: the sum of a metric over its labels.
    pub fn metric(&self, service: &str, name: &str) -> f64 {
        let url = self.service(service).operations_url();
        let text = Client::new(url).get("/metrics").unwrap().bytes;
        let text = String::from_utf8(text).unwrap();
        let lines = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Why a service is not ready; empty when it is.
    pub fn unready(&self, service: &str) -> Vec<String> {
        let Ok(answer) = Client::new(self.service(service).operations_url()).get("/readyz") else {
            return vec!["no answer".to_owned()];
        };
        let parts = answer.json()["unready"].as_array().cloned().unwrap_or_default();
        parts.iter().map(|part| part["part"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The stored names of all events of an account, in order.
    pub fn events(&self, account: &str) -> Vec<String> {
        let entries = timeline::read(&self.auditor(), account, None).unwrap();
        entries.into_iter().flat_map(|entry| entry.events).map(|event| event.kind).collect()
    }

    /// Ends the system's services; everything that they leave must be as the log says.
    #[track_caller]
    pub fn assert_clean(&self) {
        let checked = self.service("projector").run_once(&["check"]).unwrap();
        assert!(checked.contains("accounts"), "{checked}");
        let audited = Command::new(programs().join("reinstate-audit"))
            .args(["verify", "--json", "--brokers", self.system.kafka.bootstrap()])
            .args(["--topic", self.system.topic()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&audited.stderr).into_owned();
        let report: Value = serde_json::from_slice(&audited.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
        assert_eq!(report["faults"], json!([]), "{report}");
        assert!(report["effective"].as_u64().unwrap() > 0, "{report}");
    }
}

/// Where the programs of this build are.
pub fn programs() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_reinstate-cluster")).parent().unwrap().to_owned()
}

pub fn pictures() -> Pictures {
    let cache = env::var_os("REINSTATE_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(env::var_os("HOME").unwrap()).join(".cache/reinstate");
    Pictures::load(&cache.unwrap_or_else(home).join("photos")).unwrap()
}

pub fn fresh_account(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::now_v7().simple())
}

/// A lock three hours ago.
pub fn lock(reason: &str) -> Value {
    json!({"reason": reason, "locked_at": Timestamp::now() - SignedDuration::from_hours(3)})
}

/// An open reactivation with the client of its owner.
pub struct Case {
    pub account: String,
    pub id: String,
    pub owner: Client,
}

impl Case {
    /// One that asks for the reminder and two codes.
    pub fn with_codes_only(world: &World) -> Self {
        Self::open(world, "owner_request")
    }

    /// One that asks for a document and a face too.
    pub fn with_pictures(world: &World) -> Self {
        Self::open(world, "suspicious_login")
    }

    fn open(world: &World, reason: &str) -> Self {
        let (account, backend) = (fresh_account("cluster"), world.backend());
        let mut enrolment = Person::number(0).enrolment();
        // Answers take the server long on purpose, and are not what this is about.
        enrolment["questions"] = json!([]);
        enrolment["attributes"]["risk"] = json!("low");
        let path = format!("/v1/accounts/{account}");
        backend.put(&path, Body::Json(&enrolment)).unwrap().with_status(&[201]).unwrap();
        let locked = backend.post(&format!("{path}/locks"), Body::Json(&lock(reason))).unwrap();
        locked.with_status(&[201]).unwrap();
        let opened = backend.post(&format!("{path}/reactivations"), Body::Nothing).unwrap();
        let opened: Reactivation = opened.with_status(&[201]).unwrap().read_as().unwrap();
        let owner = world.anybody().with_key(opened.owner_token.as_deref().unwrap());
        Self { account, id: opened.id, owner }
    }

    pub fn path(&self, step: &str) -> String {
        format!("/v1/reactivations/{}{step}", self.id)
    }

    pub fn post(&self, step: &str, body: Body<'_>) -> Answer {
        self.owner.post(&self.path(step), body).unwrap()
    }

    pub fn fetch_code(&self, world: &World, channel: &str) -> String {
        let sent: CodeSent = self.post("/codes", Body::Json(&json!({"channel": channel}))).read_as().unwrap();
        eventually("a code in the outbox", || {
            world.outbox().codes(&self.id, channel).unwrap().get(sent.issued - 1).cloned()
        })
    }

    pub fn pass_codes(&self, world: &World) {
        self.post("/reminder", Body::Nothing).with_status(&[200]).unwrap();
        let codes =
            json!({"phone": self.fetch_code(world, "phone"), "email": self.fetch_code(world, "email")});
        self.post("/verify", Body::Json(&codes)).with_status(&[200]).unwrap();
    }

    pub fn hand_in_document(&self, passport: &[u8]) {
        self.hand_in_document_within(passport, &Uuid::new_v4().simple().to_string());
    }

    /// As a part of this trace.
    pub fn hand_in_document_within(&self, passport: &[u8], trace_id: &str) {
        let form =
            [Part::Text("type", "passport"), Part::Text("country", "UTO"), Part::Image("front", passport)];
        let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
        let headers = [("traceparent", traceparent.as_str())];
        let sent = self.owner.send(Method::POST, &self.path("/documents"), Body::Form(&form), &headers);
        sent.unwrap().with_status(&[202]).unwrap();
    }

    pub fn read(&self) -> Reactivation {
        self.owner.get(&self.path("")).unwrap().read_as().unwrap()
    }
}
