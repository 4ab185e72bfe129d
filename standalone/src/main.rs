//! `reinstate`: api, verifier and projector in one process on the embedded log.

mod dev;
mod settings;
mod system;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;
use crate::system::System;

/// Gives locked exchange accounts back to their owners.
#[derive(Parser)]
#[command(name = "reinstate", version)]
struct Arguments {
    /// Settings that override the defaults. Every key is also an environment variable: REINSTATE_SECTION__KEY.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Checks the settings, the policy, the keys and the models, says what is wrong, and exits.
    #[arg(long)]
    check: bool,
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
    Settings(#[from] settings::Error),
    #[error(transparent)]
    Dev(#[from] dev::Error),
    #[error(transparent)]
    System(#[from] system::Error),
    #[error("log.level is not a level or a filter")]
    Level(#[source] tracing_subscriber::filter::ParseError),
    #[error("metrics can't be recorded")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    #[error("signals can't be watched")]
    Signals(#[source] std::io::Error),
    #[error("the server failed")]
    Serve(#[source] std::io::Error),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match actix_web::rt::System::new().block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("reinstate: {}", in_one_line(&failure));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut settings = Settings::load(arguments.config.as_deref())?;
    let keys = match &arguments.dev {
        Some(folder) => Some(dev::Keys::prepare(folder, &mut settings)?),
        None => None,
    };
    if let Some(listen) = arguments.listen {
        settings.api.listen = listen;
    }
    let filter = EnvFilter::try_new(&settings.log.level).map_err(Failure::Level)?;
    if arguments.check {
        let checked = system::check(&settings, keys.is_some())?;
        println!("{checked}");
        return Ok(());
    }
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let metrics =
        metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().map_err(Failure::Metrics)?;

    let system = System::start(&settings, keys.is_some()).await?;
    let application = system.listen(&settings, metrics)?;
    if let Some(keys) = &keys {
        keys.announce(application.address(), application.operations_address(), &settings)?;
    }
    tracing::info!(
        address = %application.address(), operations = %application.operations_address(), "listening"
    );
    let stop = application.stopper();
    let mut signals = Signals::watch().map_err(Failure::Signals)?;
    actix_web::rt::spawn(async move {
        signals.next().await;
        tracing::info!("stopping: what was accepted is answered first");
        stop.stop().await;
    });
    application.run().await.map_err(Failure::Serve)?;
    system.stop().await;
    Ok(())
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn watch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// An error and its causes, for a person at a terminal.
fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(text.trim());
        }
        cause = inner.source();
    }
    line.replace('\n', " ")
}
