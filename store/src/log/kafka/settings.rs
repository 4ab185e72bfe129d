//! What an operator says about the Kafka to use, and the client configurations that follow.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rdkafka::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Error;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `host:port` of one broker or more, commas between.
    pub brokers: String,
    #[serde(default = "default::topic")]
    pub topic: String,
    /// What the topic was made with, and is made with. Fixed for ever: an account's partition depends on it.
    #[serde(default = "default::partitions")]
    pub partitions: u32,
    /// Copies of each record.
    #[serde(default = "default::replication")]
    pub replication: u16,
    /// Copies that must be written before a record is acknowledged.
    #[serde(default = "default::min_insync_replicas")]
    pub min_insync_replicas: u16,
    /// Milliseconds after which an append that nobody answered is [`Indeterminate`](crate::log::Appended::Indeterminate).
    #[serde(default = "default::append_timeout_ms")]
    pub append_timeout_ms: u64,
    #[serde(default)]
    pub security: Security,
}

mod default {
    pub(super) fn topic() -> String {
        "reinstate.accounts.v1".to_owned()
    }
    pub(super) const fn partitions() -> u32 {
        8
    }
    pub(super) const fn replication() -> u16 {
        3
    }
    pub(super) const fn min_insync_replicas() -> u16 {
        2
    }
    pub(super) const fn append_timeout_ms() -> u64 {
        5000
    }
}

/// How to speak with the brokers, in librdkafka's words. Of a secret either the text (from the environment) or a file is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    pub protocol: Protocol,
    pub mechanism: Option<Mechanism>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    pub password_file: Option<PathBuf>,
    /// PEM. Who signs the brokers' certificates; the system's authorities when it is absent.
    pub ca_file: Option<PathBuf>,
    /// PEM. Our own certificate and its key, where the brokers ask for one.
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub key_password: Option<SecretString>,
    pub key_password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    #[default]
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Mechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Settings {
    /// With every default.
    #[must_use]
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topic: topic.into(),
            partitions: default::partitions(),
            replication: default::replication(),
            min_insync_replicas: default::min_insync_replicas(),
            append_timeout_ms: default::append_timeout_ms(),
            security: Security::default(),
        }
    }

    #[must_use]
    pub fn append_timeout(&self) -> Duration {
        Duration::from_millis(self.append_timeout_ms)
    }

    /// Looks for what contradicts itself, without asking a broker, and reads the secrets' files.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::SecretFile`].
    pub fn check(&self) -> Result<(), Error> {
        self.client().map(|_| ())
    }

    /// What every client has in common. Times in milliseconds.
    pub(super) fn client(&self) -> Result<ClientConfig, Error> {
        let wrong = |what| Err(Error::Settings(what));
        if self.brokers.split(',').any(|broker| broker.trim().is_empty()) {
            return wrong("brokers is host:port, one or more with commas between");
        }
        if self.topic.is_empty()
            || self.partitions == 0
            || self.replication == 0
            || self.min_insync_replicas == 0
        {
            return wrong("topic, partitions, replication and min_insync_replicas may not be empty or 0");
        }
        if self.min_insync_replicas > self.replication {
            return wrong("min_insync_replicas is more than replication: nothing could ever be written");
        }
        if self.append_timeout_ms < 100 {
            return wrong("append_timeout_ms is at least 100");
        }
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "reinstate")
            .set("allow.auto.create.topics", "false")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("socket.connection.setup.timeout.ms", "3000")
            // A broker that was killed is back within seconds; whoever waits for it should learn so soon.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("retry.backoff.ms", "50")
            .set("retry.backoff.max.ms", "500")
            .set("topic.metadata.refresh.fast.interval.ms", "100");
        self.security.apply(&mut config)?;
        Ok(config)
    }

    /// A consumer that is told what to read. Its group is never joined and nothing is ever committed to it; librdkafka wants one.
    pub(super) fn consumer(&self) -> Result<ClientConfig, Error> {
        let mut config = self.client()?;
        config
            .set("group.id", "reinstate")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // An offset that is not there is a damaged log, not a reason to begin elsewhere.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("check.crcs", "true")
            // Nobody here writes in transactions. Someone who does, and never ends one, must not stop the partition for its readers.
            .set("isolation.level", "read_uncommitted")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.min.bytes", "1")
            .set("fetch.queue.backoff.ms", "1")
            .set("fetch.error.backoff.ms", "50")
            .set("queued.max.messages.kbytes", "8192");
        Ok(config)
    }

    pub(super) fn producer(&self) -> Result<ClientConfig, Error> {
        let mut config = self.client()?;
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "0")
            // What comes while a broker writes goes to it in one piece then. Five requests of a few records each, the default, cost the
            // broker, this process and every reader most of their time (docs/decisions/0100).
            .set("max.in.flight.requests.per.connection", "1")
            .set("message.timeout.ms", self.append_timeout_ms.to_string())
            .set("queue.buffering.max.kbytes", "32768")
            .set("queue.buffering.max.messages", "20000");
        Ok(config)
    }
}

