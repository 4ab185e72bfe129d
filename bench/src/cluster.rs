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

/// Accounts that a client takes in turn: it locks all of them and then releases all of them.
const ACCOUNTS: usize = 8;

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

    let most = CALLERS.into_iter().max().unwrap_or(1);
    let mut clients = clients(&system, most).await?;
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
            let rest = clients.split_off(callers);
            let (went, waits) = decide(clients, time).await?;
            decisions.add(time, waits);
            clients = went;
            clients.extend(rest);
            let end = processors(&system)?;
            spent.push(end.into_iter().zip(begin).map(|((name, end), (_, begin))| (name, end - begin)).collect());
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

/// A connection to one of the instances, with accounts that nobody else touches.
struct Client {
    connection: SendRequest<Full<Bytes>>,
    host: String,
    key: String,
    accounts: Vec<String>,
    /// Decisions that it has asked for.
    step: usize,
}

/// Connects them, and enrols their accounts.
async fn clients(system: &System, count: usize) -> Result<Vec<Client>, Failed> {
    let key = system.key("BACKEND").ok_or("the backend has a key")?;
    let urls = system.urls();
    let hosts: Vec<&str> = urls.iter().filter_map(|url| url.strip_prefix("http://")).collect();
    let mut enrolling = JoinSet::new();
    for (number, host) in (0..count).zip(hosts.into_iter().cycle()) {
        let (host, key) = (host.to_owned(), key.to_owned());
        enrolling.spawn(async move {
            let connection = connect(&host).await?;
            let accounts = (0..ACCOUNTS).map(|n| format!("client-{number}.{n}")).collect();
            let mut client = Client { connection, host, key, accounts, step: 0 };
            let enrolment = json!({"contacts": {"email": "owner@example.org"}, "attributes": {"risk": "low"}});
            for n in 0..ACCOUNTS {
                let path = format!("/v1/accounts/{}", client.accounts[n]);
                client.call("PUT", &path, &enrolment, StatusCode::CREATED).await?;
            }
            Ok::<_, Failed>(client)
        });
    }
    enrolling.join_all().await.into_iter().collect()
}

async fn connect(host: &str) -> Result<SendRequest<Full<Bytes>>, Failed> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (connection, driver) = handshake(TokioIo::new(stream)).await?;
    // It ends with the connection, whose requests say why.
    tokio::spawn(driver);
    Ok(connection)
}

impl Client {
    async fn call(&mut self, method: &str, path: &str, body: &Value, expected: StatusCode) -> Result<(), Failed> {
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

    /// Locks or releases the next account.
    async fn decide(&mut self) -> Result<(), Failed> {
        let account = &self.accounts[self.step % ACCOUNTS];
        let locks = (self.step / ACCOUNTS).is_multiple_of(2);
        let (path, reason, expected) = if locks {
            (format!("/v1/accounts/{account}/locks"), "suspicious_login", StatusCode::CREATED)
        } else {
            (format!("/v1/accounts/{account}/releases"), "support", StatusCode::OK)
        };
        self.step += 1;
        self.call("POST", &path, &json!({ "reason": reason }), expected).await
    }
}

/// All clients at once, for so long. Gives them back with the time until each answer.
async fn decide(mut clients: Vec<Client>, time: Duration) -> Result<(Vec<Client>, Vec<Duration>), Failed> {
    for client in &mut clients {
        // The server has closed what was idle meanwhile.
        client.connection = connect(&client.host).await?;
    }
    let end = Instant::now() + time;
    let mut deciding = JoinSet::new();
    for mut client in clients {
        deciding.spawn(async move {
            let mut waits = Vec::new();
            loop {
                let begin = Instant::now();
                if begin >= end {
                    return Ok::<_, Failed>((client, waits));
                }
                client.decide().await?;
                waits.push(begin.elapsed());
            }
        });
    }
    let decided: Vec<_> = deciding.join_all().await.into_iter().collect::<Result<_, _>>()?;
    let (clients, waits): (_, Vec<_>) = decided.into_iter().unzip();
    Ok((clients, waits.concat()))
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
