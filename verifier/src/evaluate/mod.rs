//! How well documents are read and faces are told apart, measured on labelled photos: what the ML team runs before a swap.
//!
//! [`evaluate`] reads every photo of a [`Manifest`] and gives a [`Report`]; [`page`] shows it to a person. Nothing personal
//! goes into either, unless photos and text are asked for.

pub mod compare;
pub mod comparison;
pub mod documents;
pub mod faces;
pub mod manifest;
mod page;
mod plot;
pub mod pool;
pub mod report;
pub mod run;
pub mod statistics;

use std::num::NonZero;
use std::path::Path;

use jiff::civil::Date;

use crate::document::{self, DocumentReader};
use crate::face::FaceMatcher;
use crate::models::{self, Bundle};
use crate::timing::Timings;
pub use documents::Outcome;
use documents::Row;
pub use manifest::Manifest;
pub use page::{Pictures, PlotError, page};
use pool::{Progress, in_parallel};
pub use report::Report;
use run::Run;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error("document {id} could not be examined")]
    Document { id: String, source: document::Error },
    #[error("the face on {id} could not be examined")]
    Face { id: String, source: models::Error },
    #[error(transparent)]
    Report(#[from] report::Error),
    #[error("a plot could not be drawn")]
    Plot(#[from] PlotError),
}

/// Reads every photo of the manifest at `path`, so many at once.
///
/// # Errors
/// The manifest is none, a photo is not there, or a network failed. The error names file and entry.
pub fn evaluate(
    path: &Path,
    bundle: &Bundle,
    jobs: NonZero<usize>,
    today: Date,
) -> Result<(Manifest, Report), Error> {
    let manifest = Manifest::open(path)?;
    let documents = read_all(&manifest.documents, bundle, jobs, today)?;
    let faces = match_all(&manifest, bundle, jobs)?;
    let run = Run {
        subject: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        sha256: Some(manifest.sha256.clone()),
        note: manifest.note.clone(),
        bundle: used(bundle),
        today,
        jobs: jobs.get(),
    };
    let documents = (!documents.is_empty()).then(|| documents::Summary::of(documents));
    Ok((manifest, Report::new(run, documents, faces)))
}

/// The bundle as reports name it.
#[must_use]
pub fn used(bundle: &Bundle) -> run::Bundle {
    run::Bundle {
        name: bundle.name().to_owned(),
        version: bundle.version().to_owned(),
        sha256: bundle.sha256(),
    }
}

/// Reads every document, so many at once.
///
/// # Errors
/// A photo is not there, or a network failed.
pub fn read_all(
    labels: &[manifest::Document],
    bundle: &Bundle,
    jobs: NonZero<usize>,
    today: Date,
) -> Result<Vec<Row>, Error> {
    let thresholds = bundle.document_thresholds();
    let read = |reader: &mut DocumentReader, label: &manifest::Document| -> Result<Row, Error> {
        let front = label.front().read(&label.id)?;
        let back = label.back().map(|photo| photo.read(&label.id)).transpose()?;
        documents::score(reader, label, &front, back.as_deref(), thresholds, today)
            .map_err(|source| Error::Document { id: label.id.clone(), source })
    };
    let progress = Progress::new("documents", labels.len());
    in_parallel(labels, jobs, &progress, || Ok(DocumentReader::new(bundle)?), read)
}

fn match_all(
    manifest: &Manifest,
    bundle: &Bundle,
    jobs: NonZero<usize>,
) -> Result<Option<faces::Summary>, Error> {
    if manifest.faces.is_empty() && manifest.pairs.is_empty() {
        return Ok(None);
    }
    let matcher = || Ok(FaceMatcher::new(bundle)?);
    let failed = |id: &str| {
        let id = id.to_owned();
        move |source| Error::Face { id, source }
    };
    let look = |matcher: &mut FaceMatcher, label: &manifest::Face| -> Result<faces::Seen, Error> {
        let image = label.photo().read(&label.id)?;
        faces::look(matcher, label, &image, bundle.face_thresholds()).map_err(failed(&label.id))
    };
    let progress = Progress::new("faces", manifest.faces.len());
    let seen = in_parallel(&manifest.faces, jobs, &progress, matcher, look)?;
    let compare = |matcher: &mut FaceMatcher, label: &manifest::Pair| -> Result<faces::Pair, Error> {
        let mut vectors = Vec::with_capacity(2);
        for photo in label.photos() {
            let image = photo.read(&label.id)?;
            let vector = matcher.represent(&image, &mut Timings::default()).map_err(failed(&label.id))?;
            vectors.extend(vector.ok());
        }
        let similarity = match &vectors[..] {
            [reference, frame] => Some(faces::cosine(reference, frame)),
            _ => None,
        };
        Ok(faces::Pair { id: label.id.clone(), genuine: label.genuine, good: true, similarity })
    };
    let progress = Progress::new("pairs", manifest.pairs.len());
    let mut pairs = in_parallel(&manifest.pairs, jobs, &progress, matcher, compare)?;
    pairs.extend(faces::all_pairs(&seen));
    let rows = seen.into_iter().map(|seen| seen.row).collect();
    Ok(Some(faces::Summary::of(rows, pairs, bundle.face_thresholds())))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    pub(super) fn run() -> Run {
        let bundle = run::Bundle { name: "toy".into(), version: "1".into(), sha256: "00".into() };
        Run {
            subject: "manifest.json".into(),
            sha256: Some("00".into()),
            note: Some("thresholds were set on <b>even</b> seeds".into()),
            bundle,
            today: date(2026, 11, 25),
            jobs: 2,
        }
    }
}
