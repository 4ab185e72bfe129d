//! The worker as a process: a member of the group that shares the log's partitions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reinstate_process::service;
use reinstate_process::settings::given;
use reinstate_process::stores::Settings;
use reinstate_process::{Operations, Options, Running, Stores, operations, settings, stores};
use reinstate_store::log::kafka::{self, Membership};
use reinstate_verifier::contain::Program;
use reinstate_verifier::models::{self, Bundle};
use reinstate_verifier::worker::{self, EngineRoom, Share, Worker, share_of};
use serde::Deserialize;
use tokio::task::JoinSet;

pub(super) const NAME: &str = "reinstate-verifier";
const DEFAULTS: &str = include_str!("../defaults.toml");

/// Records that wait for the worker before their partitions are paused.
const BUFFER: usize = 256;

/// The tables of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    verifier: reinstate_verifier::Settings,
    group: Group,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    session_timeout_ms: u64,
}

/// Why the worker did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Settings(#[from] settings::Error),
    #[error(transparent)]
    Stores(#[from] stores::Error),
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error("the group can't be joined")]
    Group(#[source] kafka::Error),
    #[error(transparent)]
    Service(#[from] service::Error),
    #[error(transparent)]
    Operations(#[from] operations::Error),
}

/// Serves until the process is to end. `models`, when given, is another bundle than the settings name.
pub(super) async fn run(program: &Program, options: Options, models: Option<PathBuf>) -> Result<(), Failure> {
    if options.defaults {
        print!("{DEFAULTS}{}", stores::DEFAULTS);
        return Ok(());
    }
    let (mut own, settings): (Own, _) = Settings::load(DEFAULTS, &options)?;
    if let Some(models) = models {
        own.verifier.models = models;
    }
    if options.check {
        let policy = service::check(&settings)?;
        let bundle = Bundle::load(given(&own.verifier.models))?;
        println!("ok: {policy}, models {} {}", bundle.name(), bundle.version());
        return Ok(());
    }
    let running = Running::begin(NAME, &settings.log, &settings.traces)?;

    let stores = Stores::open(&settings).await?;
    let engine = EngineRoom::default();
    let unready = engine.clone();
    let readiness = stores.readiness().with("models", move || unready.unready()).until(running.stop.clone());
    let operations = Operations::bind(&settings.operations, readiness.shared(), running.metrics.clone())?;
    tracing::info!(operations = %operations.address(), "listening");
    let operations = operations.serve();

    let mut tasks = JoinSet::new();
    stores.follow(&mut tasks);
    let (starting, program) = (engine.clone(), program.clone());
    let threads = own.verifier.threads;
    tasks.spawn(async move { starting.start(&program, &own.verifier).await });
    let membership = Membership {
        group: own.group.name,
        session_timeout: Duration::from_millis(own.group.session_timeout_ms),
        buffer: BUFFER,
    };
    let group = kafka::Group::join(&settings.kafka, &membership).map_err(Failure::Group)?;
    let (assigner, share) = Share::assigned();
    tasks.spawn(share_of(group, assigner));
    let ports = worker::Ports {
        journal: stores.journal,
        read_models: Arc::clone(&stores.database) as _,
        attempts: Arc::new(stores.database.attempts()),
        keys: stores.keys,
        blobs: stores.blobs,
        artefacts: stores.artefacts,
        policy: stores.policy.policy,
        code_key: stores.code_key,
    };
    Arc::new(Worker::new(ports, engine)).run(share, threads, running.stop.clone()).await;
    // Leaves the group, so that the others need not wait for the end of the session.
    tasks.shutdown().await;
    operations.stop(true).await;
    running.end();
    Ok(())
}
