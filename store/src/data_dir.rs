//! The data directory of the embedded adapters: what lies where, and that only one process writes there.
//!
//! ```text
//! DIR/lock           held by the process that writes
//! DIR/log.sqlite     the log, with -wal and -shm beside it
//! DIR/keys.sqlite    the accounts' keys, wrapped
//! DIR/attempts.sqlite  how often the examination of a piece of evidence was begun
//! DIR/blobs/         sealed pictures, by the hash of their sealed bytes
//! DIR/artefacts/     policies and bundle manifests, by their hash
//! ```

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the data directory {} is in use by another process", path.display())]
    InUse { path: PathBuf },
    #[error("the data directory {} can't be used", path.display())]
    Unusable { path: PathBuf, source: io::Error },
}

/// Where things lie below a data directory. Says nothing about whether they exist.
#[derive(Debug, Clone)]
pub struct Layout(PathBuf);

impl Layout {
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self(path.to_owned())
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("log.sqlite")
    }

    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys.sqlite")
    }

    #[must_use]
    pub fn attempts(&self) -> PathBuf {
        self.0.join("attempts.sqlite")
    }

    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    #[must_use]
    pub fn artefacts(&self) -> PathBuf {
        self.0.join("artefacts")
    }
}

/// A data directory that this process alone may write to, for as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    layout: Layout,
    /// The system frees the lock with the file, also when the process is killed.
    _lock: File,
}

impl DataDir {
    /// Takes the directory, and makes it (readable by its owner alone) when it does not exist.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process, or another value of this one, has it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: path.to_owned(), source };
        create_private(path).map_err(unusable)?;
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { layout: Layout::of(path), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_use_is_refused_by_name_and_is_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let first = DataDir::open(&path).unwrap();
        let refused = DataDir::open(&path).unwrap_err();
        assert!(matches!(refused, Error::InUse { .. }));
        assert!(refused.to_string().contains(path.to_str().unwrap()));
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(DataDir::open(&path), Err(Error::Unusable { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
