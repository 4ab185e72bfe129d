//! How far the courier has come, kept in a small file of its own: `{"0": 17}` says that of partition 0 the entry at offset
//! 17 is next. The file is written after every delivery; entries that ask for none are passed in memory, because to pass
//! them again does no harm.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the courier's position {} can't be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the courier's position {} can't be written", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

/// Entries without a delivery that are passed before the file is written again: a restart reads no more than these twice.
const PASSED: u64 = 1000;

#[derive(Debug)]
pub struct Acknowledged {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stored: BTreeMap<u32, u64>,
    next: BTreeMap<u32, u64>,
}

impl Acknowledged {
    /// Reads the file; where there is none, nothing was delivered yet. Blocks.
    ///
    /// # Errors
    /// [`Error::Unreadable`] also for a file that holds something else: a courier that guessed would send everything again.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let stored: io::Result<BTreeMap<u32, u64>> = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        };
        let stored = stored.map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), state: Mutex::new(State { next: stored.clone(), stored }) })
    }

    /// The next offset of the partition.
    #[must_use]
    pub fn next(&self, partition: u32) -> u64 {
        self.state().next.get(&partition).copied().unwrap_or(0)
    }

    /// Moves the partition's position forward in memory. Says whether it is time to store it.
    #[must_use]
    pub fn pass(&self, partition: u32, next: u64) -> bool {
        let mut state = self.state();
        state.next.insert(partition, next);
        next - state.stored.get(&partition).copied().unwrap_or(0).min(next) >= PASSED
    }

    /// Moves the partition's position forward; durable when this returns. Blocks.
    ///
    /// # Errors
    /// [`Error::Unwritable`]: the position is as before.
    pub fn store(&self, partition: u32, next: u64) -> Result<(), Error> {
        let mut state = self.state();
        let mut stored = state.stored.clone();
        stored.insert(partition, next);
        serde_json::to_vec(&stored)
            .map_err(io::Error::from)
            .and_then(|bytes| replace(&self.path, &bytes))
            .map_err(|source| Error::Unwritable { path: self.path.clone(), source })?;
        state.stored = stored;
        state.next.insert(partition, next);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a whole, synced file in the place of `path`, or leaves what is there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let unfinished = folder.join(format!(".{name}.unfinished"));
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}
