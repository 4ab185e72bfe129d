//! What librdkafka tells about a client as a whole, and how a client is made.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{Error, Settings};

/// How long a question to the brokers may take while a service starts.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps the newest thing that went wrong with a client, for whoever finds that it does not answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    newest: Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>,
}

impl Watched {
    /// Why the brokers did not answer, as far as the client knows.
    pub(super) fn unreachable(&self, settings: &Settings, waited: Duration, last: &KafkaError) -> Error {
        let brokers = settings.brokers.clone();
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match newest {
            Some((RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed, detail)) => {
                Error::Refused { brokers, detail }
            }
            Some((RDKafkaErrorCode::SSL, detail)) => Error::Tls { brokers, detail },
            Some((_, detail)) => Error::Unreachable { brokers, waited, detail },
            None => Error::Unreachable { brokers, waited, detail: last.to_string() },
        }
    }

    /// Whether nothing but other settings can help.
    fn is_refused(&self) -> bool {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(
            newest.as_ref().map(|(code, _)| *code),
            Some(
                RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::SSL
            )
        )
    }
}

impl ClientContext for Watched {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
                tracing::info!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        // The end of a partition is told as an error.
        if code == RDKafkaErrorCode::PartitionEOF {
            return;
        }
        tracing::debug!(%error, reason, "the Kafka client reports an error");
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        // "All brokers are down" follows what brought them down, and says less.
        if newest.is_none() || code != RDKafkaErrorCode::AllBrokersDown {
            *newest = Some((code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Watched {}

pub(super) type Consumer = BaseConsumer<Watched>;

pub(super) fn consumer(config: &ClientConfig) -> Result<Consumer, Error> {
    config.create_with_context(Watched::default()).map_err(Error::client)
}

/// Lets the client tell its context what went wrong, which it does while it is polled, among its log lines. It must not have been told to
/// read anything.
pub(super) fn hear(consumer: &Consumer) {
    let begin = Instant::now();
    while let Some(left) = Duration::from_millis(20).checked_sub(begin.elapsed()) {
        // Whatever comes has been told by then.
        let _ = consumer.poll(left);
    }
}

/// Asks until the brokers answer, [`PATIENCE`] is over, or it is clear that they never will. Blocks.
pub(super) fn ask<T>(
    consumer: &Consumer,
    settings: &Settings,
    question: impl Fn(Duration) -> Result<T, KafkaError>,
) -> Result<T, Error> {
    let begin = Instant::now();
    loop {
        let failed = match question(Duration::from_secs(1)) {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        hear(consumer);
        if consumer.context().is_refused() || begin.elapsed() >= PATIENCE {
            return Err(consumer.context().unreachable(settings, begin.elapsed(), &failed));
        }
    }
}
