//! `reinstate-api`: the interface, in as many instances as are wanted.

use std::process::ExitCode;
use std::sync::Arc;

use actix_web::web;
use clap::Parser;
use reinstate_api::{Application, KeySettings, Keys, Ports, Service, SystemClock};
use reinstate_process::settings::{self, Logging, Policy, Secrets, Traces};
use reinstate_process::{
    Metrics, Operations, Options, Stop, Stores, Telemetry, metrics, operations, stores, telemetry,
};
use reinstate_store::{blobs, log::kafka, postgres};
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    api: reinstate_api::Settings,
    auth: KeySettings,
    operations: operations::Settings,
    kafka: kafka::Settings,
    database: postgres::Settings,
    blobs: blobs::Settings,
    secrets: Secrets,
    policy: Policy,
    log: Logging,
    traces: Traces,
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
    Telemetry(#[from] telemetry::Error),
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    #[error(transparent)]
    Operations(#[from] operations::Error),
    #[error(transparent)]
    Listen(#[from] reinstate_api::Error),
    #[error("signals can't be watched")]
    Signals(#[source] std::io::Error),
    #[error("the server failed")]
    Serve(#[source] std::io::Error),
}

fn main() -> ExitCode {
    reinstate_process::run_web(NAME, run(Arguments::parse().options))
}

async fn run(options: Options) -> Result<(), Failure> {
    let defaults = [DEFAULTS, stores::DEFAULTS].concat();
    if options.defaults {
        print!("{defaults}");
        return Ok(());
    }
    let settings: Settings = settings::load(&defaults, options.config.as_deref())?;
    let keys = Keys::new(&settings.auth)?;
    if options.check {
        telemetry::check(&settings.log, &settings.traces)?;
        println!("ok: {}", stores::check(settings.stores())?);
        return Ok(());
    }
    let telemetry = Telemetry::init(NAME, &settings.log, &settings.traces)?;
    let metrics = Metrics::install()?;
    kafka::describe_metrics();
    let stop = Stop::on_signal().map_err(Failure::Signals)?;

    let stores = Stores::open(settings.stores()).await?;
    let readiness = stores.readiness().until(stop.clone()).shared();
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
        stop,
    };
    let service = web::Data::new(Service::new(ports, keys, &stores.master));
    let application = Application::build(&settings.api, service)?;
    let operations = Operations::bind(&settings.operations, readiness, metrics)?;
    tracing::info!(address = %application.address(), operations = %operations.address(), "listening");
    let operations = operations.serve();
    application.run().await.map_err(Failure::Serve)?;
    tasks.shutdown().await;
    operations.stop(true).await;
    telemetry.finish();
    Ok(())
}
