//! The networks of one process, and what they are put to.

use image::{Rgb, RgbImage};
use jiff::civil::Date;
use reinstate_domain::document::DocumentObservation;
use reinstate_domain::face::{Action, Reference};
use reinstate_domain::reason::ReasonCode;
use serde::{Deserialize, Serialize};

use crate::document::{self, DocumentReader};
use crate::face::{FaceExamination, FaceMatcher, Frame};
use crate::image::{self as picture, Picture};
use crate::models::{self, Bundle};
use crate::timing::Timings;

/// Why there was no examination. What is wrong with a picture is no error: the observation says it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the face could not be examined")]
    Face(#[from] models::Error),
    #[error("the document could not be examined")]
    Document(#[from] document::Error),
    #[error("the portrait could not be written")]
    Portrait(#[from] picture::EncodeError),
    #[error("the job has too few pictures, or too many")]
    Pictures,
    #[error("the networks for it are not loaded")]
    NotLoaded,
}

/// What was read on a document.
#[derive(Debug)]
pub struct ExaminedDocument {
    pub observation: DocumentObservation,
    /// The portrait on it, as a PNG file.
    pub portrait: Option<Vec<u8>>,
    pub timings: Timings,
}

/// What was found.
pub(crate) enum Examined {
    Document(Box<ExaminedDocument>),
    Face(FaceExamination),
}

/// Which networks are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Need {
    /// To read one document.
    Documents,
    /// To compare faces once.
    Faces,
    /// For everything that will come: they also have to have worked once.
    All,
}

/// Networks of a bundle.
#[derive(Default)]
pub(crate) struct Examiner {
    documents: Option<DocumentReader>,
    faces: Option<FaceMatcher>,
}

impl Examiner {
    /// Makes the networks that are not there yet.
    ///
    /// # Errors
    /// A model is missing, altered or of a kind that is not known.
    pub(crate) fn load(&mut self, bundle: &Bundle, need: Need) -> Result<(), models::Error> {
        // A pool of threads could not be forked.
        let _ = opencv::core::set_num_threads(1);
        if need != Need::Faces && self.documents.is_none() {
            self.documents = Some(DocumentReader::new(bundle)?);
        }
        if need != Need::Documents && self.faces.is_none() {
            self.faces = Some(FaceMatcher::new(bundle)?);
        }
        // Those who are forked from here find everything in its place. A failure would be met again by the first picture,
        // and counted there.
        if need == Need::All
            && let Ok(page) = page().png()
        {
            let _ = self.document(std::slice::from_ref(&page), Date::constant(2026, 1, 1));
            let _ = self.face(&[page], &[Action::LookAhead], &[]);
        }
        Ok(())
    }

    /// What is wrong with each picture. Takes no network.
    pub(crate) fn faults(pictures: &[Vec<u8>]) -> Vec<Option<ReasonCode>> {
        pictures.iter().map(|bytes| Picture::decode(bytes).err().map(|fault| fault.reason())).collect()
    }

    /// Reads a front, and a back when there is one.
    pub(crate) fn document(&mut self, pictures: &[Vec<u8>], today: Date) -> Result<Examined, Error> {
        let (front, back) = match pictures {
            [front] => (front, None),
            [front, back] => (front, Some(back.as_slice())),
            _ => return Err(Error::Pictures),
        };
        let documents = self.documents.as_mut().ok_or(Error::NotLoaded)?;
        let found = documents.examine(front, back, today)?;
        let portrait = found.portrait.as_ref().map(Picture::png).transpose()?;
        Ok(Examined::Document(Box::new(ExaminedDocument {
            observation: found.observation,
            portrait,
            timings: found.timings,
        })))
    }

    /// Looks at as many pictures as there are actions, and compares them with the others.
    pub(crate) fn face(
        &mut self,
        pictures: &[Vec<u8>],
        actions: &[Action],
        references: &[Reference],
    ) -> Result<Examined, Error> {
        if pictures.len() != actions.len() + references.len() {
            return Err(Error::Pictures);
        }
        let (frames, compared) = pictures.split_at(actions.len());
        let frames: Vec<_> =
            actions.iter().zip(frames).map(|(action, image)| Frame { action: *action, image }).collect();
        let references: Vec<_> = references
            .iter()
            .zip(compared)
            .map(|(reference, image)| (*reference, image.as_slice()))
            .collect();
        let faces = self.faces.as_mut().ok_or(Error::NotLoaded)?;
        Ok(Examined::Face(faces.examine(&frames, &references)?))
    }
}

/// Lines of marks that text detection takes for text.
fn page() -> Picture {
    let ink = |x: u32, y: u32| {
        let (column, row) = (x % 16, y % 64);
        (60..580).contains(&x) && (24..44).contains(&row) && (column < 4 || (column < 10 && row % 8 < 3))
    };
    Picture::from_rgb(RgbImage::from_fn(
        640,
        448,
        |x, y| if ink(x, y) { Rgb([20; 3]) } else { Rgb([235; 3]) },
    ))
}
