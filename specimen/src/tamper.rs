//! Forgery, one change at a time, applied to what will be drawn so that the drawing and the truth can't differ.

use crate::date::Unknown;
use crate::format::Format;
use crate::holder::{Holder, Issue};
use crate::kind::Kind;
use crate::portrait::Portrait;
use crate::state::State;
use crate::truth::{Change, Field, Fields};
use crate::zone;

/// One way to forge a document.
#[derive(Clone)]
pub enum Tamper {
    /// One character of the field is another in the machine-readable zone; the visual zone stays.
    /// Mended, the check digits agree again, so that only the comparison of the two zones shows it.
    Mrz { field: Field, mended: bool },
    /// One character of the field is another in the visual zone; the machine-readable zone stays.
    Visual { field: Field },
    /// The same, and the whole value is set anew in another type, on a patch of paper with other grain.
    Pasted { field: Field },
    /// Somebody else's portrait over the holder's.
    Portrait(Portrait),
    /// The machine-readable zone of another document, all digits right: nothing in it agrees with the visual zone.
    Zone { holder: Holder, issue: Issue },
}

/// All that a document states, ready to be drawn.
pub(crate) struct Contents {
    pub kind: Kind,
    pub format: Format,
    pub genuine: Fields,
    /// The visual zone's facts, and its two dates as they are printed.
    pub visual: Fields,
    pub birth_date: String,
    pub expiry_date: String,
    pub lines: Vec<String>,
    pub portrait: Portrait,
    /// A portrait that was glued over another one shows an edge.
    pub pasted: bool,
    /// The fields whose values were set anew.
    pub pasted_fields: Vec<Field>,
    pub changes: Vec<Change>,
}

impl Contents {
    pub(crate) fn new(
        kind: Kind,
        holder: &Holder,
        issue: &Issue,
        portrait: &Portrait,
        tampering: &[Tamper],
    ) -> Self {
        let genuine = Fields {
            issuer: issue.issuer.clone(),
            number: issue.number.to_uppercase(),
            surname: holder.surname.to_uppercase(),
            given_names: holder.given_names.to_uppercase(),
            birth_date: holder.birth_date_text(),
            expiry_date: issue.expires.to_string(),
            nationality: holder.nationality.clone(),
            sex: holder.sex.printed().into(),
        };
        let languages = State::of(&issue.issuer).languages;
        let mut contents = Self {
            kind,
            format: kind.format(),
            visual: genuine.clone(),
            genuine,
            birth_date: issue.date_style.print(holder.birth_date, holder.birth_unknown, languages),
            expiry_date: issue.date_style.print(issue.expires, Unknown::Nothing, languages),
            lines: zone::emit(kind, holder, issue),
            portrait: portrait.clone(),
            pasted: false,
            pasted_fields: Vec::new(),
            changes: Vec::new(),
        };
        for tamper in tampering {
            contents.apply(tamper);
        }
        contents
    }

    fn apply(&mut self, tamper: &Tamper) {
        let change = match tamper {
            Tamper::Mrz { field, mended } => {
                let Some(zone::Alteration { line, column, from, to }) =
                    zone::alter(self.format, &mut self.lines, *field)
                else {
                    return;
                };
                if *mended {
                    zone::mend(self.format, &mut self.lines);
                }
                Change::Mrz { field: *field, line, column, from, to, mended: *mended }
            }
            Tamper::Visual { field } => {
                let (from, to) = self.alter_visual(*field);
                Change::Visual { field: *field, from, to }
            }
            Tamper::Pasted { field } => {
                let (from, to) = self.alter_visual(*field);
                self.pasted_fields.push(*field);
                Change::Pasted { field: *field, from, to }
            }
            Tamper::Portrait(other) => {
                self.portrait = other.clone();
                self.pasted = true;
                Change::Portrait
            }
            Tamper::Zone { holder, issue } => {
                let foreign = zone::emit(self.kind, holder, issue);
                Change::Zone { genuine: std::mem::replace(&mut self.lines, foreign) }
            }
        };
        self.changes.push(change);
    }

    /// What the field was, and what it is now.
    fn alter_visual(&mut self, field: Field) -> (String, String) {
        let (value, printed) = match field {
            Field::Surname => (&mut self.visual.surname, None),
            Field::GivenNames => (&mut self.visual.given_names, None),
            Field::Number => (&mut self.visual.number, None),
            Field::BirthDate => (&mut self.visual.birth_date, Some(&mut self.birth_date)),
            Field::ExpiryDate => (&mut self.visual.expiry_date, Some(&mut self.expiry_date)),
        };
        let from = value.clone();
        match printed {
            Some(printed) => {
                *value = with_neighbour(value, year_end(value));
                *printed = with_neighbour(printed, year_end(printed));
            }
            None if field == Field::Number => {
                let last = value.rfind(|c: char| c.is_ascii_digit()).unwrap_or(0);
                *value = with_neighbour(value, last);
            }
            None => {
                let word = if field == Field::GivenNames { zone::last_word(value, ' ') } else { 0 };
                let first = value[word..].find(|c: char| c.is_ascii_uppercase()).unwrap_or(0);
                *value = with_neighbour(value, word + first);
            }
        }
        (from, value.clone())
    }
}

/// The byte of the last digit of a four-digit year.
fn year_end(date: &str) -> usize {
    let digits = |at: usize| date.as_bytes()[at..at + 4].iter().all(u8::is_ascii_digit);
    (0..date.len().saturating_sub(3)).find(|&at| digits(at)).map_or(0, |at| at + 3)
}

fn with_neighbour(text: &str, at: usize) -> String {
    text.char_indices().map(|(i, c)| if i == at { zone::neighbour(c) } else { c }).collect()
}
