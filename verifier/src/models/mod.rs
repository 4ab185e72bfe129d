//! Model bundles: a manifest that names every file by role and sha-256, and the networks that are made of them.

mod bundle;
mod memory;
mod negligible;
mod onnx;
mod runtime;
mod tensor;

pub use bundle::{Bundle, Channels, ModelSpec, Role, TensorSpec};
pub use onnx::OnnxModel;
pub use runtime::{ONNX_RUNTIME, cache_dir};
pub use tensor::{tensor, write_tensor};

use std::path::{Path, PathBuf};

/// Why a bundle can't be used. Each names the file or role at fault; none is caused by a picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the manifest {path} can't be read")]
    ManifestUnreadable { path: PathBuf, source: std::io::Error },
    #[error("the manifest {path} is not valid")]
    ManifestInvalid { path: PathBuf, source: Box<toml::de::Error> },
    #[error("the bundle {bundle} has no model for {role}")]
    RoleMissing { bundle: String, role: Role },
    #[error("{role}: the model file {path} is missing or can't be read; run models/fetch")]
    FileUnreadable { role: Role, path: PathBuf, source: std::io::Error },
    #[error("{role}: the model file {path} is not the one that the manifest names (sha-256 {found})")]
    FileAltered { role: Role, path: PathBuf, found: String },
    #[error("{role}: the model file {path} does not have the inputs and outputs of the manifest: {detail}")]
    ShapeMismatch { role: Role, path: PathBuf, detail: String },
    #[error("{role}: the settings in the manifest are not valid")]
    SettingsInvalid { role: Role, source: Box<toml::de::Error> },
    #[error("{role}: models of the kind \"{kind}\" are not known here")]
    KindUnknown { role: Role, kind: String },
    #[error("ONNX Runtime's library {path} can't be loaded; run models/fetch or set ORT_DYLIB_PATH")]
    RuntimeUnavailable { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{role}: ONNX Runtime failed")]
    Inference { role: Role, source: ort::Error },
    #[error("{role}: OpenCV failed")]
    Geometry { role: Role, source: opencv::Error },
    #[error("{role}: the network answered with {detail}")]
    UnexpectedOutput { role: Role, detail: String },
}

impl Error {
    /// What may be told to whoever asks for readiness: which file of the bundle is at fault, and nothing about where on this
    /// machine it lies.
    #[must_use]
    pub fn in_public(&self) -> String {
        match self {
            Self::ManifestUnreadable { path, .. } => format!("the manifest {} can't be read", name(path)),
            Self::ManifestInvalid { path, .. } => format!("the manifest {} is not valid", name(path)),
            Self::FileUnreadable { role, path, .. } => {
                format!("{role}: the model file {} is missing or can't be read", name(path))
            }
            Self::FileAltered { role, path, .. } => {
                format!("{role}: the model file {} is not the one that the manifest names", name(path))
            }
            Self::ShapeMismatch { role, path, .. } => {
                format!(
                    "{role}: the model file {} has other inputs and outputs than the manifest",
                    name(path)
                )
            }
            Self::RuntimeUnavailable { .. } => "ONNX Runtime's library can't be loaded".to_owned(),
            Self::RoleMissing { .. }
            | Self::SettingsInvalid { .. }
            | Self::KindUnknown { .. }
            | Self::Inference { .. }
            | Self::Geometry { .. }
            | Self::UnexpectedOutput { .. } => self.to_string(),
        }
    }
}

/// A file's name without its folder.
fn name(path: &Path) -> std::path::Display<'_> {
    path.file_name().map_or(path, Path::new).display()
}
