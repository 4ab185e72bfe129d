//! Reading an identity document: from pictures to an observation. What it means is
//! [`reinstate_domain::document::judge`]'s business.

mod line;
mod mrz;
mod rows;
mod text;

use jiff::civil::Date;
use opencv::core::{MatTraitConst, ToInputArray};
use reinstate_domain::document::{DocumentObservation, ReadingThresholds};
use reinstate_domain::evidence::ModelRef;

use crate::image::Picture;
use crate::models::{self, Bundle, Role};
use crate::recognise::{TextDetection, TextRecognition};
use crate::timing::Timings;
use line::{Line, read_frames, read_lines};
use mrz::alphabet::Frames;
use mrz::{Zone, read_zone};
use rows::find_rows;
use text::{Quad, find_text};

/// The examination could not be made. What is wrong with a picture is no error: the observation says it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the network for {role} failed")]
    Network { role: Role, source: models::Error },
    #[error("OpenCV failed")]
    Geometry(#[from] opencv::Error),
}

/// What was seen, and how long it took.
#[derive(Debug)]
pub struct DocumentExamination {
    pub observation: DocumentObservation,
    /// The portrait, cut out of the upright front.
    pub portrait: Option<Picture>,
    pub timings: Timings,
}

/// Reads documents. It owns its networks: one per worker thread.
pub struct DocumentReader {
    detection: Box<dyn TextDetection + Send>,
    fast: Box<dyn TextRecognition + Send>,
    careful: Box<dyn TextRecognition + Send>,
    settings: text::Settings,
    limits: ReadingThresholds,
}

impl DocumentReader {
    /// A reader with the bundle's networks.
    ///
    /// # Errors
    /// A model is missing, altered, or of a kind that is not known.
    pub fn new(bundle: &Bundle) -> Result<Self, models::Error> {
        Ok(Self {
            detection: Box::new(bundle.model(Role::TextDetection)?),
            fast: Box::new(bundle.model(Role::TextRecognition)?),
            careful: Box::new(bundle.model(Role::TextRecognitionCareful)?),
            settings: bundle.settings(Role::TextDetection, "db")?,
            limits: bundle.document_thresholds().reading.clone(),
        })
    }

    /// The models that have a part in an examination.
    ///
    /// # Errors
    /// The bundle has no model for a role.
    pub fn models(bundle: &Bundle) -> Result<Vec<ModelRef>, models::Error> {
        let roles = [Role::TextDetection, Role::TextRecognition, Role::TextRecognitionCareful];
        roles.into_iter().map(|role| bundle.model_ref(role)).collect()
    }

    /// Reads the front of a document, and its back when there is one (image files). `today` settles the century of
    /// two-digit years.
    ///
    /// # Errors
    /// A network or OpenCV failed.
    pub fn examine(
        &mut self,
        front: &[u8],
        _back: Option<&[u8]>,
        today: Date,
    ) -> Result<DocumentExamination, Error> {
        let mut timings = Timings::default();
        let mut observation = DocumentObservation::default();
        let front = match timings.measure("decode", || Picture::decode(front)) {
            Ok(picture) => picture,
            Err(fault) => {
                observation.fault = Some(fault.reason());
                return Ok(DocumentExamination { observation, portrait: None, timings });
            }
        };
        let page = front.mat()?;
        let quads =
            timings.measure("find_text", || find_text(&page, &mut *self.detection, &self.settings))?;
        let lines = timings
            .measure("read_text", || read_lines(&page, &quads, &mut *self.fast, Role::TextRecognition))?;
        if std::env::var_os("DEBUG_LINES").is_some() {
            for line in &lines {
                let c = line.quad.centre();
                eprintln!(
                    "{:6.0}{:6.0} {:5.0}x{:<4.0} {:.2} {}",
                    c[0],
                    c[1],
                    line.quad.width(),
                    line.quad.height(),
                    line.mean(),
                    line.text
                );
            }
        }
        let zone = timings.measure("read_mrz", || self.zone(&page, &lines, today))?;
        if let Some(zone) = zone {
            observation.mrz = Some(zone.reading);
            observation.fields = zone.fields;
        }
        Ok(DocumentExamination { observation, portrait: None, timings })
    }

    fn zone(
        &mut self,
        page: &(impl MatTraitConst + ToInputArray),
        lines: &[Line],
        today: Date,
    ) -> Result<Option<Zone>, Error> {
        let mut best: Option<Zone> = None;
        for rows in find_rows(lines).into_iter().take(MOST_ZONES) {
            let mut frames: Vec<Option<Frames>> = vec![None; rows.len()];
            // What was seen first; where a row would only be, when that was not enough.
            for seen in [true, false] {
                let wanted: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].seen == seen).collect();
                let quads: Vec<Quad> = wanted.iter().map(|i| rows[*i].quad).collect();
                let read = read_frames(page, &quads, &mut *self.careful, Role::TextRecognitionCareful)?;
                for (i, read) in wanted.into_iter().zip(read) {
                    frames[i] = Some(read);
                }
                if std::env::var_os("DEBUG_LINES").is_some() {
                    for (row, frames) in rows.iter().zip(&frames) {
                        eprintln!(
                            "row {} {:?} {:?}",
                            row.seen,
                            row.quad.corners,
                            frames.as_ref().map(Frames::greedy)
                        );
                    }
                }
                for count in [3, 2] {
                    for (group, rows) in frames.windows(count).zip(rows.windows(count)) {
                        let known = !seen && rows.iter().all(|row| row.seen);
                        let Some(group) = group.iter().map(Option::as_ref).collect::<Option<Vec<_>>>() else {
                            continue;
                        };
                        let zone = if known { None } else { read_zone(&group, &self.limits, today) };
                        let better = |zone: &Zone| best.as_ref().is_none_or(|best| zone.rank() > best.rank());
                        if let Some(zone) = zone.filter(better) {
                            best = Some(zone);
                        }
                    }
                }
                if best.as_ref().is_some_and(|zone| zone.reading.valid) {
                    return Ok(best);
                }
            }
        }
        Ok(best)
    }
}

/// Groups of rows on a page that are tried as zones.
const MOST_ZONES: usize = 2;
