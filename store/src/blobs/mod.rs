//! Pictures and documents by the hash of their stored bytes: a name can't point to anything else, and an auditor checks a
//! blob without any key.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, memory::InMemory, path::Path as Key,
};
use reinstate_domain::{
    entry::Hash,
    ids::AccountId,
    sealed::{BlobId, Sealed},
};
use zeroize::Zeroizing;

use crate::seal::{self, DataKey};

mod place;

pub use place::{S3, Settings};

/// The purpose that images are sealed for.
const PURPOSE: &str = "blob";

/// The longest blob, sealed, in bytes: the contract's 10 MiB image with room to spare.
pub const MAX_BLOB: usize = 16 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no blob {0}")]
    NotFound(Hash),
    /// The stored bytes are not the ones of this name.
    #[error("the blob {0} is damaged")]
    Damaged(Hash),
    #[error("a blob of {size} bytes is longer than {MAX_BLOB}")]
    TooLarge { size: usize },
    #[error("the disk under the blobs is full")]
    Full,
    #[error("the store of blobs does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the settings of the blobs are wrong: {0}")]
    Settings(&'static str),
    #[error("the secret in {} can't be read", path.display())]
    SecretFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the blob can't be sealed or opened")]
    Seal(#[source] seal::Error),
}

/// Sealed images.
#[derive(Debug, Clone)]
pub struct Blobs(Addressed);

impl Blobs {
    /// In the place that the settings name.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::SecretFile`], [`Error::Unavailable`].
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self(Addressed { store: settings.open("blobs")? }))
    }

    /// In a folder that may not exist, for someone who only reads: nothing is made.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the folder can't be used.
    pub fn local_to_read(folder: &Path) -> Result<Self, Error> {
        Addressed::local_to_read(folder).map(Self)
    }

    /// In a folder of this machine, made when it does not exist.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the folder can't be used.
    pub fn local(folder: &Path) -> Result<Self, Error> {
        Addressed::local(folder).map(Self)
    }

    /// Seals the bytes under the account's key and keeps them; durable when this returns. Nothing is ever overwritten: sealing
    /// the same bytes again gives another blob.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Full`], [`Error::Unavailable`]: then nothing may refer to it.
    pub async fn put(&self, key: &DataKey, account: &AccountId, bytes: &[u8]) -> Result<BlobId, Error> {
        let sealed = seal::seal(key, account, PURPOSE, bytes).map_err(Error::Seal)?;
        self.0.put(Bytes::copy_from_slice(sealed.as_bytes())).await.map(BlobId)
    }

    /// The bytes as they were put. Wiped when dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`], [`Error::Seal`] under another key or account, [`Error::Unavailable`].
    pub async fn get(
        &self,
        key: &DataKey,
        account: &AccountId,
        id: BlobId,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let sealed = Sealed::from_bytes(self.0.get(id.0).await?.into());
        seal::open(key, account, PURPOSE, &sealed).map_err(Error::Seal)
    }

    /// Checks the stored bytes against the name, without any key.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`], [`Error::Unavailable`].
    pub async fn verify(&self, id: BlobId) -> Result<(), Error> {
        self.0.get(id.0).await.map(|_| ())
    }
}

/// Policies and bundle manifests that events name by hash. Kept for ever and not sealed: there is nothing personal in them.
#[derive(Debug, Clone)]
pub struct Artefacts(Addressed);

impl Artefacts {
    /// In the place that the settings name.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::SecretFile`], [`Error::Unavailable`].
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self(Addressed { store: settings.open("artefacts")? }))
    }

    /// In a folder that may not exist, for someone who only reads: nothing is made.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the folder can't be used.
    pub fn local_to_read(folder: &Path) -> Result<Self, Error> {
        Addressed::local_to_read(folder).map(Self)
    }

    /// In a folder of this machine, made when it does not exist.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the folder can't be used.
    pub fn local(folder: &Path) -> Result<Self, Error> {
        Addressed::local(folder).map(Self)
    }

    /// Keeps the bytes under their own hash; durable when this returns. Again is the same as once.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Full`], [`Error::Unavailable`].
    pub async fn put(&self, bytes: Bytes) -> Result<Hash, Error> {
        self.0.put(bytes).await
    }

    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`], [`Error::Unavailable`].
    pub async fn get(&self, hash: Hash) -> Result<Bytes, Error> {
        self.0.get(hash).await
    }
}

/// Bytes by their hash.
#[derive(Debug, Clone)]
struct Addressed {
    store: Arc<dyn ObjectStore>,
}

impl Addressed {
    fn local(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(|e| Error::Unavailable(Box::new(e)))?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?.with_fsync(true);
        Ok(Self { store: Arc::new(store) })
    }

    /// A folder that does not exist is an empty store.
    fn local_to_read(folder: &Path) -> Result<Self, Error> {
        if folder.is_dir() { Self::local(folder) } else { Ok(Self { store: Arc::new(InMemory::new()) }) }
    }

    async fn put(&self, bytes: Bytes) -> Result<Hash, Error> {
        if bytes.len() > MAX_BLOB {
            return Err(Error::TooLarge { size: bytes.len() });
        }
        let hash = Hash::of(&bytes);
        self.store.put(&key(hash), PutPayload::from_bytes(bytes)).await.map_err(failed)?;
        Ok(hash)
    }

    async fn get(&self, hash: Hash) -> Result<Bytes, Error> {
        let found = match self.store.get(&key(hash)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Err(Error::NotFound(hash)),
            Err(error) => return Err(failed(error)),
        };
        if found.meta.size > MAX_BLOB as u64 {
            return Err(Error::Damaged(hash));
        }
        let bytes = found.bytes().await.map_err(failed)?;
        if Hash::of(&bytes) == hash { Ok(bytes) } else { Err(Error::Damaged(hash)) }
    }
}

/// `ab/cdef…`: the first byte makes folders, so that none gets too full.
fn key(hash: Hash) -> Key {
    let hex = hash.to_string();
    Key::from_iter([&hex[..2], &hex[2..]])
}

fn failed(error: object_store::Error) -> Error {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::StorageFull) {
            return Error::Full;
        }
        cause = error.source();
    }
    Error::Unavailable(Box::new(error))
}
