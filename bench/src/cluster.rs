//! The services as an exchange's backend meets them: decisions over HTTP, each confirmed by the log, beside the least that Kafka needs for
//! a record of the same size on the same brokers. One client is one connection, which waits for each answer before it goes on.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use rdkafka::{
    Message as _, Offset,
    message::{BorrowedMessage, Headers as _},
};
use reinstate_cluster::services::{Plan, System};
use reinstate_store::log::kafka::Settings;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    task::{JoinSet, spawn_blocking},
    time::Instant,
};
use uuid::Uuid;

use crate::{
    arm::Arm,
    kafka::{CALLERS, consumer, peer, topic},
    log::Failed,
    usage::{Of, each, memory, processor},
};

/// Accounts that the clients share. Fewer than an instance keeps in memory, and so many that none has more decisions in a day than a real
/// one might.
const ACCOUNTS: usize = 8192;

/// Clients that enrol them.
const ENROLLING: usize = 64;

/// How long the services are left alone before what they hold at rest is read.
const REST: Duration = Duration::from_secs(5);

pub(crate) async fn run(brokers: u16, apis: usize, seconds: u64, runs: u32) -> Result<(), Failed> {
    let time = Duration::from_secs(seconds);
    let place = tempfile::tempdir()?;
    let programs = std::env::current_exe()?.parent().ok_or("a program lies in a folder")?.to_owned();
    let plan = Plan {
        folder: place.path().to_owned(),
        programs,
        brokers: brokers.into(),
        apis,
        verifiers: 0,
        environment: Vec::new(),
    };
    let system = Arc::new(spawn_blocking(move || System::start(&plan)).await??);
    tokio::time::sleep(REST).await;
    print_memory(&system, "at rest")?;

    let service = Service::of(&system)?;
    let mut accounts = service.enrol().await?;
    let size = size_of_a_record(&system)?;
    println!("{brokers} brokers, {apis} apis; a record is {size} bytes with its headers");
    let settings = topic(&system.kafka, brokers, "bare").await?;
    Arm::head();
    for callers in CALLERS {
        let (mut bare, mut decisions) = (Arm::default(), Arm::default());
        let mut spent = Vec::new();
        // In turn, so that what else the machine does meets both.
        for _ in 0..runs {
            bare.add(time, peer(&settings, callers, time, size).await?);
            let begin = processors(&system)?;
            let (given_back, waits) = service.decide(callers, accounts, time).await?;
            accounts = given_back;
            decisions.add(time, waits);
            let end = processors(&system)?;
            spent.push(
                end.into_iter().zip(begin).map(|((name, end), (_, begin))| (name, end - begin)).collect(),
            );
        }
        bare.report("bare", callers);
        decisions.report("over HTTP", callers);
        decisions.compare(&bare);
        print_processors(&spent, decisions.answers());
    }
    print_memory(&system, "afterwards")?;
    spawn_blocking(move || system.stop()).await??;
    Ok(())
}

/// An account, and whether the last decision locked it.
struct Owned {
    account: String,
    locked: bool,
}

/// A connection to one of the instances.
struct Client {
    connection: SendRequest<Full<Bytes>>,
    host: String,
    key: String,
}

/// Where the instances are, and how to be let in.
struct Service {
    hosts: Vec<String>,
    key: String,
}

impl Service {
    fn of(system: &System) -> Result<Self, Failed> {
        let urls = system.urls();
        let hosts = urls.iter().filter_map(|url| url.strip_prefix("http://")).map(str::to_owned).collect();
        Ok(Self { hosts, key: system.key("BACKEND").ok_or("the backend has a key")?.to_owned() })
    }

    /// Opens as many connections, which take the instances in turn. A server closes one that is idle for some seconds.
    async fn connect(&self, count: usize) -> Result<Vec<Client>, Failed> {
        let mut clients = Vec::with_capacity(count);
        for host in self.hosts.iter().cycle().take(count) {
            let stream = TcpStream::connect(host).await?;
            stream.set_nodelay(true)?;
            let (connection, driver) = handshake(TokioIo::new(stream)).await?;
            // It ends with the connection, whose requests say why.
            tokio::spawn(driver);
            clients.push(Client { connection, host: host.clone(), key: self.key.clone() });
        }
        Ok(clients)
    }

