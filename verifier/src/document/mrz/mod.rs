//! Reading a machine-readable zone from what the recogniser saw on its rows.
//!
//! A layout is tried by reading each row at the layout's length ([`lattice`]), weighing what several looks at it saw
//! ([`looks`]) and whether codes of states are listed ([`codes`]), then choosing the text that the check digits confirm
//! ([`choose`]). Nothing is reported as valid that is not certain: every digit must agree, the runner-up must be far, and every
//! character that no digit covers must be clear by itself.

pub(crate) mod alphabet;
mod choose;
mod clear;
mod codes;
mod fields;
mod lattice;
mod layout;
mod looks;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use std::ops::Range;

use jiff::civil::Date;
use reinstate_domain::document::{CheckedField, MrzFields, MrzFormat, MrzReading, ReadingThresholds, Repair};

use alphabet::{FILLER, FILLERS, Frames, SYMBOLS, Symbol, character, symbol};
pub(crate) use choose::homoglyph;
use choose::{Choice, choose};
pub(crate) use clear::TWINS;
use clear::{Clarity, coverage, covered, has_a_run_of_letters, has_twins, is_clear, leans_on_certainty};
use layout::{Cell, Layout};

/// A zone as it was read, and how well the frames fit it.
pub(crate) struct Zone {
    pub(crate) reading: MrzReading,
    /// Present exactly when the reading is valid.
    pub(crate) fields: Option<MrzFields>,
    /// Of an invalid one, what it would be if print said the same.
    supposed: Option<Supposed>,
    /// Log-probability of all frames, in nats: comparable between readings of the same rows.
    fit: f32,
    /// Frames of all rows.
    frames: usize,
    /// Probability of each symbol in each cell, where the format allows it.
    cells: Vec<[f32; SYMBOLS]>,
}

/// A text that all digits confirm and that is clear in all but what is printed as well.
struct Supposed {
    lines: Vec<String>,
    fields: MrzFields,
}

/// Log-probability per frame below which the rows show something else than a zone. Zones that a person can read lie
/// between 0 and -0.1, other text below -0.3.
const NO_ZONE: f32 = -0.25;

impl Zone {
    /// Whether the rows can be a zone at all.
    pub(crate) fn is_plausible(&self) -> bool {
        self.fit_of_a_frame() > NO_ZONE
    }

    fn fit_of_a_frame(&self) -> f32 {
        self.fit / self.frames.max(1) as f32
    }

    /// Orders readings of different rows: valid before those that are if print says the same, these before the others, then by how well
    /// each frame is explained.
    pub(crate) fn rank(&self) -> (bool, bool, f32) {
        (self.reading.valid, self.supposed.is_some(), self.fit_of_a_frame())
    }

    /// Takes a reading for valid that is if print says the same, which is to be asked next. Whether it is such a one.
    pub(crate) fn suppose(&mut self) -> bool {
        let Some(Supposed { lines, fields }) = self.supposed.take() else { return false };
        self.accept(lines, Vec::new(), fields);
        true
    }

    fn accept(&mut self, lines: Vec<String>, repairs: Vec<Repair>, fields: MrzFields) {
        self.reading.valid = true;
        self.reading.lines = lines;
        self.reading.repairs = repairs;
        self.reading.checks.iter_mut().for_each(|check| check.passed = true);
        self.reading.twins_agree = false;
        self.fields = Some(fields);
    }

    /// Whether the number holds a G or a 6 that may be the other one.
    pub(crate) fn has_twins(&self) -> bool {
        self.fields.as_ref().is_some_and(|fields| has_twins(&fields.number))
    }

    /// Whether the issuer's code is one of a state.
    pub(crate) fn has_a_states_code(&self) -> bool {
        self.fields.as_ref().is_none_or(|fields| codes::is_a_states(&fields.issuer))
    }

    /// Whether no check digit stands at the end of its rows, so that only the paper after them says how long they are. A larger
    /// visa whose last fillers are hidden reads like a smaller one.
    pub(crate) fn may_go_on(&self) -> bool {
        self.reading.format == MrzFormat::MrvB
    }

    /// Characters of a row.
    pub(crate) fn width(&self) -> usize {
        Layout::of(self.reading.format).width
    }

    /// Whether another reading of the same rows saw a look-alike where no check digit would tell.
    pub(crate) fn is_told_otherwise_by(&self, other: &MrzReading) -> bool {
        if self.reading.format != other.format {
            return false;
        }
        let layout = Layout::of(self.reading.format);
        let is_covered = coverage(&layout);
        let symbols = |reading: &MrzReading| -> Vec<Option<Symbol>> {
            reading.read.iter().flat_map(|line| line.chars()).map(symbol).collect()
        };
        let pairs = symbols(&self.reading).into_iter().zip(symbols(other)).zip(is_covered);
        pairs.into_iter().any(|(pair, is_covered)| {
            let (Some(a), Some(b)) = pair else { return false };
            !is_covered && a != b && choose::confusable(a, b)
        })
    }

