//! The visual zone: what is printed for people, read as far as it confirms or contradicts the machine-readable zone.
//!
//! What the zone says is looked for anywhere on the document. What is not found is looked for a second time with the
//! careful network, and only then is a value that stands in its place, or nearly is it, reported as what is printed. So a
//! misread character does not accuse, and a changed one does not hide.

mod date;
mod label;
mod likeness;
mod numbered;

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use reinstate_domain::document::{
    Marks, MrzFields, NameMatch, ReadingThresholds, VisualFields, is_same_but_for_marks, match_given_names,
    match_surname,
};

use super::line::{Line, read_lines};
use super::page::Page;
use super::text::{Quad, distance};
use super::{Error, Networks};
use crate::models::Role;
use date::{Mention, mentions, states};
use label::{Field, Other, label, value_of};
pub(crate) use likeness::{as_in_zone, states_all};
use likeness::{is_ligature, is_misread, letters, nearest, nearest_number, printed, runs, significant};

/// Lines of one side that are read a second time.
const MOST_REREAD: usize = 16;

/// Reads the visual zone of all sides. `zone` is the side that holds the machine-readable zone, and its rows.
pub(crate) fn read_visual(
    pages: &mut [Page],
    zone: Option<(usize, &[Quad])>,
    fields: Option<&MrzFields>,
    networks: &mut Networks,
    limits: &ReadingThresholds,
    today: Date,
) -> Result<VisualFields, Error> {
    let mut found = VisualFields::default();
    if let Some(fields) = fields {
        for (i, page) in pages.iter_mut().enumerate() {
            loop {
                confirm(&Side::of(i, page, zone).lines, fields, &mut found);
                if is_complete(&found, fields) {
                    return Ok(found);
                }
                if !page.read_more(networks)? {
                    break;
                }
            }
        }
    }
    for page in &mut *pages {
        page.read_rest(networks)?;
    }
    let sides: Vec<Side> = pages.iter().enumerate().map(|(i, page)| Side::of(i, page, zone)).collect();
    let Some(fields) = fields else {
        for (side, page) in sides.iter().zip(pages) {
            labelled(&side.reread_values(page, networks)?, limits, today, &mut found);
        }
        return Ok(found);
    };
    for side in &sides {
        confirm(&side.lines, fields, &mut found);
    }
    let mut careful = Vec::new();
    for (side, page) in sides.iter().zip(&mut *pages) {
        careful.push(side.reread(page, fields, &found, networks)?);
    }
    for side in &careful {
        confirm(&side.lines, fields, &mut found);
    }
    let legible = confirmed(&found) >= FEWEST_CONFIRMED;
    for side in &careful {
        contradict(side, fields, limits, legible, &mut found);
    }
    let mut beside = VisualFields::default();
    for (side, page) in sides.iter().zip(pages) {
        if states_the_holder(fields) {
            labelled(side, limits, today, &mut beside);
        } else {
            labelled(&side.reread_values(page, networks)?, limits, today, &mut beside);
        }
    }
    Ok(VisualFields {
        given_names: found.given_names.or(beside.given_names.filter(|_| fields.given_names.is_empty())),
        birth_date: found.birth_date.or(beside.birth_date.filter(|_| fields.birth_date.is_none())),
        issue_date: beside.issue_date,
        sex: beside.sex,
        ..found
    })
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

/// The lines of one side that do not belong to the machine-readable zone.
struct Side {
    lines: Vec<Line>,
}

impl Side {
    fn of(index: usize, page: &Page, zone: Option<(usize, &[Quad])>) -> Self {
        let rows = zone.filter(|(side, _)| *side == index).map_or(&[][..], |(_, rows)| rows);
        let in_zone = |line: &Line| {
            let centre = line.quad.centre();
            rows.iter().any(|row| {
                let (left, right) = row.ends();
                let length = distance(left, right).max(1.0);
                let [dx, dy] = row.direction();
                let [x, y] = [centre[0] - left[0], centre[1] - left[1]];
                let (along, down) = (x * dx + y * dy, y * dx - x * dy);
                down.abs() < 0.6 * row.height() && along > -row.height() && along < length + row.height()
            })
        };
        Self { lines: page.lines.iter().filter(|line| !in_zone(line)).cloned().collect() }
    }

    /// The side with those lines read a second time that have to do with what is not confirmed yet.
    fn reread(
        &self,
        page: &Page,
        fields: &MrzFields,
        found: &VisualFields,
        networks: &mut Networks,
    ) -> Result<Self, Error> {
        let values = self.values();
        let numbers = found.number.is_none() || found.birth_date.is_none() || found.expiry_date.is_none();
        let wanted = |(i, line): &(usize, &Line)| {
            let digits = line.text.chars().filter(char::is_ascii_digit).count();
            let value = values.iter().any(|(_, at)| at == i);
            let number = found.number.is_none()
                && (nearest_number(line, &fields.number, 0.0).is_some()
                    || values.iter().any(|(field, at)| at == i && *field == Field::Number));
            let name = found.surname.is_none() && nearest(&line.text, &fields.surname).is_some()
                || found.given_names.is_none() && nearest(&line.text, &fields.given_names).is_some();
            number
                || numbers && digits >= 4
                || name
                || value && (found.surname.is_none() || found.given_names.is_none())
        };
        let wanted = self.lines.iter().enumerate().filter(wanted).map(|(i, _)| i).take(MOST_REREAD).collect();
        self.reread_lines(page, wanted, networks)
    }

    /// The side with those lines read a second time that hold a value.
    fn reread_values(&self, page: &Page, networks: &mut Networks) -> Result<Self, Error> {
        let mut wanted: Vec<usize> = self.values().into_iter().map(|(_, line)| line).collect();
        wanted.extend(numbered::lines(&self.lines));
        wanted.sort_unstable();
        wanted.dedup();
        wanted.truncate(MOST_REREAD);
        self.reread_lines(page, wanted, networks)
    }

    fn reread_lines(&self, page: &Page, wanted: Vec<usize>, networks: &mut Networks) -> Result<Self, Error> {
        let quads: Vec<Quad> = wanted.iter().map(|i| self.lines[*i].quad).collect();
        let read =
            read_lines(&page.picture.mat()?, &quads, &mut *networks.careful, Role::TextRecognitionCareful)?;
        let mut lines = self.lines.clone();
        for line in &mut lines {
            // Only what was read carefully may contradict.
            line.certainty.fill(0.0);
        }
        for (i, line) in wanted.into_iter().zip(read) {
            lines[i] = line;
        }
        Ok(Self { lines })
    }

    /// Labels, and the line that holds the value of each.
    fn values(&self) -> Vec<(Field, usize)> {
        let labels: Vec<Option<Field>> = self.lines.iter().map(|line| label(&line.text)).collect();
        let lines = self.lines.iter().zip(&labels).enumerate();
        let all: Vec<Other> = lines
            .clone()
            .map(|(i, (line, label))| Other { line: i, quad: line.quad, is_label: label.is_some() })
            .collect();
        let value = |(i, (line, label)): (usize, (&Line, &Option<Field>))| {
            let field = (*label)?;
            // Label and value may be one line.
            let itself = matches!(field, Field::BirthDate | Field::ExpiryDate | Field::IssueDate)
                && !mentions(&line.text).is_empty();
            Some((field, if itself { i } else { value_of(&line.quad, &all)? }))
        };
        lines.filter_map(value).collect()
    }
}

/// Heights of a line up to which something that belongs to it may stand to the right of it.
const REACH: f32 = 6.0;

/// The nearest line to the right of another one.
fn beside(line: usize, lines: &[Line]) -> Option<usize> {
    let quad = &lines[line].quad;
    let (_, end) = quad.ends();
    let [dx, dy] = quad.direction();
    let place = |other: &Line| {
        let (start, _) = other.quad.ends();
        let [x, y] = [start[0] - end[0], start[1] - end[1]];
        (x * dx + y * dy, (y * dx - x * dy).abs(), distance(start, end))
    };
    lines
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != line)
        .map(|(i, other)| (i, place(other)))
        .filter(|(_, (along, off, _))| {
            *along > -0.5 * quad.height() && *along < REACH * quad.height() && *off < 0.6 * quad.height()
        })
        .min_by(|a, b| a.1.2.total_cmp(&b.1.2))
        .map(|(i, _)| i)
}

