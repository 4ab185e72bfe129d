//! Connections, and the bounds on everything that is asked over them.

use std::{
    fs, io,
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, TimeoutType, Timeouts,
};
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinHandle;
use tokio_postgres::{
    Client, Config, Connection, Socket,
    config::{Host, SslMode},
    error::SqlState,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Error, Settings};

/// A connection as tokio-postgres makes it, with or without TLS inside.
pub(super) type Wire =
    Connection<Socket, <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream>;

/// What new connections are made of.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    at: Arc<str>,
    timeout: Duration,
    max_clock_difference: Duration,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Connector {
    fn new(settings: &Settings) -> Result<Self, Error> {
        let mut config: Config = settings.url.expose_secret().parse().map_err(Error::Url)?;
        if let Some(path) = &settings.password_file {
            let text =
                fs::read_to_string(path).map_err(|source| Error::File { path: path.clone(), source })?;
            let password = SecretString::from(text.trim_end_matches(['\r', '\n']));
            config.password(password.expose_secret());
        }
        if settings.ca_file.is_some() {
            config.ssl_mode(SslMode::Require);
        } else if config.get_ssl_mode() == SslMode::Require {
            return Err(Error::NoAuthorities);
        } else {
            config.ssl_mode(SslMode::Disable);
        }
        if config.get_application_name().is_none() {
            config.application_name("reinstate");
        }
        let timeout = settings.timeout();
        config.connect_timeout(timeout);
        let max_clock_difference = Duration::from_millis(settings.max_clock_difference_ms);
        Ok(Self { tls: tls(settings)?, at: place(&config), config, timeout, max_clock_difference })
    }

    /// With PostgreSQL's own bounds: it gives up when we do, and frees what it holds.
    fn bounded(&self) -> Config {
        let ms = self.timeout.as_millis();
        let options = format!(
            "{} -c jit=off -c statement_timeout={ms} -c idle_in_transaction_session_timeout={}",
            self.config.get_options().unwrap_or_default(),
            5 * ms
        );
        let mut config = self.config.clone();
        config.options(options);
        config
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn max_clock_difference(&self) -> Duration {
        self.max_clock_difference
    }

    /// Where the server is, for people.
    pub(super) fn place(&self) -> Arc<str> {
        self.at.clone()
    }

    /// A connection that whoever asks drives. Statements on it may take as long as they take.
    pub(super) async fn connect(&self) -> Result<(Client, Wire), Error> {
        match tokio::time::timeout(self.timeout, self.config.connect(self.tls.clone())).await {
            Ok(connected) => connected.map_err(|error| self.refused(error)),
            Err(_) => Err(self.timed_out()),
        }
    }

    /// A connection that drives itself until it is dropped.
    pub(super) async fn dedicated(&self) -> Result<Dedicated, Error> {
        let (client, wire) = self.connect().await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = wire.await {
                // Whoever uses the connection gets the error too, and knows what it means.
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection to PostgreSQL ended");
            }
        });
        Ok(Dedicated::of(client, driver))
    }

    pub(super) fn timed_out(&self) -> Error {
        metrics::counter!("reinstate_postgres_timeouts_total").increment(1);
        Error::TimedOut { at: self.at.clone(), after: self.timeout }
    }

    /// Why there is no connection.
    fn refused(&self, error: tokio_postgres::Error) -> Error {
        let at = self.at.clone();
        if let Some(said) = error.as_db_error() {
            let name = |name: Option<&str>| name.unwrap_or("(none)").to_owned();
            return match said.code() {
                &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                    Error::WrongPassword { at, user: name(self.config.get_user()) }
                }
                &SqlState::INVALID_CATALOG_NAME => {
                    Error::NoDatabase { at, database: name(self.config.get_dbname()) }
                }
                _ => error.into(),
            };
        }
        match certificate_error(&error) {
            Some(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                Error::CertificateExpired { at }
            }
            Some(_) => Error::Tls { at, source: error },
            None => Error::Unreachable { at, source: error },
        }
    }
}