    /// Whether what was read as this value of a field may as well be another one of the same length, both as in a zone but for spaces
    /// between words. Who prints a letter leaves no trace of a different one; a bad picture does.
    pub(crate) fn may_be(&self, value: &str, other: &str) -> bool {
        let symbols = |text: &str| -> Vec<Option<Symbol>> {
            text.chars().map(|c| symbol(if c == ' ' { '<' } else { c })).collect()
        };
        let [read, value, other] = [&self.reading.lines.concat(), value, other].map(symbols);
        let Some(at) = read.windows(value.len().max(1)).position(|window| *window == value) else {
            return false;
        };
        let leaves_trace =
            |(cell, s): (&[f32; SYMBOLS], &Option<Symbol>)| s.is_some_and(|s| cell[usize::from(s)] >= TRACE);
        let mut differing =
            self.cells[at..].iter().zip(&other).zip(&value).filter(|(shown, read)| shown.1 != *read);
        value.len() == other.len() && value != other && differing.all(|(shown, _)| leaves_trace(shown))
    }

    /// Whether a letter of the names may as well be another one, which is seen there with at least this probability.
    pub(crate) fn has_rival_letters(&self, least: f32) -> bool {
        let layout = Layout::of(self.reading.format);
        let seen = self.seen().concat();
        layout.fields.name.filter(|cell| seen[*cell] != FILLER).any(|cell| {
            let rivals = (0..SYMBOLS as Symbol).filter(|other| *other != seen[cell] && *other != FILLER);
            rivals.into_iter().any(|rival| self.cells[cell][usize::from(rival)] >= least)
        })
    }

    /// The symbols of the rows as they were seen.
    pub(crate) fn seen(&self) -> Vec<Vec<Symbol>> {
        self.reading.read.iter().map(|row| row.chars().filter_map(symbol).collect()).collect()
    }

    /// Line and columns of the document's number, without its check digit.
    pub(crate) fn number(&self) -> Option<(usize, Range<usize>)> {
        let layout = Layout::of(self.reading.format);
        let check = layout.checks.iter().find(|check| check.field == CheckedField::Number)?;
        let (first, last) = (*check.cells.first()?, *check.cells.last()?);
        Some((first / layout.width, first % layout.width..last % layout.width + 1))
    }

    /// The symbols as they were seen, with the other one of the same shape in these columns of a line.
    fn with_homoglyphs(&self, line: usize, columns: &[usize]) -> Vec<Symbol> {
        let mut rows = self.seen();
        for column in columns {
            if let Some(cell) = rows.get_mut(line).and_then(|row| row.get_mut(*column)) {
                *cell = homoglyph(*cell).unwrap_or(*cell);
            }
        }
        rows.concat()
    }

    /// Whether all digits agree with the other symbols of the same shape in these columns of a line.
    pub(crate) fn agrees_with_homoglyphs(&self, line: usize, columns: &[usize]) -> bool {
        Layout::of(self.reading.format).agrees(&self.with_homoglyphs(line, columns))
    }

    /// Puts the other symbol of the same shape into these columns of a line. `margin`, in nats, is how clearly that was seen. Where that
    /// makes no valid zone, what was read before is not certain either.
    pub(crate) fn exchange_homoglyphs(
        &mut self,
        line: usize,
        columns: &[usize],
        margin: f32,
        limits: &ReadingThresholds,
        today: Date,
    ) {
        let layout = Layout::of(self.reading.format);
        let mut cells = self.cells.clone();
        let seen = self.seen().concat();
        for (cell, (seen, other)) in
            cells.iter_mut().zip(seen.iter().zip(self.with_homoglyphs(line, columns)))
        {
            cell.swap(usize::from(*seen), usize::from(other));
        }
        let mut zone = assemble(&layout, &cells, self.fit, limits, today);
        if !zone.reading.valid || !zone.reading.repairs.is_empty() {
            self.retract();
            return;
        }
        let symbols = zone.seen().concat();
        zone.reading.repairs = repairs(&layout, &seen, &symbols, margin);
        zone.reading.read.clone_from(&self.reading.read);
        *self = Self { frames: self.frames, ..zone };
    }

    /// Takes back that what is not valid was read with certainty: something beside it may have made the digits fail.
    pub(crate) fn doubt(&mut self) {
        if !self.reading.valid {
            self.reading.certainty = 0.0;
        }
    }