/// Looks for what the zone says.
fn confirm(lines: &[Line], fields: &MrzFields, found: &mut VisualFields) {
    let number = printed(&fields.number);
    let given = fields.given_names.split_whitespace().count();
    let doubled = given > 1 && fields.given_names.split_whitespace().any(|name| name == fields.surname);
    let [surname_cut, given_cut] = fields.cuts(true);
    let excess = |run: &str| letters(run).len().abs_diff(letters(&fields.given_names).len());
    for (i, line) in lines.iter().enumerate() {
        let says_number = |text: &str| {
            if number.len() >= 6 { text.contains(&number) } else { text == number }
        };
        if found.number.is_none()
            && !number.is_empty()
            && (says_number(&printed(&line.text))
                || runs(&line.text).iter().any(|run| printed(run) == number))
        {
            found.number = Some(fields.number.clone());
        }
        // Who is called Daniel Daniel has two lines that say so: that of the given names is no proof of the surname.
        let no_surname = doubled
            && runs(&line.text).iter().any(|run| {
                run.split_whitespace().count() == given
                    && match_given_names(run, Marks::MayBeMissing, &fields.given_names, given_cut)
                        == NameMatch::Same
            });
        for run in runs(&line.text) {
            let is_surname = || {
                match_surname(&run, Marks::MayBeMissing, &fields.surname, surname_cut) == NameMatch::Same
                    || is_same_but_for_marks(&run, &fields.surname)
            };
            let wanted = found.surname.is_none() && !no_surname;
            if wanted && is_surname() {
                found.surname = Some(run.clone());
            } else if wanted && is_ligature(&run, &fields.surname) {
                found.surname = Some(fields.surname.clone());
            }
            // A whole line may hold the surname too, and what the zone has no room for is printed here.
            let better = found.given_names.as_ref().is_none_or(|known| {
                if fields.name_truncated { known.len() < run.len() } else { excess(known) > excess(&run) }
            });
            if better
                && !fields.given_names.is_empty()
                && (match_given_names(&run, Marks::MayBeMissing, &fields.given_names, given_cut)
                    == NameMatch::Same
                    || is_same_but_for_marks(&run, &fields.given_names))
            {
                found.given_names = Some(run);
            }
        }
        // Text detection may take the year for a line of its own.
        let joined = beside(i, lines).map(|j| format!("{} {}", line.text, lines[j].text));
        for text in std::iter::once(&line.text).chain(&joined) {
            found.birth_date = found.birth_date.or_else(|| {
                let birth = fields.birth_date?;
                [birth, a_century_before(birth)?].into_iter().find(|date| states(text, *date))
            });
            found.expiry_date = found.expiry_date.or(fields.expiry_date.filter(|date| states(text, *date)));
        }
    }
}

