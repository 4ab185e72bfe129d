//! The manifest of a bundle, and its files checked against it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use reinstate_domain::document::DocumentThresholds;
use reinstate_domain::evidence::ModelRef;
use reinstate_domain::face::{Calibration, FaceThresholds};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{Error, OnnxModel, cache_dir, negligible};

/// The default bundle's manifest, compiled in: an installed program needs only the weights.
const DEFAULT_MANIFEST: &str = include_str!("../../../models/default/manifest.toml");
const MANIFEST_FILE: &str = "manifest.toml";

/// What a model is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    TextDetection,
    TextDetectionCareful,
    TextRecognition,
    TextRecognitionCareful,
    FaceDetection,
    FaceEmbedding,
    FaceLiveness,
    FacePose,
    /// May be missing: see [`crate::face`].
    FaceLandmarks,
    /// May be missing, and needs the landmarks.
    FaceEyes,
}

impl Role {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TextDetection => "text_detection",
            Self::TextDetectionCareful => "text_detection_careful",
            Self::TextRecognition => "text_recognition",
            Self::TextRecognitionCareful => "text_recognition_careful",
            Self::FaceDetection => "face_detection",
            Self::FaceEmbedding => "face_embedding",
            Self::FaceLiveness => "face_liveness",
            Self::FacePose => "face_pose",
            Self::FaceLandmarks => "face_landmarks",
            Self::FaceEyes => "face_eyes",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The order of a pixel's samples in a network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    Rgb,
    Bgr,
    /// One sample: 0.299 R + 0.587 G + 0.114 B. Its `mean` and `std` are the first of three.
    Grey,
}

/// A tensor's name and shape; -1 is any size.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    pub name: String,
    pub shape: Vec<i64>,
}

/// One model of a bundle, as its manifest describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Which code reads the outputs: `db`, `ctc`, `centerface`, …
    pub kind: String,
    pub name: String,
    pub file: PathBuf,
    /// Lower-case hex.
    pub sha256: String,
    pub input: TensorSpec,
    pub outputs: Vec<TensorSpec>,
    pub channels: Channels,
    /// In sample units, 0 to 255, in the order of `channels`.
    pub mean: [f32; 3],
    /// In sample units, 0 to 255, in the order of `channels`.
    pub std: [f32; 3],
    #[serde(default)]
    settings: toml::Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The version of the manifest's own layout.
    #[serde(rename = "format")]
    _format: Format,
    name: String,
    version: String,
    models: BTreeMap<Role, ModelSpec>,
    face: FaceThresholds,
    #[serde(default)]
    face_calibration: Option<Calibration>,
    document: DocumentThresholds,
}

/// Only layout 1 exists.
#[derive(Debug, Deserialize)]
#[serde(try_from = "u32")]
struct Format;

impl TryFrom<u32> for Format {
    type Error = String;
    fn try_from(version: u32) -> Result<Self, String> {
        (version == 1).then_some(Self).ok_or_else(|| format!("format {version} is not known, 1 is"))
    }
}

/// A bundle: models that are used together and the thresholds that belong to them.
#[derive(Debug)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
    text: String,
}

impl Bundle {
    /// The bundle that `folder` holds, or the default one: its manifest is compiled in, its files are in the cache.
    /// Reads every file once and compares its sha-256.
    ///
    /// # Errors
    /// The manifest is missing or invalid, or a file is missing or altered.
    pub fn load(folder: Option<&Path>) -> Result<Self, Error> {
        let bundle = Self::open(folder)?;
        for role in bundle.manifest.models.keys() {
            bundle.bytes(*role)?;
        }
        Ok(bundle)
    }

