//! Whether a text is certain: what no check digit covers must be clear by itself, and what digits count alike must be told apart.

use std::ops::Range;

use reinstate_domain::document::{CheckedField, PrintedThresholds, ReadingThresholds};

use super::alphabet::{FILLER, SYMBOLS, Symbol, character, value};
use super::choose;
use super::layout::{self, Cell, Check, Layout};

/// How clear names have to be.
pub(super) struct Clarity {
    /// Probability of each character.
    character: f32,
    /// Nats between it and all of its shape.
    look_alike: f32,
    /// Probability of the whole line of names.
    name: f32,
}

impl Clarity {
    /// Of names that nothing else confirms.
    pub(super) fn of_names(limits: &ReadingThresholds) -> Self {
        Self {
            character: limits.min_uncovered,
            look_alike: limits.min_look_alike_margin,
            name: limits.min_name,
        }
    }

    /// Of names that print states as well.
    pub(super) fn of_printed_names(limits: &PrintedThresholds) -> Self {
        Self { character: limits.min_character, look_alike: 0.0, name: limits.min_name }
    }
}

/// Whether nothing else could have been repaired instead: there are digits enough, and of the fields with a repaired character no other
/// may be doubtful.
pub(super) fn leans_on_certainty(
    layout: &Layout,
    cells: &[[f32; SYMBOLS]],
    seen: &[Symbol],
    symbols: &[Symbol],
    limits: &ReadingThresholds,
) -> bool {
    let is_repaired = |cell: usize| seen[cell] != symbols[cell];
    let is_certain =
        |cell: usize| cells[cell][usize::from(symbols[cell])] >= 1.0 - limits.min_repair_probability;
    let mut fields = layout.checks.iter().filter(|check| check.field != CheckedField::Composite);
    let supports = |field: &Check| {
        !field.all_cells().any(is_repaired)
            || field.all_cells().all(|cell| is_repaired(cell) || is_certain(cell))
    };
    layout.checks.len() >= FEWEST_FOR_REPAIR && fields.all(supports)
}

/// One shape in a blurred picture, and one value modulo ten.
pub(crate) const TWINS: [char; 2] = ['G', '6'];

/// Digits beside a 6, after a digit and with nothing else up to the end of the number, from which the 6 is a digit too: where letters may
/// stand anywhere, four others are digits in one number of 168.
const NUMERIC: usize = 4;

pub(super) fn has_twins(number: &str) -> bool {
    let digits = number.trim_start_matches(|c: char| !c.is_ascii_digit());
    let is_numeric = digits.len() > NUMERIC && digits.chars().all(|c| c.is_ascii_digit());
    // The first of them may be the last of the letters.
    let settled = if is_numeric { &digits[1..] } else { "" };
    number[..number.len() - settled.len()].contains(TWINS)
}

/// Check digits that a layout must have for a repair to lean on, or for a character to be as uncertain as a covered one may be.
const FEWEST_FOR_REPAIR: usize = 3;

/// The cells that take part in a check digit.
pub(super) fn covered(layout: &Layout) -> impl Iterator<Item = usize> {
    layout.checks.iter().flat_map(Check::all_cells)
}

/// Which cells are covered by digits enough to lean on.
pub(super) fn coverage(layout: &Layout) -> Vec<bool> {
    let mut is_covered = vec![false; layout.cells.len()];
    if layout.checks.len() >= FEWEST_FOR_REPAIR {
        covered(layout).for_each(|cell| is_covered[cell] = true);
    }
    is_covered
}

