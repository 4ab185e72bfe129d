//! What every service does around its own work: settings, JSON logs, traces, metrics, the operations port, signals. What a
//! service is for stays in the service.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

pub mod metrics;
pub mod operations;
pub mod policy;
pub mod readiness;
pub mod secrets;
pub mod service;
pub mod settings;
pub mod stop;
pub mod stores;
pub mod telemetry;
pub mod trace;

pub use metrics::Metrics;
pub use operations::Operations;
pub use readiness::Readiness;
pub use service::Running;
pub use stop::Stop;
pub use stores::Stores;
pub use telemetry::Telemetry;

/// How long blocking work (a picture that is being examined) may hold up the end of the process.
const LAST_WORK: Duration = Duration::from_secs(5);

/// What every service understands on its command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Settings that override the defaults. Every key is also an environment variable: REINSTATE_SECTION__KEY.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Checks the settings and everything that can be checked without the network, says what is wrong, and exits.
    #[arg(long)]
    pub check: bool,
    /// Prints the commented defaults, for a file of one's own, and exits.
    #[arg(long)]
    pub defaults: bool,
}

/// Runs a program to its end on threads that share their work. An error becomes one line on standard error.
pub fn run<E: Error>(name: &str, program: impl Future<Output = Result<(), E>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{name}: the runtime can't be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(program);
    runtime.shutdown_timeout(LAST_WORK);
    exit(name, ended)
}

/// As [`run`], for a program that serves the web: each thread that serves requests has its own input and output, so that a
/// request never changes threads.
pub fn run_web<E: Error>(name: &str, program: impl Future<Output = Result<(), E>>) -> ExitCode {
    exit(name, actix_web::rt::System::new().block_on(program))
}

fn exit<E: Error>(name: &str, ended: Result<(), E>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {}", in_one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, for a person at a terminal or for `readyz`.
#[must_use]
pub fn in_one_line(error: &dyn Error) -> String {
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
