//! The server's master key, and the keys derived from it by HKDF-SHA256, one for each use.

use std::{
    env, fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use zeroize::Zeroizing;

/// 32 secret bytes. Wiped when dropped; does not print.
pub struct Secret(SecretBox<[u8; 32]>);

impl Secret {
    /// Moves the bytes in; the caller's copy is the caller's to wipe.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// Fresh from the system's source.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Box::new([0; 32]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(SecretBox::new(bytes)))
    }

    /// For handing to a cipher or a MAC, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the master key {} can't be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the master key {} can't be written", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("the master key {} can be read by every user of this machine: chmod 600", path.display())]
    TooOpen { path: PathBuf },
    #[error("the environment variable {0} does not hold a master key")]
    NotSet(String),
    #[error("a master key is 64 hexadecimal digits")]
    Malformed,
    #[error("the system has no randomness to give")]
    Random(#[source] getrandom::Error),
}

/// The master key. Whoever has it and the key store can read everything; whoever loses it can read nothing again.
#[derive(Debug)]
pub struct Master(Secret);

impl Master {
    /// Reads 64 hexadecimal digits, white space around them allowed.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::TooOpen`] when every user of the machine may read the file, [`Error::Malformed`].
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        if open_to_all(&fs::metadata(path).map_err(unreadable)?) {
            return Err(Error::TooOpen { path: path.to_owned() });
        }
        let text = Zeroizing::new(fs::read(path).map_err(unreadable)?);
        Self::parse(&text)
    }

    /// # Errors
    /// [`Error::NotSet`] when there is no such variable, [`Error::Malformed`].
    pub fn from_env(variable: &str) -> Result<Self, Error> {
        let text = env::var(variable).map_err(|_| Error::NotSet(variable.to_owned()))?;
        Self::parse(Zeroizing::new(text).as_bytes())
    }

    /// Makes a new key and keeps it in `path`, readable by its owner alone and synced before this returns. Never overwrites;
    /// the file is there whole or not at all, whenever the process is killed.
    ///
    /// # Errors
    /// [`Error::Unwritable`], also when the file exists; [`Error::Random`].
    pub fn generate(path: &Path) -> Result<Self, Error> {
        let master = Self(Secret::random().map_err(Error::Random)?);
        let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
        let unfinished = path.with_extension("unfinished");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(error)),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unfinished).map_err(unwritable)?;
        let text = Zeroizing::new(hex::encode(master.0.expose()) + "\n");
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)?;
        // Unlike a rename, a link fails where somebody else's key is.
        let linked = fs::hard_link(&unfinished, path).map_err(unwritable);
        fs::remove_file(&unfinished).map_err(unwritable)?;
        linked?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(unwritable)?;
        Ok(master)
    }

    fn parse(text: &[u8]) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim_ascii(), &mut *bytes).map_err(|_| Error::Malformed)?;
        Ok(Self(Secret::new(*bytes)))
    }

    /// For one-time codes.
    #[must_use]
    pub fn code_key(&self) -> Secret {
        self.derive("reinstate/code/1")
    }

    /// For the fingerprints of requests and enrolments.
    #[must_use]
    pub fn fingerprint_key(&self) -> Secret {
        self.derive("reinstate/fingerprint/1")
    }

    /// For owners' tokens.
    #[must_use]
    pub fn token_key(&self) -> Secret {
        self.derive("reinstate/token/1")
    }

    /// For wrapping the accounts' keys.
    #[must_use]
    pub fn wrapping_key(&self) -> Secret {
        self.derive("reinstate/wrapping/1")
    }

    fn derive(&self, label: &str) -> Secret {
        let mut bytes = Zeroizing::new([0; 32]);
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 255 times 32 bytes")]
        Hkdf::<Sha256>::new(None, self.0.expose())
            .expand(label.as_bytes(), &mut *bytes)
            .expect("32 bytes are within its range");
        Secret::new(*bytes)
    }
}

#[cfg(unix)]
fn open_to_all(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn open_to_all(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_read_back_is_private_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let made = Master::generate(&path).unwrap();
        let read = Master::from_file(&path).unwrap();
        assert_eq!(made.0.expose(), read.0.expose());
        assert!(matches!(Master::generate(&path), Err(Error::Unwritable { .. })));
        assert_eq!(Master::from_file(&path).unwrap().0.expose(), made.0.expose());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(Master::from_file(&path), Err(Error::TooOpen { .. })));
        }
    }

    #[test]
    fn what_a_killed_start_left_behind_is_no_key_and_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        fs::write(path.with_extension("unfinished"), "07").unwrap();
        let made = Master::generate(&path).unwrap();
        assert_eq!(Master::from_file(&path).unwrap().0.expose(), made.0.expose());
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["master.key"]);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        for text in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(66)] {
            let refused = Master::parse(text.as_bytes()).unwrap_err();
            assert!(matches!(refused, Error::Malformed));
        }
        assert!(matches!(Master::from_env("REINSTATE_TEST_NO_SUCH_VARIABLE"), Err(Error::NotSet(_))));
    }

    #[test]
    fn each_use_has_a_key_of_its_own_that_does_not_print() {
        let master = Master::parse("07".repeat(32).as_bytes()).unwrap();
        let keys = [master.code_key(), master.fingerprint_key(), master.token_key(), master.wrapping_key()];
        for (n, key) in keys.iter().enumerate() {
            assert!(keys[..n].iter().all(|other| other.expose() != key.expose()));
            assert_ne!(key.expose(), master.0.expose());
        }
        assert_eq!(format!("{master:?} {:?}", keys[0]), "Master(Secret) Secret");
    }

    #[test]
    fn the_derivation_is_hkdf_sha256_and_does_not_change() {
        // openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:0707… -kdfopt info:reinstate/code/1 HKDF
        let master = Master::parse("07".repeat(32).as_bytes()).unwrap();
        assert_eq!(
            hex::encode(master.code_key().expose()),
            "5bd58fb16a542cc1411d28d5bac9e87638e5ddbc6575c16c94c864c317b7fb4b"
        );
    }
}
