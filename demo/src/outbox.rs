//! The folder in which the `outbox` courier leaves its messages: the demo's phone and mailbox.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;

/// How long a message may take from the answer that promised it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the folder is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// A message can't be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the outbox {folder} can't be read")]
    Folder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("no {channel} code number {number} came into the outbox within {} s", PATIENCE.as_secs())]
    NoMessage { channel: String, number: usize },
}

/// A message with a code.
#[derive(Deserialize)]
struct Message {
    channel: String,
    code: String,
    reactivation: String,
    sent_at: Timestamp,
}

/// Reads messages; changes nothing.
#[derive(Debug, Clone)]
pub struct Outbox(PathBuf);

impl Outbox {
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The codes of a reactivation's channel, oldest first. The courier delivers at least once: a repeat counts once.
    ///
    /// # Errors
    /// When the folder can't be read. One that is not there yet holds nothing.
    pub fn codes(&self, reactivation: &str, channel: &str) -> Result<Vec<String>, Error> {
        let failed = |source| Error::Folder { folder: self.0.clone(), source };
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut messages = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            // A file that is still being written is read the next time; one that is no code is not ours.
            let Ok(text) = fs::read(&path) else { continue };
            let Ok(message) = serde_json::from_slice::<Message>(&text) else { continue };
            if message.reactivation == reactivation && message.channel == channel {
                messages.push(message);
            }
        }
        messages.sort_by_key(|message| message.sent_at);
        let mut codes: Vec<String> = Vec::new();
        for message in messages {
            if !codes.contains(&message.code) {
                codes.push(message.code);
            }
        }
        Ok(codes)
    }

    /// Waits for the code with this number, from 1, of a reactivation's channel.
    ///
    /// # Errors
    /// When it does not come in time, or the folder can't be read.
    pub fn wait_for_code(&self, reactivation: &str, channel: &str, number: usize) -> Result<String, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(code) = self.codes(reactivation, channel)?.get(number.saturating_sub(1)) {
                return Ok(code.clone());
            }
            if Instant::now() >= deadline {
                return Err(Error::NoMessage { channel: channel.to_owned(), number });
            }
            thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, channel: &str, code: &str, second: u8) {
        let message = format!(
            r#"{{"channel":"{channel}","to":"+1","code":"{code}","account":"a","reactivation":"r","sent_at":"2026-01-01T00:00:{second:02}Z"}}"#
        );
        fs::write(folder.join(name), message).unwrap();
    }

    #[test]
    fn codes_come_in_the_order_of_their_sending_and_a_repeat_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "z.json", "phone", "111111", 1);
        write(folder.path(), "a.json", "phone", "222222", 9);
        write(folder.path(), "b.json", "phone", "111111", 5);
        write(folder.path(), "c.json", "email", "333333", 2);
        write(folder.path(), "d.tmp", "phone", "444444", 3);
        fs::write(folder.path().join("half.json"), "{\"channel\":").unwrap();
        let outbox = Outbox::new(folder.path());
        assert_eq!(outbox.codes("r", "phone").unwrap(), ["111111", "222222"]);
        assert_eq!(outbox.wait_for_code("r", "email", 1).unwrap(), "333333");
        assert!(outbox.codes("other", "phone").unwrap().is_empty());
    }

    #[test]
    fn a_folder_that_is_not_there_yet_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::new(&folder.path().join("later"));
        assert!(outbox.codes("r", "phone").unwrap().is_empty());
    }
}
