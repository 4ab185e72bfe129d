//! Reading an identity document: from pictures to an observation. What it means is
//! [`reinstate_domain::document::judge`]'s business.

mod fillers;
mod frame;
mod heights;
mod line;
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
    ComparedField, DocumentObservation, DocumentThresholds, MrzFields, MrzFormat, compare_zones,
};
use reinstate_domain::evidence::ModelRef;

use crate::face::CenterFace;
use crate::image::Picture;
use crate::models::{self, Bundle, Role};
use crate::recognise::{FaceDetection, TextDetection, TextRecognition};
use crate::timing::Timings;
use heights::tell_homoglyphs_apart;
use page::{Page, read_page};
use portrait::{Surroundings, find_portrait};
use region::Region;
use views::{Look, find_zone};
use visual::{FoundZone, VisualZone, a_century_before, as_in_zone, read_visual, states_all};
use zone::{Effort, Found};

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
        let fields = found.as_ref().and_then(|(_, found)| found.zone.fields.clone());
        let zone = found.as_ref().map(|(side, found)| FoundZone {
            side: *side,
            rows: &found.quads,
            extent: Region::above(&found.quads).filter(|_| has_one_side(found.zone.reading.format)),
        });
        let extent = zone.as_ref().and_then(|zone| zone.extent);
        let VisualZone { fields: visual, names_differ } = timings.measure("read_visual", || {
            read_visual(
                &mut pages,
                zone.as_ref(),
                fields.as_ref(),
                look.networks,
                &look.thresholds.reading,
                today,
            )
        })?;
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
            if names_differ
                || !is_believed(&found, covered, &observation, look.thresholds)
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