/// Looks for what stands in the place of something that the zone says otherwise. `legible`: enough of what it says was found for one
/// letter to count.
fn contradict(
    side: &Side,
    fields: &MrzFields,
    limits: &ReadingThresholds,
    legible: bool,
    found: &mut VisualFields,
) {
    let certain = |line: &Line| line.lowest() >= limits.min_visual;
    let lines: Vec<&Line> = side.lines.iter().filter(|line| certain(line)).collect();
    let labelled: Vec<(Field, &Line)> = side
        .values()
        .into_iter()
        .map(|(field, i)| (field, &side.lines[i]))
        .filter(|(_, line)| certain(line))
        .collect();
    let labelled = |field: Field| labelled.iter().filter(move |(of, _)| *of == field).map(|(_, line)| *line);

    if found.number.is_none() {
        found.number = side
            .lines
            .iter()
            .find_map(|line| nearest_number(line, &fields.number, limits.min_visual))
            .or_else(|| {
                let number = |line: &Line| {
                    let text = significant(&line.text);
                    let digits = text.chars().filter(char::is_ascii_digit).count();
                    (text.len() == fields.number.len() && 2 * digits >= text.len()).then_some(text)
                };
                labelled(Field::Number).find_map(number)
            });
    }
    let is_name = |text: &str| {
        text.chars().filter(|c| c.is_alphabetic()).count() >= 2 && !text.chars().any(|c| c.is_ascii_digit())
    };
    let counts =
        |text: &String, name: &str| legible || strsim::levenshtein(&letters(text), &letters(name)) > 1;
    if found.surname.is_none() {
        let near = lines.iter().find_map(|line| nearest(&line.text, &fields.surname));
        let named = || {
            let text = labelled(Field::Surname).map(|line| line.text.clone());
            text.into_iter().find(|text| is_name(text) && !is_misread(text, &fields.surname))
        };
        found.surname = near.or_else(named).filter(|text| counts(text, &fields.surname));
    }
    if found.given_names.is_none() && !fields.given_names.is_empty() {
        let near = lines.iter().find_map(|line| nearest(&line.text, &fields.given_names));
        let named = || {
            let text = labelled(Field::GivenNames).map(|line| line.text.clone());
            text.into_iter().find(|text| is_name(text) && !is_misread(text, &fields.given_names))
        };
        found.given_names = near.or_else(named).filter(|text| counts(text, &fields.given_names));
    }
    let all: Vec<Mention> = lines.iter().flat_map(|line| mentions(&line.text)).collect();
    if let (None, Some(birth)) = (found.birth_date, fields.birth_date) {
        let is_issue = |date: &Date| fields.expiry_date.is_some_and(|expiry| is_its_issue(*date, expiry));
        let others =
            all.iter().filter(|mention| fields.expiry_date.is_none_or(|date| !mention.contains(&date)));
        found.birth_date = labelled(Field::BirthDate)
            .flat_map(|line| mentions(&line.text))
            .find_map(|mention| mention.first().copied())
            // Where the birth date is not found, the next one below its label may be taken for it.
            .filter(|date| !is_issue(date))
            .or_else(|| others.clone().flatten().copied().find(|date| one_digit_apart(*date, birth)))
            // Nothing on a document is older than its holder.
            .or_else(|| {
                let last = others.filter_map(|mention| mention.last().copied());
                last.filter(|date| *date < birth && !is_issue(date)).min()
            });
    }
    if let (None, Some(expiry)) = (found.expiry_date, fields.expiry_date) {
        let altered = |date: &Date| one_digit_apart(*date, expiry) && !is_its_issue(*date, expiry);
        let others =
            || all.iter().filter(|mention| fields.birth_date.is_none_or(|date| !mention.contains(&date)));
        found.expiry_date = labelled(Field::ExpiryDate)
            .flat_map(|line| mentions(&line.text))
            .find_map(|mention| mention.last().copied())
            // Nothing on a document is later than its end.
            .or_else(|| {
                others().filter_map(|mention| mention.first().copied()).filter(|date| *date > expiry).max()
            })
            .or_else(|| others().flatten().copied().find(altered));
    }
}

