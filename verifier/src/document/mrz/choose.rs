//! Choosing the text of a zone by probability and check digits together.
//!
//! The most probable symbols are taken when all digits confirm them. When they do not, symbols that the recogniser also
//! considered may be swapped in, a few at most, and only if the result is the one clear answer. The search is exact: it
//! keeps, for every residue of the running sums, the two best texts so far, so the runner-up and its distance are known.

use reinstate_domain::document::{CheckedField, FieldCheck, ReadingThresholds, letters_only};

use super::TRACE;
use super::alphabet::{DIGITS, FILLER, LETTERS, SYMBOLS, Symbol, character, symbol, value};
use super::layout::{Cell, Check, Layout};

/// What was chosen for the cells of a layout.
pub(crate) struct Choice {
    /// The most probable symbol of each cell.
    pub(crate) seen: Vec<Symbol>,
    /// The text that all digits confirm, if there is one that is clearly the best.
    pub(crate) confirmed: Option<Confirmed>,
    /// How the digits of `seen` came out.
    pub(crate) checks: Vec<FieldCheck>,
}

pub(crate) struct Confirmed {
    pub(crate) symbols: Vec<Symbol>,
    /// Distance to the next text that the digits confirm, in nats.
    pub(crate) margin: f32,
}

/// Look-alikes of OCR-B in a bad picture. A swap is only ever made inside one of these sets, or to a symbol that the
/// recogniser itself thought likely.
const CONFUSABLE: [&str; 6] = ["0OQD", "1I", "5S", "8B", "2Z", "6G"];

/// A symbol outside the sets above may be swapped in from this probability on.
const LIKELY: f32 = 0.05;

/// Where a letter of a number is to be expected a look-alike needs no more than this: the digits that follow mislead the
/// recogniser.
const EXPECTED: f32 = 0.005;

/// Log-probability that a swap of O and 0 counts with at least, whatever the recogniser gave it.
const HOMOGLYPH: f32 = -3.0;

/// Without a runner-up the margin is this, in nats: nothing that was kept is within e^-20.
const ALONE: f32 = 20.0;

/// Chooses among the posteriors of all cells of a layout, line after line.
pub(crate) fn choose(layout: &Layout, cells: &[[f32; SYMBOLS]], limits: &ReadingThresholds) -> Choice {
    let seen: Vec<Symbol> = cells.iter().map(best).collect();
    let checks = layout
        .checks
        .iter()
        .map(|check| FieldCheck { field: check.field, passed: passes(check, &seen) })
        .collect();
    let confirmed = search(layout, cells, &seen, limits);
    Choice { seen, confirmed, checks }
}

pub(super) fn best(cell: &[f32; SYMBOLS]) -> Symbol {
    (0..SYMBOLS).max_by(|a, b| cell[*a].total_cmp(&cell[*b])).unwrap_or(0) as Symbol
}

fn weight(place: usize) -> u32 {
    [7, 3, 1][place % 3]
}

/// Whether a check digit agrees with its cells.
pub(crate) fn passes(check: &Check, symbols: &[Symbol]) -> bool {
    let sum: u32 = check.cells.iter().enumerate().map(|(i, cell)| weight(i) * value(symbols[*cell])).sum();
    let digit = symbols[check.digit];
    if digit == FILLER {
        check.may_be_filler && check.cells.iter().all(|cell| symbols[*cell] == FILLER)
    } else {
        sum % 10 == u32::from(digit)
    }
}

impl Layout {
    /// Whether all check digits agree with their cells.
    pub(crate) fn agrees(&self, symbols: &[Symbol]) -> bool {
        self.checks.iter().all(|check| passes(check, symbols))
    }
}

/// What a cell means to the sums.
#[derive(Clone, Copy, Default)]
struct Role {
    /// Weight in the field that is being summed.
    field: Option<u32>,
    /// Weight in the composite sum.
    composite: Option<u32>,
    closes_field: Option<bool>,
    closes_composite: bool,
}

fn roles(layout: &Layout) -> Vec<Role> {
    let mut roles = vec![Role::default(); layout.cells.len()];
    for check in &layout.checks {
        for (i, cell) in check.cells.iter().enumerate() {
            let role = &mut roles[*cell];
            let slot =
                if check.field == CheckedField::Composite { &mut role.composite } else { &mut role.field };
            *slot = Some(weight(i));
        }
        let role = &mut roles[check.digit];
        if check.field == CheckedField::Composite {
            role.closes_composite = true;
        } else {
            role.closes_field = Some(check.may_be_filler);
        }
    }
    roles
}

