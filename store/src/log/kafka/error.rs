//! What can be wrong with a Kafka, each in one sentence with the way out.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rdkafka::error::KafkaError;

use crate::log;

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("the Kafka settings are wrong: {0}")]
    Settings(&'static str),
    #[error("the secret in {} can't be read", path.display())]
    SecretFile {
        path: PathBuf,
        #[source]
        source: Arc<std::io::Error>,
    },
    /// librdkafka does not take its configuration: a certificate file that is none, a protocol that was not built in.
    #[error("the Kafka client can't be made")]
    Client(#[source] Arc<KafkaError>),
    #[error("no broker of {brokers} answered within {} seconds{}", waited.as_secs(), said(detail))]
    Unreachable { brokers: String, waited: Duration, detail: String },
    #[error(
        "the brokers at {brokers} refused the user or the password: see security.username and its password{}",
        said(detail)
    )]
    Refused { brokers: String, detail: String },
    /// librdkafka does not say which of these it was.
    #[error(
        "TLS with {brokers} failed: a certificate expired, names another host, or is not signed by whom security.ca_file trusts; \
         `openssl s_client -connect HOST:PORT -CAfile FILE` says which{}",
        said(detail)
    )]
    Tls { brokers: String, detail: String },
    #[error("there is no topic {topic} at {brokers}: `reinstate-projector topic create` makes it")]
    NoTopic { brokers: String, topic: String },
    #[error(
        "topic {topic} has {found} partitions and {configured} are configured: an account's partition depends on their number, which is \
         fixed for ever, so set partitions to what the topic was made with, or make a topic of another name"
    )]
    Partitions { topic: String, found: u32, configured: u32 },
    #[error("topic {topic} is unsafe for a log: {problem}; mend it with: {mend}")]
    Unsafe { topic: String, problem: String, mend: String },
    #[error(
        "topic {topic} has lost its records before {position}: restore it, or make a topic of another name"
    )]
    Truncated { topic: String, position: reinstate_domain::entry::Position },
    #[error("the brokers did not carry out: {what}")]
    Admin {
        what: &'static str,
        #[source]
        source: Arc<KafkaError>,
    },
    #[error("a thread of the Kafka log could not be started")]
    Thread(#[source] Arc<std::io::Error>),
}

fn said(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

impl Error {
    pub(super) fn client(error: KafkaError) -> Self {
        Self::Client(Arc::new(error))
    }

    pub(super) fn admin(what: &'static str) -> impl FnOnce(KafkaError) -> Self {
        move |source| Self::Admin { what, source: Arc::new(source) }
    }
}

/// For the log's port, to which all of this is a log that does not answer.
impl From<Error> for log::Error {
    fn from(error: Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}