    /// Enrols the accounts.
    async fn enrol(&self) -> Result<Vec<Owned>, Failed> {
        let mut enrolling = JoinSet::new();
        for (number, mut client) in self.connect(ENROLLING).await?.into_iter().enumerate() {
            enrolling.spawn(async move {
                let mut enrolled = Vec::new();
                let body = json!({"contacts": {"email": "owner@example.org"}, "attributes": {"risk": "low"}});
                for n in (number..ACCOUNTS).step_by(ENROLLING) {
                    let account = format!("account-{n}");
                    let path = format!("/v1/accounts/{account}");
                    client.call("PUT", &path, &body, StatusCode::CREATED).await?;
                    enrolled.push(Owned { account, locked: false });
                }
                Ok::<_, Failed>(enrolled)
            });
        }
        let enrolled: Result<Vec<_>, _> = enrolling.join_all().await.into_iter().collect();
        Ok(enrolled?.into_iter().flatten().collect())
    }

    /// So many clients at once, for so long, each with its share of the accounts, which it takes in turn. Gives the accounts back with
    /// the time until each answer.
    async fn decide(
        &self,
        clients: usize,
        accounts: Vec<Owned>,
        time: Duration,
    ) -> Result<(Vec<Owned>, Vec<Duration>), Failed> {
        let mut shares: Vec<Vec<Owned>> = (0..clients).map(|_| Vec::new()).collect();
        for (n, account) in accounts.into_iter().enumerate() {
            shares[n % clients].push(account);
        }
        let clients = self.connect(clients).await?;
        let end = Instant::now() + time;
        let mut deciding = JoinSet::new();
        for (mut client, mut share) in clients.into_iter().zip(shares) {
            deciding.spawn(async move {
                let mut waits = Vec::new();
                for n in (0..share.len()).cycle() {
                    let begin = Instant::now();
                    if begin >= end {
                        break;
                    }
                    client.decide(&mut share[n]).await?;
                    waits.push(begin.elapsed());
                }
                Ok::<_, Failed>((share, waits))
            });
        }
        let decided: Vec<_> = deciding.join_all().await.into_iter().collect::<Result<_, _>>()?;
        let (shares, waits): (Vec<_>, Vec<_>) = decided.into_iter().unzip();
        Ok((shares.into_iter().flatten().collect(), waits.concat()))
    }
}

impl Client {
    async fn call(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
        expected: StatusCode,
    ) -> Result<(), Failed> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", Uuid::new_v4().to_string())
            .body(Full::new(serde_json::to_vec(body)?.into()))?;
        self.connection.ready().await?;
        let answer = self.connection.send_request(request).await?;
        let status = answer.status();
        let said = answer.into_body().collect().await?.to_bytes();
        if status == expected {
            return Ok(());
        }
        Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&said)).into())
    }

    /// Locks the account, or releases it.
    async fn decide(&mut self, owned: &mut Owned) -> Result<(), Failed> {
        let (step, reason, expected) = if owned.locked {
            ("releases", "support", StatusCode::OK)
        } else {
            ("locks", "suspicious_login", StatusCode::CREATED)
        };
        let path = format!("/v1/accounts/{}/{step}", owned.account);
        self.call("POST", &path, &json!({ "reason": reason }), expected).await?;
        owned.locked = !owned.locked;
        Ok(())
    }
}

/// What a decision takes in the topic: its value and its headers.
fn size_of_a_record(system: &System) -> Result<usize, Failed> {
    let settings = Settings::new(system.kafka.bootstrap(), system.topic());
    let consumer = consumer(&settings, Offset::OffsetTail(1))?;
    let message = consumer.poll(Duration::from_secs(10)).ok_or("the topic has no record")??;
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let headers: usize = headers.map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).sum();
    Ok(BorrowedMessage::payload_len(&message) + headers)
}

/// The processor time of each part so far; this process is called `load`.
fn processors(system: &System) -> Result<Vec<(String, Duration)>, Failed> {
    let mut parts = system.pids();
    parts.push(("load".to_owned(), std::process::id()));
    let spent = parts.into_iter().map(|(name, pid)| {
        // Each of PostgreSQL's connections is a process.
        let of = if name == "postgres" { Of::Family } else { Of::Itself };
        Ok((name, processor(pid, of)?))
    });
    spent.collect()
}

fn print_processors(runs: &[Vec<(String, Duration)>], answers: usize) {
    let Some(first) = runs.first() else { return };
    let parts = first.iter().enumerate().map(|(part, (name, _))| {
        let spent = runs.iter().filter_map(|run| run.get(part)).map(|(_, spent)| *spent).sum();
        format!("{name} {:.0}", each(spent, answers))
    });
    println!("  processor, µs a decision: {}", parts.collect::<Vec<_>>().join(", "));
}

fn print_memory(system: &System, when: &str) -> Result<(), Failed> {
    for (name, pid) in system.pids().into_iter().filter(|(name, _)| !name.starts_with("kafka")) {
        let memory = memory(pid)?;
        println!("resident {when}: {name} {:.1} MiB, at most {:.1}", memory.now, memory.most);
    }
    Ok(())
}