/// One text up to a cell.
#[derive(Clone, Copy)]
struct Path {
    log_probability: f32,
    /// Index into the trace of (symbol, earlier step).
    step: usize,
}

/// Field sum and composite sum modulo ten, and swaps so far.
type Sums = (u32, u32, u32);

const NO_STEP: usize = usize::MAX;

fn search(
    layout: &Layout,
    cells: &[[f32; SYMBOLS]],
    seen: &[Symbol],
    limits: &ReadingThresholds,
) -> Option<Confirmed> {
    let swaps = limits.max_repairs + 1;
    let slot = |(field, composite, swapped): Sums| ((field * 10 + composite) * swaps + swapped) as usize;
    let mut trace: Vec<(Symbol, usize)> = Vec::new();
    let mut paths: Vec<Vec<(Sums, Path)>> = vec![Vec::new(); (100 * swaps) as usize];
    paths[0].push(((0, 0, 0), Path { log_probability: 0.0, step: NO_STEP }));
    let letters = expecting_letters(layout, seen);
    for (i, role) in roles(layout).iter().enumerate() {
        let options = options(role, layout.cells[i], &cells[i], seen[i], letters.contains(&i), limits);
        let mut next: Vec<Vec<(Sums, Path)>> = vec![Vec::new(); paths.len()];
        for &(sums, path) in paths.iter().flatten() {
            for &(option, log_probability, swapped) in &options {
                let Some(after) = add(sums, role, option, swapped) else { continue };
                if after.2 < swaps {
                    let longer =
                        Path { log_probability: path.log_probability + log_probability, step: trace.len() };
                    trace.push((option, path.step));
                    keep_two(&mut next[slot(after)], (after, longer));
                }
            }
        }
        paths = next;
    }
    let mut ends: Vec<Path> = paths.into_iter().flatten().map(|(_, path)| path).collect();
    ends.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
    let texts = ends.iter().map(|end| (end.log_probability, text(&trace, end.step)));
    let mut passing = texts.filter(|(_, text)| layout.agrees(text));
    let (log_probability, symbols) = passing.next()?;
    let margin = passing.next().map_or(ALONE, |(runner_up, _)| log_probability - runner_up);
    Some(Confirmed { symbols, margin })
}

/// The symbols to try in a cell: (symbol, log-probability, 1 if it is a swap).
fn options(
    role: &Role,
    cell: Cell,
    posterior: &[f32; SYMBOLS],
    first: Symbol,
    expects_letter: bool,
    limits: &ReadingThresholds,
) -> Vec<(Symbol, f32, u32)> {
    let log = |s: Symbol| posterior[usize::from(s)].max(1e-6).ln();
    let mut options = vec![(first, log(first), 0)];
    let counted = role.field.is_some()
        || role.composite.is_some()
        || role.closes_composite
        || role.closes_field.is_some();
    if let (Cell::OneOf(mask), true) = (cell, counted) {
        let others = (0..SYMBOLS as Symbol).filter(|s| *s != first && mask & (1 << s) != 0);
        options.extend(others.filter_map(|s| {
            let p = posterior[usize::from(s)];
            let homoglyphs = expects_letter && is_o_and_zero(first, s);
            let enough = match (confusable(first, s), expects_letter) {
                (true, true) => EXPECTED,
                (true, false) => limits.min_repair_probability,
                (false, _) => LIKELY,
            };
            (homoglyphs || p >= enough)
                .then(|| (s, if homoglyphs { log(s).max(HOMOGLYPH) } else { log(s) }, 1))
        }));
    }
    options
}

