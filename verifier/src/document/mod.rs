//! Reading an identity document: from pictures to an observation. What it means is
//! [`reinstate_domain::document::judge`]'s business.

mod belief;
mod fillers;
mod frame;
mod heights;
mod line;
mod look;
mod mrz;
mod page;
mod paper;
mod portrait;
mod quality;
mod region;
mod rows;
mod signals;
mod text;
mod trend;
mod views;
mod visual;
mod zone;

use std::borrow::Cow;

use jiff::civil::Date;
use reinstate_domain::document::{
    DocumentObservation, DocumentThresholds, MrzFields, MrzFormat, compare_zones,
};
use reinstate_domain::evidence::ModelRef;

use crate::face::CenterFace;
use crate::image::Picture;
use crate::models::{self, Bundle, Role};
use crate::recognise::{FaceDetection, TextDetection, TextRecognition};
use crate::timing::Timings;
use belief::{Beside, is_believed, is_printed};
use heights::tell_homoglyphs_apart;
use look::Look;
use page::{Page, read_page};
use portrait::{Surroundings, find_portrait};
use region::Region;
use views::find_zone;
use visual::{FoundZone, VisualZone, a_century_before, read_visual};
use zone::Found;

/// The examination could not be made. What is wrong with a picture is no error: the observation says it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the network for {role} failed")]
    Network { role: Role, source: models::Error },
    #[error("OpenCV failed")]
    Geometry(#[from] opencv::Error),
}

/// Pixels of the longest side of a picture that is read: what a phone of twelve megapixels delivers. Larger ones are shrunk to
/// it, for they show nothing more of a document, and each step over their pixels costs.
const LARGEST: u32 = 4096;

/// What was seen, and how long it took: `decode`, `find_page`, `find_text`, `read_text`, `read_mrz`, `read_visual`, `quality`,
/// `signals`, `portrait`.
#[derive(Debug)]
pub struct DocumentExamination {
    pub observation: DocumentObservation,
    /// The portrait, cut out of the upright side that bears it.
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
                Ok(picture) => {
                    let smaller = timings.measure("decode", || match picture.within(LARGEST) {
                        Ok(Cow::Owned(smaller)) => Ok(Some(smaller)),
                        Ok(Cow::Borrowed(_)) => Ok(None),
                        Err(error) => Err(error),
                    })?;
                    pictures.push(smaller.unwrap_or(picture));
                }
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
        pages: Vec<Page>,
        today: Date,
        mut timings: Timings,
    ) -> Result<DocumentExamination, Error> {
        let mut observation = DocumentObservation::default();
        let Self { networks, settings, thresholds } = self;
        let mut look = Look::new(networks, settings, thresholds, today);
        let (mut pages, mut found) = find_zone(pages, &mut look, &mut timings)?;
        if let Some((side, found)) = &mut found
            && has_one_side(found.zone.reading.format)
        {
            // What is on the other picture is not of this document: neither print nor a face there speaks for its holder.
            pages = vec![pages.swap_remove(std::mem::take(side))];
        }
        if let Some((side, found)) = &mut found {
            let limits = &look.thresholds.reading;
            timings
                .measure("read_mrz", || tell_homoglyphs_apart(found, &pages[*side].picture, limits, today))?;
        }
        let supposed = found.as_mut().is_some_and(|(_, found)| found.zone.suppose());
        let fields = found.as_ref().and_then(|(_, found)| found.zone.fields.clone());
        let zone = found.as_ref().map(|(side, found)| FoundZone {
            side: *side,
            rows: &found.quads,
            extent: Region::above(&found.quads).filter(|_| has_one_side(found.zone.reading.format)),
        });
        let extent = zone.as_ref().and_then(|zone| zone.extent);
        let limits = &look.thresholds.reading;
        let (visual, unconfirmed) = timings.measure("read_visual", || {
            let mut read = |fields: Option<&MrzFields>| {
                read_visual(&mut pages, zone.as_ref(), fields, look.networks, limits, today)
            };
            let visual = read(fields.as_ref())?;
            match &fields {
                Some(fields) if supposed && !is_printed(fields, &visual.fields) => Ok((read(None)?, true)),
                _ => Ok::<_, Error>((visual, false)),
            }
        })?;
        let VisualZone { fields: visual, names_differ, name_certainty, number_lacks_an_end } = visual;
        observation.visual = visual;
        if let Some(fields) = found.as_mut().and_then(|(_, found)| found.zone.fields.as_mut()) {
            settle_century(fields, observation.visual.birth_date);
        }
        let mut portrait = None;
        if let Some(front) = pages.first() {
            observation.quality = timings.measure("quality", || quality::measure(front))?;
            let faces = &mut *look.networks.faces;
            let surroundings =
                Surroundings { text_height: observation.quality.text_height, extent, lines: &front.lines };
            let seen = timings
                .measure("portrait", || find_portrait(&front.picture, faces, &surroundings))
                .map_err(|source| Error::Network { role: Role::FaceDetection, source })?;
            observation.signals = timings.measure("signals", || signals::measure(front, seen.as_ref()))?;
            (observation.portrait, portrait) = seen.map(|seen| (seen.portrait, seen.picture)).unzip();
        }
        if let Some((side, mut found)) = found {
            let covered = is_covered(&found, &pages[side].picture)?;
            let beside = Beside { observation: &observation, covered, name_certainty, number_lacks_an_end };
            if unconfirmed
                || names_differ
                || !is_believed(&found, &beside, look.thresholds)
                || !is_whole(&found, &pages[side].picture)?
            {
                found.zone.retract();
            }
            if covered {
                found.zone.doubt();
            }
            observation.mrz = Some(found.zone.reading);
            observation.fields = found.zone.fields;
        }
        if let Some(fields) = &observation.fields {
            observation.comparison = compare_zones(&observation.visual, fields, look.thresholds);
        }
        Ok(DocumentExamination { observation, portrait, timings })
    }
}

