//! The visual zone: what is printed for people, read as far as it confirms or contradicts the machine-readable zone.
//!
//! What the zone says is looked for anywhere on the document. What is not found is looked for a second time with the
//! careful network, and only then is a value that stands in its place, or nearly is it, reported as what is printed. So a
//! misread character does not accuse, and a changed one does not hide.

mod confirm;
mod contradict;
mod date;
mod label;
mod labelled;
mod likeness;
mod names;
mod numbered;
mod side;
#[cfg(test)]
pub(super) mod testing;

use jiff::civil::Date;
use reinstate_domain::document::{MrzFields, ReadingThresholds, VisualFields};

use super::line::Line;
use super::page::Page;
use super::region::Region;
use super::text::{Quad, distance};
use super::{Error, Networks};
use confirm::confirm;
use contradict::contradict;
pub(crate) use date::a_century_before;
use labelled::labelled;
use likeness::lacks_an_end;
pub(crate) use likeness::{as_in_zone, states_all};
use side::Side;

/// What is printed for people.
pub(crate) struct VisualZone {
    pub(crate) fields: VisualFields,
    /// Some of the given names of the machine-readable zone stand there, and something that was not read with certainty in the place of the
    /// others.
    pub(crate) names_differ: bool,
    /// The least certain letter of the lines that state the names, each as the recogniser read it that was surer of it; 1 where none does.
    pub(crate) name_certainty: f32,
    /// The number of the machine-readable zone stands there but for a character at one of its ends, which its check digit tells.
    pub(crate) number_lacks_an_end: bool,
}

impl VisualZone {
    /// What was found, and nothing that speaks for or against the rest.
    fn of(fields: VisualFields) -> Self {
        Self { fields, names_differ: false, name_certainty: 1.0, number_lacks_an_end: false }
    }
}

/// Where the machine-readable zone is.
pub(crate) struct FoundZone<'a> {
    pub(crate) side: usize,
    pub(crate) rows: &'a [Quad],
    /// The part of that side that the document takes up, if the zone tells.
    pub(crate) extent: Option<Region>,
}

impl FoundZone<'_> {
    /// Whether a line of its side can be print for people: it is on the document, and not of the zone.
    fn leaves(&self, line: &Line) -> bool {
        let centre = line.quad.centre();
        let in_zone = |row: &Quad| {
            let (left, right) = row.ends();
            let length = distance(left, right).max(1.0);
            let [dx, dy] = row.direction();
            let [x, y] = [centre[0] - left[0], centre[1] - left[1]];
            let (along, down) = (x * dx + y * dy, y * dx - x * dy);
            down.abs() < 0.6 * row.height() && along > -row.height() && along < length + row.height()
        };
        self.extent.is_none_or(|extent| extent.contains(centre)) && !self.rows.iter().any(in_zone)
    }
}

/// Reads the visual zone of all sides.
pub(crate) fn read_visual(
    pages: &mut [Page],
    zone: Option<&FoundZone<'_>>,
    fields: Option<&MrzFields>,
    networks: &mut Networks,
    limits: &ReadingThresholds,
    today: Date,
) -> Result<VisualZone, Error> {
    let mut found = VisualFields::default();
    if let Some(fields) = fields {
        for i in 0..pages.len() {
            loop {
                confirm(&Side::of(i, &pages[i], zone), fields, &mut found);
                if is_complete(&found, fields) {
                    // The side that completes it may be a card's back, and the names on its front.
                    let name_certainty = name_certainty(&sides(&pages[..=i], zone), fields);
                    return Ok(VisualZone { name_certainty, ..VisualZone::of(found) });
                }
                if !pages[i].read_more(networks)? {
                    break;
                }
            }
        }
    }
    for page in &mut *pages {
        page.read_rest(networks)?;
    }
    let sides = sides(pages, zone);
    let Some(fields) = fields else {
        for (side, page) in sides.iter().zip(pages) {
            labelled(&side.reread_values(page, networks)?, limits, today, &mut found);
        }
        return Ok(VisualZone::of(found));
    };
    for side in &sides {
        confirm(side, fields, &mut found);
    }
    let mut careful = Vec::new();
    for (side, page) in sides.iter().zip(&mut *pages) {
        careful.push(side.reread(page, fields, &found, networks)?);
    }
    for side in &careful {
        confirm(side, fields, &mut found);
    }
    let legible = confirmed(&found) >= FEWEST_CONFIRMED;
    for side in &careful {
        contradict(side, fields, limits, legible, &mut found);
    }
    let has_others = |side: &Side| side.lines.iter().any(|line| names::has_others(&line.text, fields));
    let names_differ =
        found.given_names.is_none() && careful.iter().any(|side| side.bears_the_portrait && has_others(side));
    let number_lacks_an_end = found.number.is_none()
        && careful.iter().flat_map(|side| &side.lines).any(|line| lacks_an_end(&line.text, &fields.number));
    let name_certainty = name_certainty(sides.iter().chain(&careful), fields);
    let mut beside = VisualFields::default();
    for (side, page) in sides.iter().zip(pages) {
        if states_the_holder(fields) {
            labelled(side, limits, today, &mut beside);
        } else {
            labelled(&side.reread_values(page, networks)?, limits, today, &mut beside);
        }
    }
    let fields = VisualFields {
        given_names: found.given_names.or(beside.given_names.filter(|_| fields.given_names.is_empty())),
        birth_date: found.birth_date.or(beside.birth_date.filter(|_| fields.birth_date.is_none())),
        issue_date: beside.issue_date,
        sex: beside.sex,
        ..found
    };
    Ok(VisualZone { fields, names_differ, name_certainty, number_lacks_an_end })
}

