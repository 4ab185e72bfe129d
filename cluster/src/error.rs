//! Why services did not start, become ready or end.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::{kafka, postgres};

/// How long a service may take to become ready, with other work on the machine, and to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    #[error("{} can't be used", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not built: cargo build -p {name}", path.display())]
    NotBuilt { name: &'static str, path: PathBuf },
    #[error("{name} could not be run")]
    NotRun {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("{name} ended; the end of {} says: {said}", log.display())]
    Ended { name: String, log: PathBuf, said: String },
    #[error("{name} did not {what} within {} s; see {}", PATIENCE.as_secs(), log.display())]
    Late { name: String, what: &'static str, log: PathBuf },
}