/// Whether a document with a zone of this format states everything on one side, as ICAO 9303 parts 4, 6 and 7 have it. Cards of size ID-1
/// bear their zone on the back (part 5); where a licence has its line, ICAO does not say.
fn has_one_side(format: MrzFormat) -> bool {
    match format {
        MrzFormat::Td2 | MrzFormat::Td3 | MrzFormat::MrvA | MrzFormat::MrvB => true,
        MrzFormat::Td1 | MrzFormat::D1 => false,
    }
}

/// Takes the holder of a zone for a hundred years older where the print says so.
fn settle_century(fields: &mut MrzFields, printed: Option<Date>) {
    if printed.is_some() && fields.birth_date.and_then(a_century_before) == printed {
        fields.birth_date = printed;
    }
}

/// Whether nothing of the zone can be hidden behind the ends of its rows.
fn is_whole(found: &Found, picture: &Picture) -> Result<bool, Error> {
    if !found.zone.may_go_on() {
        return Ok(true);
    }
    for row in &found.quads {
        if !paper::ends_on_paper(picture, row, found.zone.width())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether something lies over characters of the zone, or over their edges: a finger, another paper, a reflection.
fn is_covered(found: &Found, picture: &Picture) -> Result<bool, Error> {
    for row in &found.quads {
        if paper::is_covered(picture, row, found.zone.width())? {
            return Ok(true);
        }
    }
    Ok(false)
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
        let zone = mrz::read_zone(
            &rows.iter().map(|row| mrz::Looks::from_iter([row])).collect::<Vec<_>>(),
            limits,
            today,
        )?;
        Some((zone.reading, zone.fields))
    }
}

#[cfg(test)]
mod tests {
    use super::visual::testing::daniel;
    use super::*;

    #[test]
    fn two_digits_of_a_year_are_of_the_century_that_is_printed() {
        let born = |printed| {
            let mut fields = daniel();
            settle_century(&mut fields, printed);
            fields.birth_date.unwrap()
        };
        let [in_zone, older, other] = [1971, 1871, 1872].map(|year| jiff::civil::date(year, 10, 19));
        assert_eq!([Some(older), Some(other), None].map(born), [older, in_zone, in_zone]);
    }
}