impl Security {
    fn apply(&self, config: &mut ClientConfig) -> Result<(), Error> {
        let wrong = |what| Err(Error::Settings(what));
        let (tls, sasl) = match self.protocol {
            Protocol::Plaintext => (false, false),
            Protocol::Ssl => (true, false),
            Protocol::SaslPlaintext => (false, true),
            Protocol::SaslSsl => (true, true),
        };
        let protocol = match self.protocol {
            Protocol::Plaintext => "plaintext",
            Protocol::Ssl => "ssl",
            Protocol::SaslPlaintext => "sasl_plaintext",
            Protocol::SaslSsl => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        let password = secret(self.password.as_ref(), self.password_file.as_deref())?;
        match (sasl, self.mechanism, &self.username, password) {
            (false, None, None, None) => {}
            (false, ..) => {
                return wrong(
                    "a user, a password or a mechanism needs security.protocol sasl_ssl or sasl_plaintext",
                );
            }
            (true, Some(mechanism), Some(username), Some(password)) => {
                let mechanism = match mechanism {
                    Mechanism::Plain => "PLAIN",
                    Mechanism::ScramSha256 => "SCRAM-SHA-256",
                    Mechanism::ScramSha512 => "SCRAM-SHA-512",
                };
                config.set("sasl.mechanism", mechanism).set("sasl.username", username);
                config.set("sasl.password", password.expose_secret());
            }
            (true, ..) => return wrong("SASL needs security.mechanism, security.username and a password"),
        }
        let key_password = secret(self.key_password.as_ref(), self.key_password_file.as_deref())?;
        let files = [
            ("ssl.ca.location", &self.ca_file),
            ("ssl.certificate.location", &self.certificate_file),
            ("ssl.key.location", &self.key_file),
        ];
        for (name, file) in files {
            let Some(file) = file else { continue };
            if !tls {
                return wrong("certificates need security.protocol ssl or sasl_ssl");
            }
            let Some(file) = file.to_str() else { return wrong("a file's name is not UTF-8") };
            config.set(name, file);
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return wrong("security.certificate_file and security.key_file go together");
        }
        if let Some(password) = key_password {
            config.set("ssl.key.password", password.expose_secret());
        }
        Ok(())
    }
}

fn secret(text: Option<&SecretString>, file: Option<&Path>) -> Result<Option<SecretString>, Error> {
    match (text, file) {
        (Some(_), Some(_)) => Err(Error::Settings("a secret is given both as text and as a file")),
        (Some(text), None) => Ok(Some(text.clone())),
        (None, None) => Ok(None),
        (None, Some(path)) => match fs::read_to_string(path) {
            // Editors end a file with a line break; no secret does.
            Ok(text) => Ok(Some(SecretString::from(text.trim_end_matches(['\r', '\n'])))),
            Err(source) => Err(Error::SecretFile { path: path.to_owned(), source: Arc::new(source) }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(security: &str) -> Result<Settings, toml::de::Error> {
        toml::from_str(&format!("brokers = 'b:1'\n[security]\n{security}"))
    }

    #[test]
    fn contradictions_are_told_before_a_broker_is_asked() {
        for (security, what) in [
            ("username = 'u'", "sasl"),
            ("protocol = 'sasl_ssl'\nusername = 'u'\npassword = 'p'", "mechanism"),
            (
                "protocol = 'sasl_ssl'\nmechanism = 'PLAIN'\nusername = 'u'\npassword = 'p'\npassword_file = 'f'",
                "both",
            ),
            ("ca_file = 'ca.pem'", "certificates"),
            ("protocol = 'ssl'\nkey_file = 'k.pem'", "together"),
        ] {
            let refused = settings(security).unwrap().check().unwrap_err();
            assert!(refused.to_string().contains(what), "{security}: {refused}");
        }
        let mut wrong = Settings::new("b:1,", "t");
        assert!(matches!(wrong.check(), Err(Error::Settings(what)) if what.contains("brokers")));
        wrong.brokers = "b:1".to_owned();
        wrong.check().unwrap();
        wrong.min_insync_replicas = 4;
        assert!(
            matches!(wrong.check(), Err(Error::Settings(what)) if what.contains("never") || what.contains("ever"))
        );
        assert!(settings("pasword = 'p'").is_err());
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let security = format!(
            "protocol = 'sasl_plaintext'\nmechanism = 'SCRAM-SHA-512'\nusername = 'u'\npassword_file = '{}'",
            file.display()
        );
        let settings = settings(&security).unwrap();
        assert!(matches!(settings.check(), Err(Error::SecretFile { path, .. }) if path == file));
        fs::write(&file, "hunter2\n").unwrap();
        assert_eq!(settings.client().unwrap().get("sasl.password"), Some("hunter2"));
        let mut in_text = settings;
        in_text.security.password_file = None;
        in_text.security.password = Some("hunter2".into());
        assert!(!format!("{in_text:?}").contains("hunter2"));
    }
}