/// What stands beside a label or a number of a field, for what no machine-readable zone states.
fn labelled(side: &Side, limits: &ReadingThresholds, today: Date, found: &mut VisualFields) {
    for (field, i) in side.values() {
        if side.lines[i].lowest() >= limits.min_visual {
            accept(field, &side.lines[i].text, today, found);
        }
    }
    for (field, text) in numbered::values(&side.lines, limits.min_visual) {
        accept(field, &text, today, found);
    }
}

/// Takes a text as the value of a field, when it can be one and none is known yet.
fn accept(field: Field, text: &str, today: Date, found: &mut VisualFields) {
    let name = || {
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        (letters >= 2 && !text.chars().any(|c| c.is_ascii_digit())).then(|| text.trim().to_owned())
    };
    match field {
        Field::Number => found.number = found.number.take().or_else(|| document_number(text)),
        Field::Surname => found.surname = found.surname.take().or_else(name),
        Field::GivenNames => found.given_names = found.given_names.take().or_else(name),
        Field::BirthDate => found.birth_date = found.birth_date.or_else(|| day(text, today)),
        Field::IssueDate => found.issue_date = found.issue_date.or_else(|| day(text, today)),
        // As in a machine-readable zone, a year of two digits is within fifty years.
        Field::ExpiryDate => {
            let latest = today.saturating_add(50.years());
            found.expiry_date = found.expiry_date.or_else(|| day(text, latest));
        }
        Field::Sex => found.sex = found.sex.take().or_else(|| sex(text)),
    }
}

/// The letters and digits of a text that can be a number: some issuers' have one digit only, and are one word then.
fn document_number(text: &str) -> Option<String> {
    let fewest = if text.split_whitespace().count() == 1 { 1 } else { 2 };
    let text = significant(text);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (text.len() >= 5 && digits >= fewest).then_some(text)
}