/// Whether every character is as certain as it has to be, and the whole looks like a zone.
pub(super) fn is_clear(
    layout: &Layout,
    cells: &[[f32; SYMBOLS]],
    seen: &[Symbol],
    symbols: &[Symbol],
    limits: &ReadingThresholds,
    names: &Clarity,
) -> bool {
    let is_covered = coverage(layout);
    let is_name = |cell: usize| layout.fields.name.contains(&cell);
    let certain = symbols.iter().enumerate().all(|(cell, symbol)| {
        // A repaired character is uncertain by nature; its margin is judged instead.
        let repaired = seen[cell] != *symbol;
        let uncovered = if is_name(cell) { names.character } else { limits.min_uncovered };
        let least = if is_covered[cell] { limits.min_covered } else { uncovered };
        repaired || cells[cell][usize::from(*symbol)] >= least
    });
    let told_apart = covered(layout).all(|cell| {
        let is_twin = TWINS.contains(&character(symbols[cell]));
        let least = if is_twin { limits.min_twin_margin } else { limits.min_blind_margin };
        // Sums are taken modulo ten (ICAO 9303-3 §4.9): of what counts alike, agreeing digits say nothing.
        let counts_alike = |other: Symbol| value(other) % 10 == value(symbols[cell]) % 10;
        // A repair may put in what was hardly seen, an O for a 0 where letters begin a number: only what was seen rivals it.
        let unrivalled =
            seen[cell] != symbols[cell] && all_others(&cells[cell], symbols[cell], counts_alike) < UNSEEN;
        unrivalled || margin(&cells[cell], symbols[cell], counts_alike) >= least
    });
    // Only a check digit could tell a symbol from one of its shape.
    let told_from_look_alikes = (0..symbols.len()).all(|cell| {
        let look_alike = |other: Symbol| choose::confusable(symbols[cell], other);
        let least = if is_name(cell) { names.look_alike } else { limits.min_look_alike_margin };
        is_covered[cell] || margin(&cells[cell], symbols[cell], look_alike) >= least
    });
    let together =
        |range: Range<usize>| range.map(|cell| cells[cell][usize::from(symbols[cell])]).product::<f32>();
    let whole_name = together(layout.fields.name.clone()) >= names.name;
    // The letters of a country's code lean on each other, for only fillers follow a filler: each may look likely enough by
    // itself when the code does not.
    let whole_codes = layout
        .cells
        .iter()
        .enumerate()
        .filter(|(_, cell)| matches!(cell, Cell::Issuer(0) | Cell::Nationality(0)))
        .all(|(first, _)| together(first..first + 3) >= limits.min_uncovered);
    let fillers = symbols.iter().filter(|symbol| **symbol == FILLER).count() as f32 / symbols.len() as f32;
    // A long surname leaves the one line of a driving licence without a filler.
    let sane = layout.lines() == 1 || (limits.filler_share[0]..=limits.filler_share[1]).contains(&fillers);
    // A recogniser that takes fillers for letters makes one word of the whole name.
    let named = layout.lines() == 1 || symbols[layout.fields.name.clone()].contains(&FILLER);
    certain
        && told_apart
        && told_from_look_alikes
        && whole_codes
        && whole_name
        && sane
        && named
        && follows_grammar(layout, symbols)
}

/// Whether a letter of the names stands three times in a row, which says that fillers were taken for letters: digits may be read as wrongly
/// and with as little doubt. A name that ends in III is the exception, which only spares its holder.
pub(super) fn has_a_run_of_letters(layout: &Layout, symbols: &[Symbol]) -> bool {
    let is_run = |three: &[Symbol]| three[0] != FILLER && three.iter().all(|symbol| *symbol == three[0]);
    symbols[layout.fields.name.clone()].windows(3).any(is_run)
}

/// Probability that symbols have together which were not seen: the floors of a cell, and some haze.
const UNSEEN: f32 = 0.01;

/// Distance in nats from a symbol to all these others together.
fn margin(cell: &[f32; SYMBOLS], symbol: Symbol, is_other: impl Fn(Symbol) -> bool) -> f32 {
    let sum = all_others(cell, symbol, is_other);
    (cell[usize::from(symbol)] / sum.max(f32::MIN_POSITIVE)).ln()
}

/// The probability of all these others together.
fn all_others(cell: &[f32; SYMBOLS], symbol: Symbol, is_other: impl Fn(Symbol) -> bool) -> f32 {
    let others = (0..SYMBOLS as Symbol).filter(|other| *other != symbol && is_other(*other));
    others.map(|other| cell[usize::from(other)]).sum()
}

/// The most probable symbol of each cell need not add up to an allowed line.
fn follows_grammar(layout: &Layout, symbols: &[Symbol]) -> bool {
    (0..layout.lines()).all(|line| {
        let text = &symbols[line * layout.width..(line + 1) * layout.width];
        let start = Some(0);
        layout
            .line(line)
            .iter()
            .zip(text)
            .fold(start, |s, (cell, symbol)| layout::follow(*cell, s?, *symbol))
            .is_some()
    })
}
