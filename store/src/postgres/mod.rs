//! PostgreSQL, for services that run as several processes: the read models with their checkpoints, the accounts' keys, the
//! verifiers' attempts. Rows are made of the log and can be made again; keys can't.
//!
//! What whoever calls may rely on:
//! - Nothing here waits longer than [`Settings::timeout`] for the server, also when it is stopped in the middle of an answer
//!   ([`Error::TimedOut`]), and everything comes back by itself when the server does.
//! - Rows and the checkpoint of their partition change in one transaction.
//! - Queries are never held up by a rebuild: it fills another [`generation`] beside the rows that they see.

mod apply;
mod attempts;
mod clock;
mod connect;
pub mod generation;
pub mod hold;
mod keys;
mod listen;
mod load;
mod queries;
mod rows;
mod schema;
pub mod snapshot;

use std::{path::PathBuf, sync::Arc, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

pub use self::{
    attempts::PostgresAttempts,
    keys::PostgresKeys,
    load::{Loader, Spilled},
};
use self::{connect::Pool, listen::Feed};
use crate::clock::{Difference, SharedClock};
use crate::log;

/// How PostgreSQL is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `postgres://USER@HOST:PORT/DATABASE`, or `host=… dbname=…`, as libpq takes it. May hold the password; does not print.
    pub url: SecretString,
    /// A file that holds the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The certificates (PEM) of the authorities that may vouch for the server. With them every connection is TLS, and the server's
    /// certificate and name are checked. Without them no connection is.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The most connections of this process for queries. A listener, and a rebuild while it runs, have their own.
    #[serde(default = "connections")]
    pub connections: usize,
    /// Milliseconds after which the server counts as unavailable.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// Milliseconds by which this host's clock may differ from the server's.
    #[serde(default = "max_clock_difference_ms")]
    pub max_clock_difference_ms: u64,
}

fn connections() -> usize {
    16
}

fn timeout_ms() -> u64 {
    2000
}

/// NTP keeps hosts within some milliseconds; a code is good for half an hour, an account waits for two.
fn max_clock_difference_ms() -> u64 {
    5000
}

impl Settings {
    /// This URL, and the defaults.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            password_file: None,
            ca_file: None,
            connections: connections(),
            timeout_ms: timeout_ms(),
            max_clock_difference_ms: max_clock_difference_ms(),
        }
    }

    /// The bound on every answer, with the wait for a connection.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// What is wrong, and the way out. None of these texts has a password, and none has a row's content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database's URL can't be understood; it is postgres://USER@HOST:PORT/DATABASE")]
    Url(#[source] tokio_postgres::Error),
    #[error(
        "the database's URL asks for TLS (sslmode=require): name the authorities' certificates in ca_file"
    )]
    NoAuthorities,
    #[error("{} can't be read", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{} has no certificate in PEM form", path.display())]
    Authorities {
        path: PathBuf,
        #[source]
        source: log::Cause,
    },
    #[error("PostgreSQL at {at} can't be reached")]
    Unreachable { at: Arc<str>, source: tokio_postgres::Error },
    #[error("PostgreSQL at {at} refuses the user {user}: mend the password in the URL or in password_file")]
    WrongPassword { at: Arc<str>, user: String },
    #[error("PostgreSQL at {at} has no database {database}: create it, or mend the URL")]
    NoDatabase { at: Arc<str>, database: String },
    #[error("the certificate of PostgreSQL at {at} has expired: renew it on the server")]
    CertificateExpired { at: Arc<str> },
    #[error(
        "no TLS with PostgreSQL at {at}: its certificate must be for that name and from an authority in ca_file"
    )]
    Tls { at: Arc<str>, source: tokio_postgres::Error },
    #[error("PostgreSQL at {at} did not answer within {} ms", after.as_millis())]
    TimedOut { at: Arc<str>, after: Duration },
    #[error("every connection to PostgreSQL was in use for {} ms", after.as_millis())]
    Exhausted { after: Duration },
    #[error("PostgreSQL broke the connection off")]
    Broken(#[source] tokio_postgres::Error),
    /// What the server said, without the rows that it said it about.
    #[error("PostgreSQL refused a statement: {message} ({code})")]
    Refused { code: String, message: String },
    #[error("the migrations of {schema} can't be run")]
    Migration {
        schema: &'static str,
        #[source]
        source: Box<refinery::Error>,
    },
    #[error(
        "the database's schema {schema} is of version {found} and this program knows up to {known}: run the newer version, or give this one another database"
    )]
    NewerVersion { schema: &'static str, found: i32, known: i32 },
    #[error(
        "the database's rows were made of {built_from} and the log is {log}: point to that log again or to another database, or drop the schema reinstate and its generations (never reinstate_keys) to have the rows made anew"
    )]
    AnotherLog { built_from: String, log: String },
    #[error(transparent)]
    Clock(Difference),
    #[error("a rebuild, a check or a retry is at work on the database already")]
    AtWork,
    #[error("the row of {what} in the database can't be read back")]
    Damaged {
        what: String,
        #[source]
        source: log::Cause,
    },
    #[error("a row can't be written as JSON")]
    Json(#[source] serde_json::Error),
    #[error("the system has no randomness to give")]
    Random,
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(said) => {
                Self::Refused { code: said.code().code().to_owned(), message: said.message().to_owned() }
            }
            None => Self::Broken(error),
        }
    }
}

/// The read models in PostgreSQL. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Postgres {
    pool: Pool,
    tables: Arc<rows::Tables>,
    feed: Arc<Feed>,
}

impl Postgres {
    /// Connects, compares the clocks, brings the schema up to date (one process at a time), and checks that the rows were made of
    /// this log. A database without rows is this log's from now on. `None` when the log has no identity or the caller does not know it: nothing
    /// is compared.
    ///
    /// # Errors
    /// One sentence that names what is wrong and the way out. Nothing was written in the database, except for migrations.
    pub async fn open(settings: &Settings, log: Option<&log::Identity>) -> Result<Self, Error> {
        let pool = Pool::new(settings)?;
        clock::compare(pool.connector()).await?;
        schema::migrate_read_models(pool.connector()).await?;
        if let Some(log) = log {
            schema::claim(pool.connector(), log).await?;
        }
        let feed = Feed::start(pool.connector().clone());
        Ok(Self { pool, tables: Arc::new(rows::Tables::live()), feed })
    }

    /// What is wrong with the database at the moment, in a sentence for `readyz`. `None`: nothing.
    #[must_use]
    pub fn health(&self) -> Option<String> {
        self.feed.trouble()
    }
}

impl SharedClock for Postgres {
    fn difference(&self) -> Option<Difference> {
        self.feed.clock()
    }
}
