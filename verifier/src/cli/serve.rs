//! The worker as a process: a member of the group that shares the log's partitions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reinstate_process::settings::{self, Logging, Policy, Secrets, Traces, given};
use reinstate_process::{
    Metrics, Operations, Options, Stop, Stores, Telemetry, metrics, operations, stores, telemetry,
};
use reinstate_store::log::kafka::{self, Membership};
use reinstate_store::{blobs, postgres};
use reinstate_verifier::contain::Program;
use reinstate_verifier::models::{self, Bundle};
use reinstate_verifier::worker::{self, EngineRoom, Share, Worker, share_of};
use serde::Deserialize;
use tokio::task::JoinSet;

pub(super) const NAME: &str = "reinstate-verifier";
const DEFAULTS: &str = include_str!("../defaults.toml");

/// Records that wait for the worker before their partitions are paused.
const BUFFER: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    verifier: reinstate_verifier::Settings,
    group: Group,
    operations: operations::Settings,
    kafka: kafka::Settings,
    database: postgres::Settings,
    blobs: blobs::Settings,
    secrets: Secrets,
    policy: Policy,
    log: Logging,
    traces: Traces,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    session_timeout_ms: u64,
}

impl Settings {
    fn stores(&self) -> stores::Settings<'_> {
        stores::Settings {
            kafka: &self.kafka,
            database: &self.database,
            blobs: &self.blobs,
            secrets: &self.secrets,
            policy: &self.policy,
        }
    }
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
    Telemetry(#[from] telemetry::Error),
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    #[error(transparent)]
    Operations(#[from] operations::Error),
    #[error("signals can't be watched")]
    Signals(#[source] std::io::Error),
}

/// Serves until the process is to end. `models`, when given, is another bundle than the settings name.
pub(super) async fn run(program: &Program, options: Options, models: Option<PathBuf>) -> Result<(), Failure> {
    let defaults = [DEFAULTS, stores::DEFAULTS].concat();
    if options.defaults {
        print!("{defaults}");
        return Ok(());
    }
    let mut settings: Settings = settings::load(&defaults, options.config.as_deref())?;
    if let Some(models) = models {
        settings.verifier.models = models;
    }
    if options.check {
        telemetry::check(&settings.log, &settings.traces)?;
        let policy = stores::check(settings.stores())?;
        let bundle = Bundle::load(given(&settings.verifier.models))?;
        println!("ok: {policy}, models {} {}", bundle.name(), bundle.version());
        return Ok(());
    }
    let telemetry = Telemetry::init(NAME, &settings.log, &settings.traces)?;
    let metrics = Metrics::install()?;
    kafka::describe_metrics();
    let stop = Stop::on_signal().map_err(Failure::Signals)?;

    let stores = Stores::open(settings.stores()).await?;
    let engine = EngineRoom::default();
    let unready = engine.clone();
    let readiness = stores.readiness().with("models", move || unready.unready()).until(stop.clone());
    let operations = Operations::bind(&settings.operations, readiness.shared(), metrics)?;
    tracing::info!(operations = %operations.address(), "listening");
    let operations = operations.serve();

    let mut tasks = JoinSet::new();
    stores.follow(&mut tasks);
    let (starting, program) = (engine.clone(), program.clone());
    let threads = settings.verifier.threads;
    tasks.spawn(async move { starting.start(&program, &settings.verifier).await });
    let membership = Membership {
        group: settings.group.name,
        session_timeout: Duration::from_millis(settings.group.session_timeout_ms),
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
    Arc::new(Worker::new(ports, engine)).run(share, threads, stop).await;
    // Leaves the group, so that the others need not wait for the end of the session.
    tasks.shutdown().await;
    operations.stop(true).await;
    telemetry.finish();
    Ok(())
}
