//! The accounts' own keys, outside the log. Deleting one erases a person: what it sealed can't be opened again, in no
//! log, blob or backup of them, while every hash still verifies.

mod sqlite;

use std::path::PathBuf;

use async_trait::async_trait;
use reinstate_domain::ids::AccountId;
use zeroize::Zeroizing;

pub use self::sqlite::SqliteKeys;

use crate::{
    master::Secret,
    seal::{self, DataKey, decrypt, encrypt},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account had a key, which was erased. It never gets another one.
    #[error("the account's key was erased")]
    Erased,
    #[error("the store of keys does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the disk under the store of keys is full")]
    Full,
    /// The master key is another one than the account's key was wrapped with, or the store is damaged.
    #[error("the account's key can't be unwrapped")]
    Unwrap(#[source] seal::Error),
    #[error("{} was written by a newer version: its format is {found}, this program knows up to {known}", path.display())]
    NewerVersion { path: PathBuf, found: i64, known: i64 },
    /// The key is gone from the store and its bytes may still be on the disk.
    #[error("the erased key's bytes could not be wiped yet; erase it again")]
    NotWiped,
    #[error("the system has no randomness to give")]
    Random,
}

/// Where the keys are kept.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The account's key, made and durably kept if it has none.
    ///
    /// # Errors
    /// [`Error::Erased`] for an account whose key was erased.
    async fn create_or_get(&self, account: &AccountId) -> Result<DataKey, Error>;

    /// The account's key; `None` when it has none, or none any more.
    async fn get(&self, account: &AccountId) -> Result<Option<DataKey>, Error>;

    /// Destroys the account's key for ever, also for an account that has none yet. When this returns, nothing in the store can
    /// bring it back. Says whether there was one. Again is the same as once.
    async fn erase(&self, account: &AccountId) -> Result<bool, Error>;
}

/// A fresh key, and the bytes to keep of it: wrapped, and bound to its account, so that keys can't be exchanged in the store.
pub(crate) fn make(wrapping: &Secret, account: &AccountId) -> Result<(DataKey, Vec<u8>), Error> {
    let key = DataKey::random().map_err(|_| Error::Random)?;
    let wrapped = encrypt(wrapping, &aad(account), key.secret().expose()).map_err(|_| Error::Random)?;
    Ok((key, wrapped))
}

/// The key out of the bytes that [`make`] said to keep.
pub(crate) fn unwrap(wrapping: &Secret, account: &AccountId, wrapped: &[u8]) -> Result<DataKey, Error> {
    let bytes = decrypt(wrapping, &aad(account), wrapped).map_err(Error::Unwrap)?;
    let bytes: Zeroizing<[u8; 32]> =
        Zeroizing::new(bytes[..].try_into().map_err(|_| Error::Unwrap(seal::Error::DoesNotOpen))?);
    Ok(DataKey::from_bytes(*bytes))
}

fn aad(account: &AccountId) -> Vec<u8> {
    [b"account key\0", account.as_str().as_bytes()].concat()
}
