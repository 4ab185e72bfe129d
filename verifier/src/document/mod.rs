//! Reading an identity document: from pictures to an observation. What it means is
//! [`reinstate_domain::document::judge`]'s business.

mod frame;
mod line;
mod mrz;
mod page;
mod portrait;
mod quality;
mod rows;
mod signals;
mod text;
mod visual;
mod zone;

use jiff::civil::Date;
use reinstate_domain::document::{DocumentObservation, DocumentThresholds, compare_zones};
use reinstate_domain::evidence::ModelRef;

use crate::face::CenterFace;
use crate::image::Picture;
use crate::models::{self, Bundle, Role};
use crate::recognise::{FaceDetection, TextDetection, TextRecognition};
use crate::timing::Timings;
use page::{Page, read_as_it_lies, read_page};
use portrait::find_portrait;
use visual::read_visual;
use zone::{AS_FOUND, Found, OTHERWISE, Pass, Search};

/// The examination could not be made. What is wrong with a picture is no error: the observation says it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the network for {role} failed")]
    Network { role: Role, source: models::Error },
    #[error("OpenCV failed")]
    Geometry(#[from] opencv::Error),
}

/// What was seen, and how long it took: `decode`, `find_page`, `find_text`, `read_text`, `read_mrz`, `read_visual`, `quality`,
/// `signals`, `portrait`.
#[derive(Debug)]
pub struct DocumentExamination {
    pub observation: DocumentObservation,
    /// The portrait, cut out of the upright front.
    pub portrait: Option<Picture>,
    pub timings: Timings,
}

/// Reads documents. It owns its networks: one per worker thread.
pub struct DocumentReader {
    networks: Networks,
    settings: text::Settings,
    thresholds: DocumentThresholds,
}

struct Networks {
    detection: Box<dyn TextDetection + Send>,
    fast: Box<dyn TextRecognition + Send>,
    careful: Box<dyn TextRecognition + Send>,
    faces: Box<dyn FaceDetection + Send>,
}

const ROLES: [Role; 4] =
    [Role::TextDetection, Role::TextRecognition, Role::TextRecognitionCareful, Role::FaceDetection];

impl DocumentReader {
    /// A reader with the bundle's networks.
    ///
    /// # Errors
    /// A model is missing, altered, or of a kind that is not known.
    pub fn new(bundle: &Bundle) -> Result<Self, models::Error> {
        Ok(Self {
            networks: Networks {
                detection: Box::new(bundle.model(Role::TextDetection)?),
                fast: Box::new(bundle.model(Role::TextRecognition)?),
                careful: Box::new(bundle.model(Role::TextRecognitionCareful)?),
                faces: Box::new(CenterFace::new(bundle)?),
            },
            settings: bundle.settings(Role::TextDetection, "db")?,
            thresholds: bundle.document_thresholds().clone(),
        })
    }

    /// The models that have a part in an examination.
    ///
    /// # Errors
    /// The bundle has no model for a role.
    pub fn models(bundle: &Bundle) -> Result<Vec<ModelRef>, models::Error> {
        ROLES.into_iter().map(|role| bundle.model_ref(role)).collect()
    }

    /// Reads the front of a document, and its back when there is one (image files). `today` settles the century of
    /// two-digit years.
    ///
    /// # Errors
    /// A network or OpenCV failed.
    pub fn examine(
        &mut self,
        front: &[u8],
        back: Option<&[u8]>,
        today: Date,
    ) -> Result<DocumentExamination, Error> {
        let mut timings = Timings::default();
        let mut pictures = Vec::with_capacity(2);
        for bytes in std::iter::once(front).chain(back) {
            match timings.measure("decode", || Picture::decode(bytes)) {
                Ok(picture) => pictures.push(picture),
                Err(fault) => {
                    let observation =
                        DocumentObservation { fault: Some(fault.reason()), ..DocumentObservation::default() };
                    return Ok(DocumentExamination { observation, portrait: None, timings });
                }
            }
        }
        let mut pages = Vec::with_capacity(pictures.len());
        for picture in pictures {
            pages.push(read_page(picture, &mut self.networks, &self.settings, &mut timings)?);
        }
        self.observe(pages, today, timings)
    }

