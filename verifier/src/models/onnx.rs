//! One network in ONNX Runtime: a tensor in, tensors out.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, ArrayView3, ArrayView4, ArrayViewD, Ix3, Ix4};
use ort::session::{Session, SessionOutputs};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use super::runtime::environment;
use super::{Error, ModelSpec, Role, TensorSpec};
use crate::recognise::{TextDetection, TextRecognition};

/// A network, owned by one worker thread: `run` needs it exclusively, and a session of its own per thread is what keeps
/// the threads from waiting for each other.
#[derive(Debug)]
pub struct OnnxModel {
    role: Role,
    spec: ModelSpec,
    session: Session,
    dictionary: Arc<[String]>,
}

impl OnnxModel {
    pub(super) fn new(role: Role, spec: &ModelSpec, path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let environment = environment()?;
        let failed = |source: ort::Error| Error::Inference { role, source };
        let session = session(&environment, spec, bytes).map_err(failed)?;
        let mismatch = |detail| Error::ShapeMismatch { role, path: path.to_owned(), detail };
        check(std::slice::from_ref(&spec.input), session.inputs()).map_err(mismatch)?;
        check(&spec.outputs, session.outputs()).map_err(mismatch)?;
        let characters = session.metadata().map_err(failed)?.custom("character");
        let dictionary = characters.map_or_else(Arc::default, |text| dictionary(&text));
        Ok(Self { role, spec: spec.clone(), session, dictionary })
    }

    #[must_use]
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Runs the network on one NCHW tensor in standard layout and hands its outputs, in the manifest's order, to `read`.
    /// They are views of ONNX Runtime's own memory: the probabilities of a page of text are worth not copying.
    ///
    /// # Errors
    /// [`Error::Inference`] when the runtime refuses the input or fails; otherwise what `read` returns.
    pub fn run<T>(
        &mut self,
        input: ArrayView4<'_, f32>,
        read: impl FnOnce(&[ArrayViewD<'_, f32>]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let role = self.role;
        let failed = |source: ort::Error| Error::Inference { role, source };
        let tensor = TensorRef::from_array_view(input).map_err(failed)?;
        let answer: SessionOutputs<'_> =
            self.session.run(ort::inputs![self.spec.input.name.as_str() => tensor]).map_err(failed)?;
        let outputs: Vec<_> = self
            .spec
            .outputs
            .iter()
            .map(|output| answer[output.name.as_str()].try_extract_array::<f32>())
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        read(&outputs)
    }
}

fn unexpected(role: Role, shape: &[usize]) -> Error {
    Error::UnexpectedOutput { role, detail: format!("the shape {shape:?}") }
}

impl TextDetection for OnnxModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn detect(&mut self, page: ArrayView4<'_, f32>) -> Result<Array2<f32>, Error> {
        let map = self.run(page, |outputs| Ok(outputs[0].to_owned()))?;
        let shape = map.shape().to_vec();
        match map.into_dimensionality::<Ix4>() {
            Ok(map) if shape[..2] == [1, 1] => {
                Ok(map.index_axis_move(ndarray::Axis(0), 0).index_axis_move(ndarray::Axis(0), 0))
            }
            _ => Err(unexpected(self.role, &shape)),
        }
    }
}

impl TextRecognition for OnnxModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn recognise(
        &mut self,
        lines: ArrayView4<'_, f32>,
        read: &mut dyn FnMut(ArrayView3<'_, f32>),
    ) -> Result<(), Error> {
        let (role, classes) = (self.role, self.dictionary.len());
        self.run(lines, |outputs| match outputs[0].view().into_dimensionality::<Ix3>() {
            Ok(found) if found.shape()[2] == classes => {
                read(found);
                Ok(())
            }
            _ => Err(unexpected(role, outputs[0].shape())),
        })
    }

    fn dictionary(&self) -> Arc<[String]> {
        Arc::clone(&self.dictionary)
    }
}

/// One thread per session, and nobody spins. An arena is for sizes that stay the same: it would grow with every new width of a
/// line.
fn session(
    environment: &ort::environment::Environment,
    spec: &ModelSpec,
    bytes: &[u8],
) -> Result<Session, ort::Error> {
    let dynamic = spec.input.shape.contains(&-1);
    let mut builder = Session::builder(environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(!dynamic)?
        .with_log_level(ort::logging::LogLevel::Error)?;
    if dynamic {
        // `super::memory` registers the one that there is.
        builder = builder.with_env_allocators()?;
    }
    builder.commit_from_memory(bytes)
}

/// Index 0 is the blank, then one character per line, then a space.
fn dictionary(characters: &str) -> Arc<[String]> {
    let lines = characters.lines().map(str::to_owned);
    std::iter::once(String::new()).chain(lines).chain(std::iter::once(" ".to_owned())).collect()
}

/// Whether every tensor of the manifest is there, of 32-bit floats, and of a shape that fits.
fn check(wanted: &[TensorSpec], found: &[Outlet]) -> Result<(), String> {
    for tensor in wanted {
        let outlet = found
            .iter()
            .find(|outlet| outlet.name() == tensor.name)
            .ok_or_else(|| format!("there is no tensor {}", tensor.name))?;
        let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = outlet.dtype() else {
            return Err(format!("{} is not a tensor of 32-bit floats", tensor.name));
        };
        let fits = shape.len() == tensor.shape.len()
            && shape.iter().zip(&tensor.shape).all(|(a, b)| *a == -1 || *b == -1 || a == b);
        if !fits {
            return Err(format!("{} has the shape {shape}, not {:?}", tensor.name, tensor.shape));
        }
    }
    Ok(())
}
