//! `reinstate --dev`: keys for one machine, made at the first start and kept, and a file that tells where the server is.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::settings::Settings;

/// The folder can't be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{} can't be set up for development", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the system has no randomness to give")]
    Random(#[source] getrandom::Error),
}

const ROLES: [&str; 3] = ["BACKEND", "REVIEWER", "AUDITOR"];

/// The plain keys of a development server, by role.
pub(crate) struct Keys {
    folder: PathBuf,
    keys: Vec<(&'static str, String)>,
}

impl Keys {
    /// Takes the folder's keys, made when it has none, and points the settings to the folder.
    pub(crate) fn prepare(folder: &Path, settings: &mut Settings) -> Result<Self, Error> {
        let failed = |source| Error::Folder { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let folder = folder.canonicalize().map_err(failed)?;
        let known = fs::read_to_string(folder.join("dev.env")).unwrap_or_default();
        let mut keys = Vec::new();
        for role in ROLES {
            let prefix = format!("REINSTATE_{role}_KEY=");
            let kept = known.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned);
            let key = match kept {
                Some(key) => key,
                None => random_key(role)?,
            };
            keys.push((role, key));
        }
        let configured = |role: &str| {
            let key = keys.iter().find(|(name, _)| *name == role);
            key.map(|(_, key)| format!("dev:{}", hex::encode(Sha256::digest(key)))).into_iter().collect()
        };
        settings.auth.backend = configured("BACKEND");
        settings.auth.reviewer = configured("REVIEWER");
        settings.auth.auditor = configured("AUDITOR");
        settings.data.dir = folder.join("data");
        settings.courier.outbox = folder.join("outbox");
        settings.secrets.master_key_file = folder.join("master.key");
        Ok(Self { folder, keys })
    }

    /// Writes `dev.env`, whole or not at all, once the server listens.
    pub(crate) fn announce(
        &self,
        address: SocketAddr,
        operations: SocketAddr,
        settings: &Settings,
    ) -> Result<(), Error> {
        let mut text = format!("REINSTATE_URL=http://{address}\n");
        for (role, key) in &self.keys {
            text.push_str(&format!("REINSTATE_{role}_KEY={key}\n"));
        }
        text.push_str(&format!("REINSTATE_OUTBOX={}\n", settings.courier.outbox.display()));
        text.push_str(&format!("REINSTATE_DATA={}\n", settings.data.dir.display()));
        text.push_str(&format!("REINSTATE_OPERATIONS_URL=http://{operations}\n"));
        let path = self.folder.join("dev.env");
        write_private(&path, &text).map_err(|source| Error::Folder { path, source })
    }
}

fn random_key(role: &str) -> Result<String, Error> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(format!("rk_{}_{}", role.to_lowercase(), hex::encode(bytes)))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&unfinished)?.write_all(text.as_bytes())?;
    fs::rename(unfinished, path)
}
