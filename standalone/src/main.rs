//! `reinstate`: api, verifier and projector in one process on the embedded log.

mod dev;
mod settings;
mod system;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use reinstate_process::{Operations, Running, operations, service, telemetry};
use reinstate_verifier::contain::{self, Program};

use crate::settings::{DEFAULTS, Settings};
use crate::system::System;

/// Gives locked exchange accounts back to their owners.
#[derive(Parser)]
#[command(name = "reinstate", version)]
struct Arguments {
    #[command(flatten)]
    process: reinstate_process::Options,
    /// For one machine: keys, data and outbox in this folder, made when it is new, and written down in its dev.env.
    #[arg(long, value_name = "DIR")]
    dev: Option<PathBuf>,
    /// Where the interface listens; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Settings(#[from] reinstate_process::settings::Error),
    #[error(transparent)]
    Dev(#[from] dev::Error),
    #[error(transparent)]
    System(#[from] system::Error),
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    #[error(transparent)]
    Service(#[from] service::Error),
    #[error(transparent)]
    Operations(#[from] operations::Error),
    #[error("the server failed")]
    Serve(#[source] std::io::Error),
}

fn main() -> ExitCode {
    let program = contain::enter();
    reinstate_process::run_web("reinstate", run(&program, Arguments::parse()))
}

async fn run(program: &Program, arguments: Arguments) -> Result<(), Failure> {
    if arguments.process.defaults {
        print!("{DEFAULTS}");
        return Ok(());
    }
    let mut settings = Settings::load(arguments.process.config.as_deref())?;
    let keys = match &arguments.dev {
        Some(folder) => Some(dev::Keys::prepare(folder, &mut settings)?),
        None => None,
    };
    if let Some(listen) = arguments.listen {
        settings.api.listen = listen;
    }
    if arguments.process.check {
        telemetry::check(&settings.log, &settings.traces)?;
        println!("{}", system::check(&settings, keys.is_some())?);
        return Ok(());
    }
    let running = Running::begin("reinstate", &settings.log, &settings.traces)?;

    let system = System::start(program, &settings, keys.is_some(), running.stop.clone()).await?;
    let application = system.listen(&settings)?;
    let operations = Operations::bind(&settings.operations, system.readiness(), running.metrics.clone())?;
    if let Some(keys) = &keys {
        keys.announce(application.address(), operations.address(), &settings)?;
    }
    tracing::info!(address = %application.address(), operations = %operations.address(), "listening");
    let operations = operations.serve();
    application.run().await.map_err(Failure::Serve)?;
    system.stop().await;
    operations.stop(true).await;
    running.end();
    Ok(())
}