    /// Takes back that it is valid: something beside it did not confirm what no digit can.
    pub(crate) fn retract(&mut self) {
        self.reading.valid = false;
        self.reading.lines.clear();
        self.reading.repairs.clear();
        self.fields = None;
        self.supposed = None;
    }
}

/// Probability from which a symbol that was not chosen may be what is printed. The letters that were there before 48 alterations of
/// specimens of the tuning half had up to 0.001, most of them the 0.0002 of no trace at all.
const TRACE: f32 = 0.005;

/// What was seen on one row.
#[derive(Clone, Default)]
pub(crate) struct Looks<'a> {
    /// By different recognisers, or cut out in different ways.
    pub(crate) frames: Vec<&'a Frames>,
    /// Nats by which a filler stands there rather than a letter of a name, at places at equal distances from end to end, by the shapes.
    /// Empty where nothing is known of that.
    pub(crate) fillers: &'a [f32],
}

impl<'a> FromIterator<&'a Frames> for Looks<'a> {
    fn from_iter<I: IntoIterator<Item = &'a Frames>>(frames: I) -> Self {
        Self { frames: frames.into_iter().collect(), fillers: &[] }
    }
}

/// Reads one to three rows of text as a machine-readable zone, whichever format fits. `None` when no format does at all.
/// `today` settles the century of two-digit years.
pub(crate) fn read_zone(rows: &[Looks<'_>], limits: &ReadingThresholds, today: Date) -> Option<Zone> {
    let formats: &[MrzFormat] = match rows.len() {
        2 => &[MrzFormat::Td3, MrzFormat::Td2, MrzFormat::MrvA, MrzFormat::MrvB],
        3 => &[MrzFormat::Td1],
        1 => &[MrzFormat::D1],
        _ => return None,
    };
    let mut zones: Vec<Zone> =
        formats.iter().filter_map(|format| read_as(*format, rows, limits, today)).collect();
    // A wrong format fits so much worse that agreeing digits must not save it: a passport with a failing digit would
    // else be read as a visa, which has none there.
    let score = |zone: &Zone| zone.fit + if zone.reading.valid { AGREEMENT } else { 0.0 };
    zones.sort_by(|a, b| score(b).total_cmp(&score(a)));
    let mut zone = zones.into_iter().next()?;
    // A P whose stem is hidden looks like a V, and a visa's digits are a passport's without the last two. Optional data that end with
    // both of these by chance are of one visa in a hundred that has so many.
    if zone.reading.format == MrzFormat::MrvA && Layout::of(MrzFormat::Td3).agrees(&zone.seen().concat()) {
        zone.retract();
    }
    Some(zone)
}

/// What agreeing check digits are worth against a better fit, in nats.
const AGREEMENT: f32 = 1.0;

fn read_as(format: MrzFormat, rows: &[Looks<'_>], limits: &ReadingThresholds, today: Date) -> Option<Zone> {
    let ordinary = Layout::of(format);
    if !is_possible(&ordinary, rows) {
        return None;
    }
    // The number's check digit may be a filler, which is the sign of a long number.
    let mut loose = ordinary.clone();
    let sign = ordinary.checks.first()?.digit;
    let can_overflow = !Layout::overflowing(format).is_empty();
    if let (true, Cell::OneOf(mask)) = (can_overflow, &mut loose.cells[sign]) {
        *mask |= FILLERS;
    }
    let mut cells = Vec::with_capacity(loose.cells.len());
    let (mut fit, mut frames) = (0.0, 0);
    for (line, looks) in rows.iter().enumerate() {
        let reading = looks::read_line(looks, loose.line(line))?;
        cells.extend(reading.cells);
        fit += reading.fit;
        frames += reading.frames;
    }
    codes::weigh(&loose, &mut cells);
    let zone =
        |layout: &Layout| Zone { frames, ..assemble(layout, &restrict(layout, &cells), fit, limits, today) };
    let long = cells[sign][usize::from(FILLER)] > 0.5;
    let mut best = None;
    if long {
        let mut layouts = Layout::overflowing(format);
        layouts.retain(|layout| is_shown(layout, &loose, &cells, limits.min_margin));
        best = layouts.iter().map(zone).find(|zone| zone.reading.valid);
    }
    Some(best.unwrap_or_else(|| zone(&ordinary)))
}

/// Cheap reasons to leave out a format: a line is too long for it, or the first letter is another one.
fn is_possible(layout: &Layout, rows: &[Looks<'_>]) -> bool {
    if layout.format == MrzFormat::D1 && !rows[0].frames.iter().any(|look| look.greedy().contains("FRA")) {
        return false;
    }
    let Cell::OneOf(code) = layout.cells[0] else { return true };
    let shown =
        |row: &[f32; SYMBOLS + 1]| (0..SYMBOLS).any(|s| code & (1 << s) != 0 && row[s] > FIRST_LETTER);
    let begins = |look: &Frames| look.rows()[..look.rows().len() / 4].iter().any(shown);
    let fits = |look: &Frames| look.greedy().len() <= layout.width + EXCESS;
    rows[0].frames.iter().any(|look| begins(look))
        && rows.iter().all(|looks| looks.frames.iter().any(|look| fits(look)))
}

/// Probability from which a frame may show the first letter of the document code.
const FIRST_LETTER: f32 = 0.05;
/// Characters that the recogniser may see too many in a line: dirt, and the edge of the picture.
const EXCESS: usize = 4;

/// Whether the cells that a long number lays out anew show what it puts there: where a number ends is covered by no digit,
/// because a filler counts like a zero.
fn is_shown(layout: &Layout, loose: &Layout, cells: &[[f32; SYMBOLS]], margin: f32) -> bool {
    layout.cells.iter().zip(&loose.cells).zip(cells).filter(|((new, old), _)| new != old).all(
        |((new, _), p)| {
            let Cell::OneOf(mask) = new else { return true };
            let kept: f32 =
                (0..SYMBOLS).filter(|symbol| mask & (1 << symbol) != 0).map(|symbol| p[symbol]).sum();
            (kept / (1.0 - kept).max(f32::EPSILON)).ln() >= margin
        },
    )
}

/// Leaves to each cell only what the layout allows there. What remains is not scaled up: a cell that showed something else
/// stays as improbable as it is.
fn restrict(layout: &Layout, cells: &[[f32; SYMBOLS]]) -> Vec<[f32; SYMBOLS]> {
    let mut kept = cells.to_vec();
    for (cell, posterior) in layout.cells.iter().zip(&mut kept) {
        if let Cell::OneOf(mask) = cell {
            let excluded = (0..SYMBOLS).filter(|symbol| mask & (1 << symbol) == 0);
            excluded.for_each(|symbol| posterior[symbol] = 0.0);
        }
    }
    kept
}

fn assemble(
    layout: &Layout,
    cells: &[[f32; SYMBOLS]],
    fit: f32,
    limits: &ReadingThresholds,
    today: Date,
) -> Zone {
    let Choice { seen, confirmed, checks } = choose(layout, cells, limits);
    let certainty = covered(layout).map(|cell| cells[cell][usize::from(seen[cell])]).fold(1.0, f32::min);
    let reading = MrzReading {
        format: layout.format,
        lines: Vec::new(),
        read: lines(layout, &seen),
        repairs: Vec::new(),
        valid: false,
        checks,
        certainty: if has_a_run_of_letters(layout, &seen) { 0.0 } else { certainty },
        twins_agree: choose::another_agrees(layout, cells, &seen),
    };
    let mut zone = Zone { reading, fields: None, supposed: None, fit, frames: 0, cells: cells.to_vec() };
    let Some(confirmed) = confirmed else { return zone };
    let text = lines(layout, &confirmed.symbols);
    let Some(fields) = fields::parse(layout, &confirmed.symbols, &text, today) else { return zone };
    let repairs = repairs(layout, &seen, &confirmed.symbols, confirmed.margin);
    let supported =
        repairs.is_empty() || leans_on_certainty(layout, cells, &seen, &confirmed.symbols, limits);
    if !supported || !codes::is_possible(&fields) {
        return zone;
    }
    let is_clear = |names: &Clarity| is_clear(layout, cells, &seen, &confirmed.symbols, limits, names);
    let least = if repairs.is_empty() { limits.min_margin } else { limits.min_repair_margin };
    if confirmed.margin >= least && is_clear(&Clarity::of_names(limits)) {
        zone.accept(text, repairs, fields);
    } else if let Some(printed) = limits.printed.as_ref().filter(|_| repairs.is_empty())
        && confirmed.margin >= printed.min_margin
        && is_clear(&Clarity::of_printed_names(printed))
    {
        zone.supposed = Some(Supposed { lines: text, fields });
    }
    zone
}

fn repairs(layout: &Layout, seen: &[Symbol], symbols: &[Symbol], margin: f32) -> Vec<Repair> {
    let changed = seen.iter().zip(symbols).enumerate().filter(|(_, (from, to))| from != to);
    changed
        .map(|(cell, (from, to))| Repair {
            line: cell / layout.width,
            column: cell % layout.width,
            from: character(*from),
            to: character(*to),
            margin,
        })
        .collect()
}

fn lines(layout: &Layout, symbols: &[Symbol]) -> Vec<String> {
    symbols.chunks(layout.width).map(|line| line.iter().copied().map(character).collect()).collect()
}
