//! A folder with one JSON file per message, for demonstrations and for gateways that fetch. A file appears whole or not at all,
//! and a message that is handed over again takes the same name.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use jiff::Timestamp;
use reinstate_domain::{
    codes::Channel,
    ids::{AccountId, CaseId},
};
use serde::{Deserialize, Serialize};

use super::{Carrier, Message, Undelivered, acknowledged::replace};

#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
}

#[derive(Serialize)]
struct File<'a> {
    channel: Channel,
    to: &'a str,
    code: String,
    account: &'a AccountId,
    reactivation: CaseId,
    sent_at: Timestamp,
}

impl Outbox {
    /// Takes a folder, made (readable by its owner alone) when it does not exist.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }
}

#[async_trait]
impl Carrier for Outbox {
    async fn deliver(&self, message: &Message) -> Result<(), Undelivered> {
        let file = File {
            channel: message.channel,
            to: &message.to,
            code: message.code.reveal(),
            account: &message.account,
            reactivation: message.reactivation,
            sent_at: message.sent_at,
        };
        let bytes = serde_json::to_vec(&file).map_err(|e| Undelivered(Box::new(e)))?;
        let path = self.folder.join(format!("{}.json", message.id));
        let written = tokio::task::spawn_blocking(move || replace(&path, &bytes)).await;
        written.map_err(|e| Undelivered(Box::new(e)))?.map_err(|e| Undelivered(Box::new(e)))
    }

    async fn forget(&self, account: &AccountId) -> Result<(), Undelivered> {
        let (folder, account) = (self.folder.clone(), account.clone());
        let removed = tokio::task::spawn_blocking(move || remove(&folder, &account)).await;
        removed.map_err(|e| Undelivered(Box::new(e)))?.map_err(|e| Undelivered(Box::new(e)))
    }
}

/// Removes an account's messages. A file that somebody else took away meanwhile, or put there, is none of ours.
fn remove(folder: &Path, account: &AccountId) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Addressed {
        account: AccountId,
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(bytes) = fs::read(&path) else { continue };
        let addressed = serde_json::from_slice::<Addressed>(&bytes);
        if addressed.is_ok_and(|message| message.account == *account) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    fs::File::open(folder)?.sync_all()
}