/// The first date of a text, in the latest century in which it is not after `latest`; where day and month could be
/// exchanged, the day comes first, as it does nearly everywhere.
fn day(text: &str, latest: Date) -> Option<Date> {
    let mut mention = mentions(text).into_iter().next()?;
    mention.retain(|date| *date <= latest);
    let year = mention.iter().map(|date| date.year()).max()?;
    mention.retain(|date| date.year() == year);
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let first = digits[..end].parse::<i8>().ok();
    mention.iter().find(|date| Some(date.day()) == first).or_else(|| mention.first()).copied()
}

/// `M`, `F` or `X`, also beside another language's letter: `K/F`.
fn sex(text: &str) -> Option<String> {
    let letters: Vec<String> =
        text.split(|c: char| !c.is_alphabetic()).map(str::to_uppercase).filter(|w| w.len() == 1).collect();
    ["F", "M", "X"].into_iter().find(|sex| letters.iter().any(|letter| letter == sex)).map(str::to_owned)
}

/// What the two digits of a birth date's year may mean as well.
pub(crate) fn a_century_before(birth: Date) -> Option<Date> {
    birth.checked_sub(100.years()).ok()
}

fn one_digit_apart(a: Date, b: Date) -> bool {
    let differing = a.to_string().chars().zip(b.to_string().chars()).filter(|(a, b)| a != b).count();
    differing == 1
}

