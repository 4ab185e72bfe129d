//! What librdkafka tells about a client as a whole, and how a client is made.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
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
    pub(super) fn unreachable(&self, settings: &Settings, waited: Duration) -> Error {
        let brokers = settings.brokers.clone();
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match newest {
            Some((RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed, detail)) => {
                Error::Refused { brokers, detail }
            }
            Some((RDKafkaErrorCode::SSL, detail)) => Error::Tls { brokers, detail },
            Some((_, detail)) => Error::Unreachable { brokers, waited, detail },
            None => Error::Unreachable { brokers, waited, detail: String::new() },
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

/// Asks until the brokers answer, [`PATIENCE`] is over, or it is clear that they never will. Blocks.
pub(super) fn ask<T>(
    consumer: &Consumer,
    settings: &Settings,
    question: impl Fn(Duration) -> Result<T, KafkaError>,
) -> Result<T, Error> {
    use rdkafka::consumer::Consumer as _;

    let begin = std::time::Instant::now();
    loop {
        let answer = question(Duration::from_secs(1));
        if let Ok(answer) = answer {
            return Ok(answer);
        }
        // What went wrong is told while the client is polled.
        let _ = consumer.poll(Duration::ZERO);
        if consumer.context().is_refused() || begin.elapsed() >= PATIENCE {
            return Err(consumer.context().unreachable(settings, begin.elapsed()));
        }
    }
}