/// Whether a zone may count as read beside this visual zone, in a picture of this sharpness. Blur makes one letter of another and
/// leaves the recogniser sure of it; where no check digit would notice, the visual zone has to say the same.
fn is_believed(
    found: &Found,
    covered: bool,
    observation: &DocumentObservation,
    thresholds: &DocumentThresholds,
) -> bool {
    let Some(fields) = &found.zone.fields else { return true };
    let (visual, sharpness) = (&observation.visual, observation.quality.sharpness);
    let whole = visual.given_names.as_ref().is_some_and(|names| states_all(names, &fields.given_names));
    // A visual zone whose name is lost may have its number misread in the same way.
    let confirmed =
        visual.number.is_some() && visual.surname.is_some() && (whole || fields.given_names.is_empty());
    let compared = compare_zones(visual, fields, thresholds);
    let contradicted =
        |fields: &[ComparedField]| compared.iter().any(|of| !of.agrees && fields.contains(&of.field));
    // Where the print shows all that the zone says but its number, the number was misread. Where it shows something else, the zone is
    // another document's.
    let all_but_number = visual.number.is_none()
        && visual.surname.is_some()
        && whole
        && visual.birth_date.is_some()
        && visual.expiry_date.is_some()
        && !contradicted(&[
            ComparedField::Surname,
            ComparedField::GivenNames,
            ComparedField::BirthDate,
            ComparedField::ExpiryDate,
        ]);
    if all_but_number {
        return false;
    }
    // A reflection burns strokes away and a finger hides the beginning of a row, which leaves other letters and no state's code; in a blur
    // that makes letters of fillers, print is misread as well. A forger who alters a name or a number does none of these: where the print
    // says otherwise, one of both was misread, which accuses nobody.
    let obscured = observation.quality.text_glare > 0.0
        || covered
        || !found.zone.has_a_states_code()
        || found.effort == Effort::Shapes;
    // Of these characters no check digit tells one from all others.
    if obscured && contradicted(&[ComparedField::Number, ComparedField::Surname, ComparedField::GivenNames]) {
        return false;
    }
    // The print's letter, seen in the zone beside the one that was taken, is no alteration either, whatever made the picture bad.
    let misread = |field, value: &str, print: Option<&String>| {
        contradicted(&[field]) && print.is_some_and(|print| found.zone.may_be(value, &as_in_zone(print)))
    };
    if misread(ComparedField::Number, &fields.number, visual.number.as_ref())
        || misread(ComparedField::Surname, &fields.surname, visual.surname.as_ref())
        || misread(ComparedField::GivenNames, &fields.given_names, visual.given_names.as_ref())
    {
        return false;
    }
    // What is left of a letter makes another one, as does a blur that makes letters of fillers, and no check digit covers the names.
    if (covered || found.effort == Effort::Shapes) && !confirmed {
        return false;
    }
    // No check digit covers the code of a state, and no print is compared with it.
    if observation.quality.is_blurred(thresholds) && !found.zone.has_a_states_code() {
        return false;
    }
    let out_of_focus = sharpness < thresholds.min_sharpness;
    let soft = thresholds.min_twin_sharpness.is_some_and(|least| sharpness < least);
    // Where one given name is found and the next is not, that one was misread, here or in the zone.
    let in_part = visual.surname.is_some() && visual.given_names.is_some() && !whole;
    let twins = found.zone.has_twins() && found.effort != Effort::FirstSight;
    confirmed || !(out_of_focus || soft && (twins || in_part))
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
    use reinstate_domain::document::VisualFields;

    use super::mrz::testing::{Noise, frames_of};
    use super::mrz::{Looks, read_zone};
    use super::*;

    const TODAY: Date = Date::constant(2026, 11, 26);

    fn thresholds() -> DocumentThresholds {
        Bundle::open(None).unwrap().document_thresholds().clone()
    }

    fn erikssons(effort: Effort) -> Found {
        Found { effort, ..erikssons_with(Vec::new()) }
    }

    /// With other characters seen in its first row: column, character and probability.
    fn erikssons_with(confusions: Vec<(usize, char, f32)>) -> Found {
        let rows =
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"];
        let first = Noise { confusions, ..Noise::none() };
        let frames = [frames_of(rows[0], &first), frames_of(rows[1], &Noise::none())];
        let looks: Vec<_> = frames.iter().map(|frames| Looks::from_iter([frames])).collect();
        let zone = read_zone(&looks, &thresholds().reading, TODAY).unwrap();
        assert!(zone.reading.valid);
        Found { zone, quads: Vec::new(), effort: Effort::FirstSight }
    }

    fn beside(visual: VisualFields, sharpness: f32) -> DocumentObservation {
        let mut observation = DocumentObservation { visual, ..DocumentObservation::default() };
        observation.quality.sharpness = sharpness;
        observation
    }

    fn print() -> VisualFields {
        VisualFields {
            number: Some("L898902C3".into()),
            surname: Some("Eriksson".into()),
            given_names: Some("Anna Maria".into()),
            birth_date: Some(Date::constant(1974, 8, 12)),
            expiry_date: Some(Date::constant(2012, 4, 15)),
            ..VisualFields::default()
        }
    }

    #[test]
    fn two_digits_of_a_year_are_of_the_century_that_is_printed() {
        let born = |printed| {
            let mut fields = erikssons(Effort::FirstSight).zone.fields.unwrap();
            settle_century(&mut fields, printed);
            fields.birth_date.unwrap()
        };
        let [in_zone, older, other] = [1974, 1874, 1875].map(|year| jiff::civil::date(year, 8, 12));
        assert_eq!([Some(older), Some(other), None].map(born), [older, in_zone, in_zone]);
    }

    #[track_caller]
    fn believes(visual: &VisualFields, sharpness: f32, effort: Effort, expected: bool) {
        let observation = beside(visual.clone(), sharpness);
        assert_eq!(is_believed(&erikssons(effort), false, &observation, &thresholds()), expected);
    }

    #[test]
    fn a_zone_is_believed_in_a_blurred_picture_only_with_what_is_printed() {
        believes(&print(), 0.05, Effort::Careful, true);
        believes(&VisualFields::default(), 0.05, Effort::FirstSight, false);
        believes(&VisualFields::default(), 0.4, Effort::FirstSight, true);
    }

    #[test]
    fn a_zone_whose_fillers_were_told_by_their_shape_is_believed_only_with_what_is_printed() {
        believes(&print(), 0.4, Effort::Shapes, true);
        believes(&VisualFields { given_names: None, ..print() }, 0.4, Effort::Shapes, false);
    }

    #[test]
    fn a_number_that_alone_is_not_printed_was_misread() {
        let print = VisualFields { number: None, ..print() };
        believes(&print, 0.9, Effort::FirstSight, false);
        let hardly_legible = VisualFields { birth_date: None, ..print.clone() };
        believes(&hardly_legible, 0.9, Effort::FirstSight, true);
        // That is another person's zone.
        believes(&VisualFields { surname: Some("Bernoulli".into()), ..print }, 0.9, Effort::FirstSight, true);
    }

    #[test]
    fn what_the_print_says_otherwise_was_misread_where_the_picture_is_bad_and_forged_where_it_is_clear() {
        let other_number = VisualFields { number: Some("L898902C5".into()), ..print() };
        let other_name = VisualFields { surname: Some("Eriksdon".into()), ..print() };
        for (visual, believed) in [(other_number, false), (other_name, false), (print(), true)] {
            believes(&visual, 0.9, Effort::FirstSight, true);
            believes(&visual, 0.9, Effort::Shapes, believed);
            let mut reflected = beside(visual, 0.9);
            reflected.quality.text_glare = 0.05;
            let under_a_reflection =
                is_believed(&erikssons(Effort::FirstSight), false, &reflected, &thresholds());
            assert_eq!(under_a_reflection, believed);
        }
    }

    #[test]
    fn a_zone_that_something_lies_over_is_believed_with_what_is_printed_only_and_accuses_nobody() {
        let believed =
            |visual| is_believed(&erikssons(Effort::FirstSight), true, &beside(visual, 0.9), &thresholds());
        assert!(believed(print()));
        assert!(!believed(VisualFields { given_names: None, ..print() }));
        assert!(!believed(VisualFields { given_names: Some("Anna Lucia".into()), ..print() }));
    }

    #[test]
    fn a_printed_letter_that_left_a_trace_in_the_zone_was_misread_there() {
        let believed = |seen: Vec<(usize, char, f32)>, visual: VisualFields| {
            is_believed(&erikssons_with(seen), false, &beside(visual, 0.9), &thresholds())
        };
        let eriksdon = || VisualFields { surname: Some("Eriksdon".into()), ..print() };
        assert!(!believed(vec![(10, 'D', 0.03)], eriksdon()));
        assert!(believed(vec![(10, 'D', 0.001)], eriksdon()), "an alteration");
        assert!(believed(vec![(10, 'Z', 0.03)], eriksdon()), "of another letter");
        assert!(believed(vec![(10, 'D', 0.03)], print()), "nobody says otherwise");
        let anna_karin = VisualFields { given_names: Some("Anna Karin".into()), ..print() };
        assert!(believed(vec![(20, 'K', 0.03)], anna_karin), "one letter of three");
    }

    #[test]
    fn a_zone_of_no_state_that_the_print_contradicts_was_misread() {
        let mut found = erikssons(Effort::FirstSight);
        found.zone.fields.as_mut().unwrap().issuer = "ADA".into();
        assert!(is_believed(&found, false, &beside(print(), 0.9), &thresholds()));
        let visual = VisualFields { surname: Some("Eriksdon".into()), ..print() };
        assert!(!is_believed(&found, false, &beside(visual, 0.9), &thresholds()));
    }

    #[test]
    fn a_code_of_no_state_is_not_read_in_a_blurred_picture() {
        let believed = |issuer: &str, least_sharpness| {
            let mut found = erikssons(Effort::FirstSight);
            found.zone.fields.as_mut().unwrap().issuer = issuer.into();
            let mut observation = beside(print(), 0.9);
            observation.quality.least_sharpness = Some(least_sharpness);
            is_believed(&found, false, &observation, &thresholds())
        };
        assert!(!believed("BWE", 0.12));
        assert!(believed("SWE", 0.12));
        assert!(believed("BWE", 0.4));
    }

    #[test]
    fn a_given_name_that_is_printed_in_part_confirms_nothing_in_a_soft_picture() {
        let print = VisualFields { given_names: Some("Anna".into()), ..print() };
        believes(&print, 0.19, Effort::FirstSight, false);
        believes(&print, 0.4, Effort::FirstSight, true);
    }
}