fn sides(pages: &[Page], zone: Option<&FoundZone<'_>>) -> Vec<Side> {
    pages.iter().enumerate().map(|(i, page)| Side::of(i, page, zone)).collect()
}

/// The least certain letter of surname and given names where a recogniser was surest of them, on whichever side.
fn name_certainty<'a>(sides: impl IntoIterator<Item = &'a Side>, fields: &MrzFields) -> f32 {
    let lines: Vec<&Line> = sides.into_iter().flat_map(|side| &side.lines).collect();
    let certainty = |line: &Line| {
        let letters = line.text.chars().zip(&line.certainty).filter(|(c, _)| c.is_alphabetic());
        letters.map(|(_, certainty)| *certainty).fold(1.0, f32::min)
    };
    let surest = |states: &dyn Fn(&str) -> bool| {
        lines.iter().filter(|line| states(&line.text)).map(|line| certainty(line)).reduce(f32::max)
    };
    let surname = surest(&|text| names::surname(text, fields).is_some());
    let given_names = surest(&|text| names::given_names(text, fields, None).is_some());
    surname.into_iter().chain(given_names).fold(1.0, f32::min)
}

/// A driving licence's line has neither given names nor a birth date: of those only the visual zone says something.
fn states_the_holder(fields: &MrzFields) -> bool {
    !fields.given_names.is_empty() && fields.birth_date.is_some()
}

/// How much of what the zone states was found.
fn confirmed(found: &VisualFields) -> usize {
    let VisualFields { number, surname, given_names, birth_date, expiry_date, .. } = found;
    let is_found = [
        number.is_some(),
        surname.is_some(),
        given_names.is_some(),
        birth_date.is_some(),
        expiry_date.is_some(),
    ];
    is_found.into_iter().filter(|is_found| *is_found).count()
}

/// Fields of the zone that must be found for one letter of a name to contradict it: where hardly anything can be read, it was misread.
const FEWEST_CONFIRMED: usize = 2;

/// Whether everything that the zone states was found: then nothing that is still unread can matter.
fn is_complete(found: &VisualFields, fields: &MrzFields) -> bool {
    states_the_holder(fields)
        && found.number.is_some()
        && found.surname.is_some()
        && found.given_names.is_some()
        && found.birth_date.is_some()
        && (found.expiry_date.is_some() || fields.expiry_date.is_none())
}

#[cfg(test)]
mod tests {
    use super::testing::{daniel, line};
    use super::*;

    #[test]
    fn names_are_as_certain_as_their_worst_letter_where_a_recogniser_was_surest_of_it() {
        let surname = line("DANIEL", &[0.9, 0.9, 0.7, 0.9, 0.9, 0.9]);
        let again = line("Surname DANIEL", &[0.95; 14]);
        let given = line("DANIEL PIETER 1", &[[0.99; 13].as_slice(), &[0.99, 0.1]].concat());
        let other = line("AUTHORITY", &[0.2; 9]);
        let certainty = |lines: &[&Line]| {
            let sides =
                lines.iter().map(|line| Side { lines: vec![(*line).clone()], bears_the_portrait: true });
            name_certainty(&sides.collect::<Vec<_>>(), &daniel())
        };
        assert_eq!(certainty(&[&given, &other, &surname]), 0.7);
        assert_eq!(certainty(&[&surname, &given, &again]), 0.95);
        assert_eq!(certainty(&[&other]), 1.0);
    }
}