/// The cells where a letter of the number is to be expected: where it may still be in its leading letters, which is after letters only,
/// and where its issuer gives nothing else.
fn expecting_letters(layout: &Layout, seen: &[Symbol]) -> Vec<usize> {
    let Some(number) = layout.checks.iter().find(|check| check.field == CheckedField::Number) else {
        return Vec::new();
    };
    let text: String = seen[..CODES].iter().copied().map(character).collect();
    let (code, issuer) = text.split_at(CODES - ISSUER);
    let by_rule = letters_only(layout.format, code.trim_end_matches('<'), issuer.trim_end_matches('<'));
    let leading = number.cells.iter().take_while(|cell| LETTERS & (1 << seen[**cell]) != 0).count();
    let is_expected = |place: usize| place <= leading || by_rule.contains(&place);
    number.cells.iter().enumerate().filter(|(place, _)| is_expected(*place)).map(|(_, cell)| *cell).collect()
}

/// Every zone begins with two characters of the document's code and three of the issuer's.
const CODES: usize = 5;
const ISSUER: usize = 3;

/// O and 0 are one glyph to the recogniser: what it prefers says nothing, so where letters are to be expected both are tried.
/// Among digits an O would be one guess too many: there it could mend a digit that was altered.
fn is_o_and_zero(a: Symbol, b: Symbol) -> bool {
    let pair = [symbol('O'), symbol('0')];
    a != b && pair.contains(&Some(a)) && pair.contains(&Some(b))
}

/// A letter and a digit of one shape.
const SHAPES: [[char; 2]; 2] = [['O', '0'], ['I', '1']];

/// The other symbol of the same shape.
pub(crate) fn homoglyph(of: Symbol) -> Option<Symbol> {
    let [letter, digit] = SHAPES.into_iter().find(|shape| shape.contains(&character(of)))?;
    symbol(if character(of) == letter { digit } else { letter })
}

/// Whether all digits agree with one other symbol than was seen: one of the same shape in the number, O and 0, I and 1, or one that left
/// a trace where a digit covers it.
pub(super) fn another_agrees(layout: &Layout, cells: &[[f32; SYMBOLS]], seen: &[Symbol]) -> bool {
    let agrees_with = |cell: usize, other: Symbol| {
        let mut swapped = seen.to_vec();
        swapped[cell] = other;
        layout.agrees(&swapped)
    };
    let number = layout.checks.iter().filter(|check| check.field == CheckedField::Number);
    let mut of_one_shape =
        number.flat_map(|check| &check.cells).filter_map(|cell| Some((*cell, homoglyph(seen[*cell])?)));
    let mut traces = layout.checks.iter().flat_map(Check::all_cells).flat_map(|cell| {
        let others = (0..FILLER).filter(move |other| *other != seen[cell]);
        others.filter(move |other| cells[cell][usize::from(*other)] >= TRACE).map(move |other| (cell, other))
    });
    of_one_shape.any(|(cell, other)| agrees_with(cell, other))
        || traces.any(|(cell, other)| agrees_with(cell, other))
}

/// Whether one may be taken for the other.
pub(super) fn confusable(a: Symbol, b: Symbol) -> bool {
    CONFUSABLE.iter().any(|set| {
        let has = |wanted| set.chars().filter_map(symbol).any(|s| s == wanted);
        has(a) && has(b)
    })
}

/// `None` when a check digit does not agree.
fn add((mut field, mut composite, swapped): Sums, role: &Role, s: Symbol, swap: u32) -> Option<Sums> {
    let digit = || (DIGITS & (1 << s) != 0).then_some(u32::from(s));
    if role.closes_composite {
        return (digit() == Some(composite)).then_some((field, composite, swapped + swap));
    }
    if let Some(may_be_filler) = role.closes_field {
        let agrees = if s == FILLER { may_be_filler && field == 0 } else { digit() == Some(field) };
        if !agrees {
            return None;
        }
        field = 0;
    }
    if let Some(weight) = role.field {
        field = (field + weight * value(s)) % 10;
    }
    if let Some(weight) = role.composite {
        composite = (composite + weight * value(s)) % 10;
    }
    Some((field, composite, swapped + swap))
}

fn keep_two(kept: &mut Vec<(Sums, Path)>, new: (Sums, Path)) {
    let place = kept.partition_point(|(_, path)| path.log_probability >= new.1.log_probability);
    kept.insert(place, new);
    kept.truncate(2);
}

fn text(trace: &[(Symbol, usize)], mut step: usize) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    while let Some(&(symbol, earlier)) = trace.get(step) {
        symbols.push(symbol);
        step = earlier;
    }
    symbols.reverse();
    symbols
}
