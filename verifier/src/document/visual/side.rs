//! The lines of one side, and which of them are worth a second, careful look.

use reinstate_domain::document::{MrzFields, VisualFields};

use super::date::mentions;
use super::label::{Field, Other, label, value_of};
use super::likeness::{nearest, nearest_number};
use super::{FoundZone, numbered};
use crate::document::line::{Line, read_lines};
use crate::document::page::Page;
use crate::document::text::Quad;
use crate::document::{Error, Networks};
use crate::models::Role;

/// Lines of one side that are read a second time.
const MOST_REREAD: usize = 16;

/// The lines of one side that are print for people.
pub(super) struct Side {
    pub(super) lines: Vec<Line>,
    /// Looked for on the first side only: a document without one there does not pass.
    pub(super) bears_the_portrait: bool,
}

impl Side {
    pub(super) fn of(index: usize, page: &Page, zone: Option<&FoundZone<'_>>) -> Self {
        let zone = zone.filter(|zone| zone.side == index);
        let lines = page.lines.iter().filter(|line| zone.is_none_or(|zone| zone.leaves(line)));
        Self { lines: lines.cloned().collect(), bears_the_portrait: index == 0 }
    }

    /// The side with those lines read a second time that have to do with what is not confirmed yet.
    pub(super) fn reread(
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
            let surname = found.surname.is_none() && nearest(&line.text, &fields.surname).is_some();
            let given_names =
                found.given_names.is_none() && nearest(&line.text, &fields.given_names).is_some();
            let value_of_name = value && (found.surname.is_none() || found.given_names.is_none());
            number
                || numbers && digits >= 4
                || self.bears_the_portrait && (surname || given_names || value_of_name)
        };
        let wanted = self.lines.iter().enumerate().filter(wanted).map(|(i, _)| i).take(MOST_REREAD).collect();
        self.reread_lines(page, wanted, networks)
    }

    /// The side with those lines read a second time that hold a value.
    pub(super) fn reread_values(&self, page: &Page, networks: &mut Networks) -> Result<Self, Error> {
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
        Ok(Self { lines, ..*self })
    }

    /// Labels, and the line that holds the value of each.
    pub(super) fn values(&self) -> Vec<(Field, usize)> {
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
