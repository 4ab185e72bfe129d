//! ONNX Runtime, loaded once per process from the cache or from where `ORT_DYLIB_PATH` points.

use std::env;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use super::{Error, memory};

/// The version that `models/fetch` gets and that everything was measured with.
pub const ONNX_RUNTIME: &str = "1.24.4";

/// Where `models/fetch` puts weights, libraries and photos: `REINSTATE_CACHE`, else `reinstate` in the user's cache.
#[must_use]
pub fn cache_dir() -> PathBuf {
    let set = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("REINSTATE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("reinstate")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/reinstate")))
        .unwrap_or_else(|| PathBuf::from(".cache/reinstate"))
}

fn library() -> PathBuf {
    let set = env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()).map(PathBuf::from);
    set.unwrap_or_else(|| cache_dir().join("onnxruntime").join(ONNX_RUNTIME).join("libonnxruntime.so"))
}

/// The process's environment. A library that could not be loaded is looked for again at the next call, so that a
/// verifier comes up by itself once the file is there.
pub(super) fn environment() -> Result<Environment, Error> {
    static LOADED: Mutex<Option<Environment>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*loaded {
        return Ok(environment.clone());
    }
    let path = library();
    let unavailable = |source| Error::RuntimeUnavailable { path: path.clone(), source };
    let builder = ort::init_from(&path).map_err(|e| unavailable(e.into()))?;
    let environment = builder.with_telemetry(false).build().map_err(|e| unavailable(e.into()))?;
    memory::register(&environment).map_err(|e| unavailable(e.into()))?;
    *loaded = Some(environment.clone());
    Ok(environment)
}
