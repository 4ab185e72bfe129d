//! Reads identity documents and compares faces. Everything here measures and reads; what the measures mean is decided in
//! [`reinstate_domain`] against the thresholds of the model bundle. The only crate that links OpenCV and ONNX Runtime.

pub mod contain;
pub mod document;
pub mod engine;
pub mod evaluate;
mod examiner;
pub mod face;
#[cfg(fuzzing)]
pub mod fuzz;
pub mod image;
pub mod models;
pub mod recognise;
mod settings;
pub mod timing;
pub mod worker;

pub use settings::{Containment, Settings};
