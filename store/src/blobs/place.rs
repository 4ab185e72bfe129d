//! Where blobs lie: a folder, or a bucket that speaks S3.

use std::{fs, path::PathBuf, sync::Arc};

use object_store::{ObjectStore, aws::AmazonS3Builder, local::LocalFileSystem, prefix::PrefixStore};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Error, failed};

/// The `[blobs]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A folder that every service can reach, made when it does not exist. Without meaning when a bucket is named.
    pub folder: PathBuf,
    #[serde(default)]
    pub s3: Option<S3>,
}

/// A bucket of S3, or of what speaks like it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    pub bucket: String,
    /// Amazon's when absent. One that begins with `http://` is spoken to without TLS.
    #[serde(default)]
    pub endpoint: Option<String>,
    #[serde(default = "region")]
    pub region: String,
    /// Without a key, the machine's own identity is asked for one, as Amazon's tools do.
    #[serde(default)]
    pub access_key_id: Option<String>,
    #[serde(default)]
    pub secret_access_key: Option<SecretString>,
    #[serde(default)]
    pub secret_access_key_file: Option<PathBuf>,
}

fn region() -> String {
    "us-east-1".to_owned()
}

impl Settings {
    /// This folder.
    #[must_use]
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), s3: None }
    }

    /// Looks for what contradicts itself, without opening anything, and reads the secret's file.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::SecretFile`].
    pub fn check(&self) -> Result<(), Error> {
        match &self.s3 {
            Some(s3) => s3.builder().map(|_| ()),
            None if self.folder.as_os_str().is_empty() => {
                Err(Error::Settings("a folder or a bucket is needed"))
            }
            None => Ok(()),
        }
    }

    /// Opens the part of the place that is called so.
    pub(super) fn open(&self, part: &str) -> Result<Arc<dyn ObjectStore>, Error> {
        self.check()?;
        let Some(s3) = &self.s3 else {
            let folder = self.folder.join(part);
            fs::create_dir_all(&folder).map_err(|e| Error::Unavailable(Box::new(e)))?;
            let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?.with_fsync(true);
            return Ok(Arc::new(store));
        };
        // The process's own choice, if it has made one, is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bucket = s3.builder()?.build().map_err(failed)?;
        Ok(Arc::new(PrefixStore::new(bucket, part)))
    }
}

impl S3 {
    fn builder(&self) -> Result<AmazonS3Builder, Error> {
        if self.bucket.is_empty() {
            return Err(Error::Settings("s3.bucket is empty"));
        }
        let mut builder = AmazonS3Builder::new().with_bucket_name(&self.bucket).with_region(&self.region);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let secret = match (&self.secret_access_key, &self.secret_access_key_file) {
            (Some(_), Some(_)) => {
                return Err(Error::Settings("s3.secret_access_key is given both as text and as a file"));
            }
            (Some(secret), None) => Some(secret.clone()),
            (None, None) => None,
            (None, Some(path)) => match fs::read_to_string(path) {
                Ok(text) => Some(SecretString::from(text.trim_end_matches(['\r', '\n']))),
                Err(source) => return Err(Error::SecretFile { path: path.clone(), source }),
            },
        };
        match (&self.access_key_id, secret) {
            (Some(id), Some(secret)) => {
                Ok(builder.with_access_key_id(id).with_secret_access_key(secret.expose_secret()))
            }
            (None, None) => Ok(builder),
            _ => Err(Error::Settings("s3.access_key_id and its secret go together")),
        }
    }
}