/// What rustls found wrong with the server's certificate, if that is why there is no connection.
fn certificate_error(error: &tokio_postgres::Error) -> Option<&CertificateError> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inside.and_then(|inside| inside.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(why)) => return Some(why),
            _ => source = error.source(),
        }
    }
    None
}

fn tls(settings: &Settings) -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca_file {
        let unfit = |source| Error::Authorities { path: path.clone(), source };
        let pem = fs::read(path).map_err(|source| Error::File { path: path.clone(), source })?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.map_err(|e| unfit(Arc::new(e)))?).map_err(|e| unfit(Arc::new(e)))?;
        }
        if roots.is_empty() {
            return Err(unfit(Arc::new(io::Error::from(io::ErrorKind::UnexpectedEof))));
        }
    }
    #[expect(
        clippy::expect_used,
        reason = "ring has cipher suites for both of the versions that are on by default"
    )]
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3");
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// `HOST:PORT`, for messages.
fn place(config: &Config) -> Arc<str> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "(no host)".to_owned(),
    };
    format!("{host}:{}", config.get_ports().first().unwrap_or(&5432)).into()
}

/// A connection of its own, apart from the pool: for what takes long or must not change hands.
#[derive(Debug)]
pub(super) struct Dedicated {
    client: Client,
    driver: JoinHandle<()>,
}

impl Deref for Dedicated {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Dedicated {
    pub(super) fn of(client: Client, driver: JoinHandle<()>) -> Self {
        Self { client, driver }
    }

    pub(super) fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Dedicated {
    fn drop(&mut self) {
        // Also in the middle of a statement: the server sees the end of the connection and rolls back.
        self.driver.abort();
    }
}

/// The connections for queries.
#[derive(Clone)]
pub(super) struct Pool {
    pool: deadpool_postgres::Pool,
    connector: Connector,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("connector", &self.connector).finish_non_exhaustive()
    }
}

/// A connection of the pool. Goes back only by [`Lease::done`]: one that was dropped in the middle may still be busy with
/// what nobody waits for any more.
pub(super) struct Lease(Option<Object>);

impl Lease {
    pub(super) fn done(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Lease {
    type Target = Object;
    fn deref(&self) -> &Object {
        #[expect(clippy::expect_used, reason = "only `done` and `drop` take it, and both end the lease")]
        self.0.as_ref().expect("a lease has its connection")
    }
}

impl std::ops::DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Object {
        #[expect(clippy::expect_used, reason = "as above")]
        self.0.as_mut().expect("a lease has its connection")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

impl Pool {
    /// Makes no connection yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let connector = Connector::new(settings)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(connector.bounded(), connector.tls.clone(), recycling);
        let bound = Some(connector.timeout);
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(settings.connections.max(1))
            .timeouts(Timeouts { wait: bound, create: bound, recycle: bound })
            .runtime(Runtime::Tokio1);
        #[expect(clippy::expect_used, reason = "it refuses timeouts without a runtime, and there is one")]
        let pool = pool.build().expect("a runtime is set");
        Ok(Self { pool, connector })
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(super) async fn lease(&self) -> Result<Lease, Error> {
        let begin = Instant::now();
        let object = self.pool.get().await;
        metrics::histogram!("reinstate_postgres_pool_wait_seconds").record(begin.elapsed().as_secs_f64());
        object.map(|object| Lease(Some(object))).map_err(|error| match error {
            PoolError::Backend(error) => self.connector.refused(error),
            PoolError::Timeout(TimeoutType::Wait) => Error::Exhausted { after: self.connector.timeout },
            _ => self.connector.timed_out(),
        })
    }

    /// The bound on a piece of work as a whole.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match tokio::time::timeout(self.connector.timeout, work).await {
            Ok(done) => done,
            Err(_) => Err(self.connector.timed_out()),
        }
    }
}