    /// `pages` are the front and perhaps the back.
    fn observe(
        &mut self,
        mut pages: Vec<Page>,
        today: Date,
        mut timings: Timings,
    ) -> Result<DocumentExamination, Error> {
        let mut observation = DocumentObservation::default();
        let mut found: Option<(usize, Found)> = None;
        // A card has its zone on the back, if it has one at all: that is looked at first.
        for (side, page) in pages.iter_mut().enumerate().rev() {
            let read = timings.measure("read_mrz", || self.zone_of(page, today))?;
            if let Some(read) = read
                && found.as_ref().is_none_or(|(_, other)| read.zone.rank() > other.zone.rank())
            {
                found = Some((side, read));
            }
            if found.as_ref().is_some_and(|(_, found)| found.zone.reading.valid) {
                break;
            }
        }
        if !found.as_ref().is_some_and(|(_, found)| found.zone.reading.valid) {
            found = self.beside_the_page(&mut pages, found, today, &mut timings)?;
        }
        let fields = found.as_ref().and_then(|(_, found)| found.zone.fields.clone());
        let zone = found.as_ref().map(|(side, found)| (*side, &found.quads[..]));
        observation.visual = timings.measure("read_visual", || {
            read_visual(
                &mut pages,
                zone,
                fields.as_ref(),
                &mut self.networks,
                &self.thresholds.reading,
                today,
            )
        })?;
        let mut portrait = None;
        if let Some(front) = pages.first() {
            observation.quality = timings.measure("quality", || quality::measure(front))?;
            observation.signals = timings.measure("signals", || signals::measure(front))?;
            let faces = &mut *self.networks.faces;
            portrait = timings
                .measure("portrait", || find_portrait(&front.picture, faces))
                .map_err(|source| Error::Network { role: Role::FaceDetection, source })?;
        }
        let (place, portrait) = portrait.unzip();
        observation.portrait = place;
        if let Some((_, found)) = found {
            observation.mrz = Some(found.zone.reading);
            observation.fields = found.zone.fields;
        }
        if let Some(fields) = &observation.fields {
            observation.comparison = compare_zones(&observation.visual, fields);
        }
        Ok(DocumentExamination { observation, portrait, timings })
    }

    /// What was taken for the page may be a part of it: where no valid zone was found, the whole picture is read.
    fn beside_the_page(
        &mut self,
        pages: &mut [Page],
        mut found: Option<(usize, Found)>,
        today: Date,
        timings: &mut Timings,
    ) -> Result<Option<(usize, Found)>, Error> {
        for (side, page) in pages.iter_mut().enumerate().rev() {
            let Some(picture) = page.whole.take() else { continue };
            let mut whole = read_as_it_lies(picture, &mut self.networks, &self.settings, timings)?;
            let read = timings.measure("read_mrz", || self.zone_of(&mut whole, today))?;
            if let Some(read) = read
                && found.as_ref().is_none_or(|(_, other)| read.zone.rank() > other.zone.rank())
            {
                let valid = read.zone.reading.valid;
                found = Some((side, read));
                *page = whole;
                if valid {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The zone of a page, which is turned over when that way it shows a valid one. A page that may be upside down is looked
    /// at both ways before either is looked at closely: the close look at the wrong way up costs the most.
    fn zone_of(&mut self, page: &mut Page, today: Date) -> Result<Option<Found>, Error> {
        let Self { networks, thresholds, .. } = self;
        if let Some(found) = zone::at_first_sight(page, networks, thresholds, today)? {
            return Ok(Some(found));
        }
        page.read_rest(networks)?;
        let go_on = |search: &mut Search, page: &Page, passes: &[Pass], networks: &mut Networks| {
            search.go_on(page, passes, networks, thresholds, today)
        };
        let mut here = Search::default();
        go_on(&mut here, page, &AS_FOUND, networks)?;
        let mut turned = None;
        if !here.is_valid() && page.is_doubtful() {
            let other = page.flipped(networks)?;
            let mut there = Search::default();
            go_on(&mut there, &other, &AS_FOUND, networks)?;
            turned = Some((other, there));
        }
        if !turned.as_ref().is_some_and(|(_, there)| there.is_valid()) {
            go_on(&mut here, page, &OTHERWISE, networks)?;
        }
        if let Some((other, mut there)) = turned.filter(|_| !here.is_valid()) {
            go_on(&mut there, &other, &OTHERWISE, networks)?;
            if there.is_valid() {
                *page = other;
                return Ok(there.found());
            }
        }
        Ok(here.found())
    }
}

/// For the fuzz target: frames out of bytes.
#[cfg(fuzzing)]
pub(crate) mod fuzz {
    use jiff::civil::Date;
    use reinstate_domain::document::{MrzFields, MrzReading, ReadingThresholds};

    use super::mrz;
    use super::mrz::alphabet::{BLANK, Frames, SYMBOLS};

    /// The first byte says whether there are two rows or three; then a frame takes two bytes, the symbol and how much of it was seen,
    /// and the rest is blank. A symbol that does not exist ends the row.
    pub(crate) fn read_zone(
        bytes: &[u8],
        limits: &ReadingThresholds,
        today: Date,
    ) -> Option<(MrzReading, Option<MrzFields>)> {
        let (first, bytes) = bytes.split_first()?;
        let mut rows = vec![Vec::new()];
        for pair in bytes.chunks_exact(2) {
            let symbol = usize::from(pair[0]);
            if symbol > SYMBOLS {
                rows.push(Vec::new());
                continue;
            }
            let mut frame = [0.0; SYMBOLS + 1];
            let seen = f32::from(pair[1]) / 255.0;
            frame[BLANK] = 1.0 - seen;
            frame[symbol] += seen;
            rows.last_mut()?.push(frame);
        }
        rows.resize_with(2 + usize::from(first & 1), Vec::new);
        let rows: Vec<Frames> = rows.into_iter().map(Frames::new).collect();
        let zone = mrz::read_zone(&rows.iter().collect::<Vec<_>>(), limits, today)?;
        Some((zone.reading, zone.fields))
    }
}