    /// Like [`Bundle::load`], but looks only at the manifest: a file is checked when a model is made of it.
    ///
    /// # Errors
    /// The manifest is missing or invalid.
    pub fn open(folder: Option<&Path>) -> Result<Self, Error> {
        let (folder, path, text) = match folder {
            Some(folder) => {
                let path = folder.join(MANIFEST_FILE);
                let text = fs::read_to_string(&path)
                    .map_err(|source| Error::ManifestUnreadable { path: path.clone(), source })?;
                (folder.to_owned(), path, text)
            }
            None => {
                let folder = cache_dir().join("models/default");
                (folder, PathBuf::from("models/default/manifest.toml"), DEFAULT_MANIFEST.to_owned())
            }
        };
        let manifest =
            toml::from_str(&text).map_err(|e| Error::ManifestInvalid { path, source: Box::new(e) })?;
        Ok(Self { folder, manifest, text })
    }

    /// For the fuzz target: the manifest alone.
    #[cfg(fuzzing)]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let manifest = toml::from_str(text).ok()?;
        Some(Self { folder: PathBuf::new(), manifest, text: text.to_owned() })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    #[must_use]
    pub fn version(&self) -> &str {
        &self.manifest.version
    }

    /// The manifest's text, to be kept for as long as a finding names it by hash.
    #[must_use]
    pub fn manifest(&self) -> &str {
        &self.text
    }

    /// Lower-case hex of the manifest's sha-256.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.text))
    }

    #[must_use]
    pub fn face_thresholds(&self) -> &FaceThresholds {
        &self.manifest.face
    }

    /// What a cosine of the bundle's embedding is worth, when that was estimated.
    #[must_use]
    pub fn face_calibration(&self) -> Option<&Calibration> {
        self.manifest.face_calibration.as_ref()
    }

    #[must_use]
    pub fn document_thresholds(&self) -> &DocumentThresholds {
        &self.manifest.document
    }

    /// Whether the bundle has a model for the role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.manifest.models.contains_key(&role)
    }

    /// # Errors
    /// The manifest has no model for the role.
    pub fn spec(&self, role: Role) -> Result<&ModelSpec, Error> {
        let missing = || Error::RoleMissing { bundle: self.manifest.name.clone(), role };
        self.manifest.models.get(&role).ok_or_else(missing)
    }

    /// The role's settings, for the code that implements its `kind`.
    ///
    /// # Errors
    /// The role is missing, of another kind, or its settings are not those of the kind.
    pub fn settings<T: DeserializeOwned>(&self, role: Role, kind: &str) -> Result<T, Error> {
        let spec = self.spec(role)?;
        if spec.kind != kind {
            return Err(Error::KindUnknown { role, kind: spec.kind.clone() });
        }
        let settings = spec.settings.clone();
        settings.try_into().map_err(|e| Error::SettingsInvalid { role, source: Box::new(e) })
    }

    /// What a finding says of the model.
    ///
    /// # Errors
    /// The manifest has no model for the role.
    pub fn model_ref(&self, role: Role) -> Result<ModelRef, Error> {
        let spec = self.spec(role)?;
        Ok(ModelRef { role: role.to_string(), name: spec.name.clone(), sha256: spec.sha256.clone() })
    }

    /// Makes a network of the role's file. Costs tens of milliseconds: once per worker thread.
    ///
    /// # Errors
    /// The file is missing or altered, its shapes are others, or ONNX Runtime refuses it.
    pub fn model(&self, role: Role) -> Result<OnnxModel, Error> {
        let mut bytes = self.bytes(role)?;
        negligible::flush(&mut bytes);
        OnnxModel::new(role, self.spec(role)?, &self.path(role)?, &bytes)
    }

    fn path(&self, role: Role) -> Result<PathBuf, Error> {
        Ok(self.folder.join(&self.spec(role)?.file))
    }

    /// The very bytes that were hashed are the ones that get used, but for negligible weights.
    fn bytes(&self, role: Role) -> Result<Vec<u8>, Error> {
        let path = self.path(role)?;
        let bytes =
            fs::read(&path).map_err(|source| Error::FileUnreadable { role, path: path.clone(), source })?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != self.spec(role)?.sha256 {
            return Err(Error::FileAltered { role, path, found });
        }
        Ok(bytes)
    }
}
