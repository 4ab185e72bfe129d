//! Codes of states, read as wholes: of letters that look alike, those that make a code are likelier than those that make none. And
//! the code of the document, whose second letter is nearly always one of a few.

use reinstate_domain::document::MrzFields;

use super::alphabet::{FILLER, LETTERS, SYMBOLS, Symbol, character};
use super::choose::{best, confusable};
use super::layout::{Cell, Layout};

/// How likely it is that a document bears a code that ICAO 9303-3 §5 does not list, beside one of the same shape that it does.
/// Codes of printers' specimens and of states that no longer are exist, but the look-alike of a listed code was rather misread.
const UNLISTED: f32 = 1e-4;

/// A symbol that is less likely than this in its cell was not seen there at all: a few times the floor of [`Frames`].
///
/// [`Frames`]: super::alphabet::Frames
const LEAST: f32 = 1e-3;

/// How likely a document bears a second letter that is the issuer's own choice (ICAO 9303-4 §4.2.2, 9303-5 §4.2.2), beside what most
/// have: a filler, and the D of ID. A C for a filler and an O for a D were read with certainty.
const OWN_CHOICE: f32 = 0.02;

/// Weighs the readings of each code by whether it is listed, and gives its cells the probabilities that follow.
pub(super) fn weigh(layout: &Layout, cells: &mut [[f32; SYMBOLS]]) {
    if let Some(code) = cells.first_chunk_mut() {
        weigh_document(code);
    }
    for first in 0..layout.cells.len() {
        if matches!(layout.cells[first], Cell::Issuer(0) | Cell::Nationality(0))
            && let Some(code) = cells.get_mut(first..first + 3)
        {
            weigh_one(code);
        }
    }
}

fn weigh_document([first, second]: &mut [[f32; SYMBOLS]; 2]) {
    let is_usual = |s: Symbol| s == FILLER || (character(best(first)), character(s)) == ('I', 'D');
    let can_be = |s: &Symbol| *s == FILLER || LETTERS & (1 << s) != 0;
    let weighed: Vec<(usize, f32)> = (0..SYMBOLS as Symbol)
        .filter(can_be)
        .map(|s| (usize::from(s), second[usize::from(s)] * if is_usual(s) { 1.0 } else { OWN_CHOICE }))
        .collect();
    let before: f32 = weighed.iter().map(|(s, _)| second[*s]).sum();
    let sum: f32 = weighed.iter().map(|(_, p)| p).sum();
    for (s, p) in weighed {
        second[s] = before * p / sum.max(f32::MIN_POSITIVE);
    }
}

fn weigh_one(cells: &mut [[f32; SYMBOLS]]) {
    let options = |cell: &[f32; SYMBOLS]| -> Vec<(Symbol, f32)> {
        let best = best(cell);
        (0..SYMBOLS as Symbol)
            .map(|s| (s, cell[usize::from(s)]))
            .filter(|(s, p)| *s == best || *p >= LEAST && confusable(best, *s))
            .collect()
    };
    let [a, b, c] = [0, 1, 2].map(|cell| options(&cells[cell]));
    let mut weighed = [[0.0; SYMBOLS]; 3];
    let mut sum = 0.0;
    for (x, p) in &a {
        for (y, q) in &b {
            for (z, r) in &c {
                let weight = p * q * r * if is_listed([*x, *y, *z]) { 1.0 } else { UNLISTED };
                sum += weight;
                for (cell, symbol) in [x, y, z].into_iter().enumerate() {
                    weighed[cell][usize::from(*symbol)] += weight;
                }
            }
        }
    }
    // What they share stays what it was.
    for (cell, weighed) in cells.iter_mut().zip(weighed) {
        let shared: f32 = (0..SYMBOLS).filter(|s| weighed[*s] > 0.0).map(|s| cell[s]).sum();
        for (p, weight) in cell.iter_mut().zip(weighed).filter(|(_, weight)| *weight > 0.0) {
            *p = shared * weight / sum;
        }
    }
}

/// A nationality may be left out.
fn is_listed(code: [Symbol; 3]) -> bool {
    let code: String = code.into_iter().filter(|symbol| *symbol != FILLER).map(character).collect();
    code.is_empty() || is_a_states(&code)
}

/// Whether the nationality can be one. A code that is not listed is a printer's or a state's own, and then the issuer has it too; by itself it
/// was misread: EBP for ESP.
pub(super) fn is_possible(fields: &MrzFields) -> bool {
    fields.nationality.is_empty() || fields.nationality == fields.issuer || is_a_states(&fields.nationality)
}

/// Whether ICAO 9303-3 §5 lists the code.
pub(super) fn is_a_states(code: &str) -> bool {
    mrz::country_name(code).is_some()
}