/// Whether a document that ends on this day may have been issued on that one: whole years apart, to a day.
fn is_its_issue(issue: Date, expiry: Date) -> bool {
    let shifts: [Span; 3] = [(-1).days(), 0.days(), 1.days()];
    issue < expiry
        && shifts.iter().any(|shift| {
            issue
                .checked_add(*shift)
                .is_ok_and(|day| (day.month(), day.day()) == (expiry.month(), expiry.day()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, certainty: &[f32]) -> Line {
        let quad = Quad::new([100.0, 10.0], [1.0, 0.0], 200.0, 20.0);
        Line { quad, text: text.into(), certainty: certainty.to_vec(), frames: None }
    }

    fn daniel() -> MrzFields {
        MrzFields {
            code: "P".into(),
            issuer: "NLD".into(),
            number: "IJ11JVCM6".into(),
            surname: "DANIEL".into(),
            given_names: "DANIEL PIETER".into(),
            name_truncated: false,
            birth_date: Some(Date::constant(1971, 10, 19)),
            expiry_date: None,
            nationality: "NLD".into(),
            sex: "M".into(),
        }
    }

    #[test]
    fn a_given_name_that_is_also_the_surname_does_not_confirm_it() {
        let given = line("DANIËL PIETER", &[0.9; 13]);
        let mut found = VisualFields::default();
        confirm(&[line("EANIËL", &[0.9; 6]), given.clone()], &daniel(), &mut found);
        assert_eq!((found.surname, found.given_names.as_deref()), (None, Some("DANIËL PIETER")));
        let mut found = VisualFields::default();
        confirm(&[line("DANIËL", &[0.9; 6]), given], &daniel(), &mut found);
        assert_eq!(found.surname.as_deref(), Some("DANIËL"));
    }

    #[test]
    fn given_names_are_reported_without_what_stands_around_them() {
        let fields = MrzFields { surname: "LIN".into(), given_names: "CHIEN SHENG".into(), ..daniel() };
        let mut found = VisualFields::default();
        confirm(&[line("LIN, CHIEN-SHENG", &[0.9; 16])], &fields, &mut found);
        assert_eq!(found.given_names.as_deref(), Some("CHIEN-SHENG"));
        let cut = MrzFields { given_names: "DANIEL PIET".into(), name_truncated: true, ..daniel() };
        let mut found = VisualFields::default();
        confirm(&[line("DANIEL PIETER JAN", &[0.9; 17])], &cut, &mut found);
        assert_eq!(found.given_names.as_deref(), Some("DANIEL PIETER JAN"));
    }

    #[test]
    fn a_surname_of_which_the_zone_holds_the_beginnings_is_found_whole() {
        let cut = MrzFields {
            surname: "ESPANOLA ESPAN IBAN GUEE".into(),
            given_names: "JOSE".into(),
            name_truncated: true,
            ..daniel()
        };
        let written = line("ESPAÑOLA ESPAÑOLA-IBÁÑEZ GÜELL", &[0.9; 30]);
        let mut found = VisualFields::default();
        confirm(&[line("ESPANOLA", &[0.9; 8]), written], &cut, &mut found);
        assert_eq!(found.surname.as_deref(), Some("ESPAÑOLA ESPAÑOLA-IBÁÑEZ GÜELL"));
    }

    #[test]
    fn some_of_the_given_names_are_found_though_a_mark_was_overlooked() {
        let fields = MrzFields { given_names: "GOETZ KARL HEI".into(), name_truncated: true, ..daniel() };
        let mut found = VisualFields::default();
        confirm(&[line("GOTZ KARL-HEINZ", &[0.9; 15])], &fields, &mut found);
        assert_eq!(found.given_names.as_deref(), Some("GOTZ KARL-HEINZ"));
    }

    /// What lines that were read carefully contradict in the zone of Daniel, of which nothing was found.
    fn contradicted(lines: Vec<Line>, legible: bool) -> VisualFields {
        let limits = crate::models::Bundle::open(None).unwrap().document_thresholds().reading.clone();
        let fields = MrzFields {
            birth_date: Some(Date::constant(2011, 1, 1)),
            expiry_date: Some(Date::constant(2012, 7, 4)),
            ..daniel()
        };
        let mut found = VisualFields::default();
        contradict(&Side { lines }, &fields, &limits, legible, &mut found);
        found
    }

    #[test]
    fn the_day_of_issue_below_the_label_of_the_birth_date_is_no_other_birth_date() {
        let below = |text: &str| {
            let quad = Quad::new([100.0, 40.0], [1.0, 0.0], 200.0, 20.0);
            Line { quad, ..line(text, &[0.99; 11]) }
        };
        let label = || line("Date of birth", &[0.99; 13]);
        let birth = |text| contradicted(vec![label(), below(text)], true).birth_date;
        assert_eq!(birth("04 JUL 2002"), None);
        assert_eq!(birth("05 MAY 1962"), Some(Date::constant(1962, 5, 5)));
        // Nor is it without a label, as a date from before the holder's birth.
        assert_eq!(contradicted(vec![below("04 JUL 2002")], true).birth_date, None);
    }

    #[test]
    fn the_print_says_in_which_century_a_holder_was_born() {
        let fields = MrzFields { birth_date: Some(Date::constant(2011, 1, 1)), ..daniel() };
        for (text, year) in [("01.01.1911", 1911), ("01 JAN 2011", 2011), ("01.01.11", 2011)] {
            let mut found = VisualFields::default();
            confirm(&[line(text, &[0.9; 11])], &fields, &mut found);
            assert_eq!(found.birth_date, Some(jiff::civil::date(year, 1, 1)), "{text}");
        }
    }

    #[test]
    fn one_letter_of_a_name_contradicts_where_more_than_it_can_be_read() {
        let surname = |text: &str, legible| contradicted(vec![line(text, &[0.99; 6])], legible).surname;
        assert_eq!(surname("DANIFL", true).as_deref(), Some("DANIFL"));
        assert_eq!(surname("DANIFL", false), None);
    }

    #[test]
    fn a_number_has_digits_and_one_is_enough_where_it_is_one_word() {
        for (text, number) in
            [("AB 123456", "AB123456"), ("KJWNHFNT3", "KJWNHFNT3"), ("880692-310", "880692310")]
        {
            assert_eq!(document_number(text).as_deref(), Some(number), "{text}");
        }
        for text in ["ZENITH", "CITY OF ZENITH 1", "12", ""] {
            assert_eq!(document_number(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_whose_year_is_a_line_of_its_own_is_read_across_both() {
        let day = line("19 OKT/OCT", &[0.9; 10]);
        let at = |x: f32, y: f32| Line {
            quad: Quad::new([x, y], [1.0, 0.0], 60.0, 20.0),
            ..line("1971", &[0.9; 4])
        };
        let mut found = VisualFields::default();
        confirm(&[at(240.0, 60.0), day.clone()], &daniel(), &mut found);
        assert_eq!(found.birth_date, None, "the year is on the next line");
        confirm(&[at(240.0, 12.0), day], &daniel(), &mut found);
        assert_eq!(found.birth_date, Some(Date::constant(1971, 10, 19)));
    }
}
