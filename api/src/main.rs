//! `reinstate-api`: the interface, in as many instances as are wanted.

use std::process::ExitCode;
use std::sync::Arc;

use actix_web::web;
use clap::Parser;
use mimalloc::MiMalloc;
use reinstate_api::{Application, KeySettings, Keys, Ports, Service, SystemClock};
use reinstate_process::service;
use reinstate_process::stores::Settings;
use reinstate_process::{Operations, Options, Running, Stores, operations, settings, stores};
use serde::Deserialize;
use tokio::task::JoinSet;

const NAME: &str = "reinstate-api";
const DEFAULTS: &str = include_str!("defaults.toml");

/// Serves the REST interface of Reinstate on Kafka and PostgreSQL.
#[derive(Parser)]
#[command(name = NAME, version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

/// The tables of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    api: reinstate_api::Settings,
    auth: KeySettings,
}

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Settings(#[from] settings::Error),
    #[error(transparent)]
    Keys(#[from] reinstate_api::KeysError),
    #[error(transparent)]
    Stores(#[from] stores::Error),
    #[error(transparent)]
    Service(#[from] service::Error),
    #[error(transparent)]
    Operations(#[from] operations::Error),
    #[error(transparent)]
    Listen(#[from] reinstate_api::Error),
    #[error("the server failed")]
    Serve(#[source] std::io::Error),
}

/// Requests and entries are many small pieces of memory that one thread takes and another gives back (docs/decisions/0100).
#[global_allocator]
static MEMORY: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    reinstate_process::run_web(NAME, run(Arguments::parse().options))
}

async fn run(options: Options) -> Result<(), Failure> {
    if options.defaults {
        print!("{DEFAULTS}{}", stores::DEFAULTS);
        return Ok(());
    }
    let (own, settings): (Own, _) = Settings::load(DEFAULTS, &options)?;
    let keys = Keys::new(&own.auth)?;
    if options.check {
        println!("ok: {}", service::check(&settings)?);
        return Ok(());
    }
    let running = Running::begin(NAME, &settings.log, &settings.traces)?;

    let stores = Stores::open(&settings).await?;
    let readiness = stores.readiness().until(running.stop.clone()).shared();
    let mut tasks = JoinSet::new();
    stores.follow(&mut tasks);
    let ports = Ports {
        journal: stores.journal,
        log: stores.log,
        read_models: stores.database,
        data_keys: stores.keys,
        blobs: stores.blobs,
        policy: stores.policy.policy,
        code_key: stores.code_key,
        clock: Arc::new(SystemClock),
        readiness: Arc::clone(&readiness),
        stop: running.stop.clone(),
    };
    let service = web::Data::new(Service::new(ports, keys, &stores.master));
    let application = Application::build(&own.api, service)?;
    let operations = Operations::bind(&settings.operations, readiness, running.metrics.clone())?;
    tracing::info!(address = %application.address(), operations = %operations.address(), "listening");
    let operations = operations.serve();
    application.run().await.map_err(Failure::Serve)?;
    tasks.shutdown().await;
    operations.stop(true).await;
    running.end();
    Ok(())
}
