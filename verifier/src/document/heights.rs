//! How tall the characters of a row are. In OCR-B digits are taller than capitals, which is all that tells an O from a 0 and an I
//! from a 1 to a recogniser that has one glyph for both.

use jiff::civil::Date;
use ndarray::{ArrayView2, Axis, s};
use opencv::core::{MatTraitConst, MatTraitConstManual, ToInputArray};
use reinstate_domain::document::ReadingThresholds;

use super::Error;
use super::line::grey_cut;
use super::mrz::alphabet::{DIGITS, FILLER, Symbol};
use super::mrz::homoglyph;
use super::quality::{median, percentile};
use super::text::Quad;
use super::trend::trend;
use super::zone::Found;
use crate::image::Picture;

/// Heights of 0 to 9 and A to Z in heights of a 0, by the outlines of the OCR-B fonts of Debian's package fonts-ocr-b, which
/// follow ISO 1073-2.
const NOMINAL: [f32; 36] = [
    1.0, 0.991, 0.981, 0.98, 0.991, 0.98, 0.995, 0.976, 1.0, 0.995, // 0 to 9
    0.911, 0.889, 0.926, 0.889, 0.889, 0.903, 0.93, 0.919, 0.889, // A to I
    0.926, 0.919, 0.905, 0.919, 0.919, 0.933, 0.903, 0.922, 0.903, // J to R
    0.929, 0.903, 0.922, 0.919, 0.919, 0.919, 0.919, 0.889, // S to Z
];

/// Heights of a row, as it was found, that are cut out: the boxes of lines have narrow rims.
const CUT: f32 = 1.7;
/// Digits that a row must have beside the one that is asked about.
const FEWEST_DIGITS: usize = 5;

/// Likelihood of any height, beside that of the nominal one: dirt, a shadow or an edge is measured with a character. Of 228 zeros of
/// `mrz-dev` one was clearly as tall as an O. No character speaks for another with more than this leaves, 5.5 nats.
const STRAY: f32 = 0.004;

/// Nats by which the heights have to speak for one set of exchanges rather than the next: see decision 0124.
const CONTRADICTED: f32 = 4.0;
/// And for any where the digits agree with what was read: few issuers have numbers with an O or an I.
const AGAINST_WHAT_AGREES: f32 = 6.0;

/// Takes an O of the number for a 0, or the other way round, and the same of I and 1, where the heights of the characters say so and
/// all digits agree. Where they agree with both and the heights, taken together, lean to the other symbols without being clear for each
/// of them, nothing is certain.
///
/// # Errors
/// OpenCV failed.
pub(super) fn tell_homoglyphs_apart(
    found: &mut Found,
    picture: &Picture,
    limits: &ReadingThresholds,
    today: Date,
) -> Result<(), Error> {
    let Some((line, columns)) = found.zone.number() else { return Ok(()) };
    if !found.zone.reading.repairs.is_empty() {
        return Ok(());
    }
    let (seen, Some(row)) = (found.zone.seen(), found.quads.get(line)) else { return Ok(()) };
    let homoglyphs: Vec<(usize, Symbol)> =
        columns.filter_map(|column| Some((column, homoglyph(*seen.get(line)?.get(column)?)?))).collect();
    if homoglyphs.is_empty() {
        return Ok(());
    }
    let heights = Heights::measure(&picture.mat()?, row, &seen[line])?;
    let nats: Vec<(usize, f32)> = homoglyphs
        .into_iter()
        .map(|(column, other)| (column, heights.speak_for(other, column).unwrap_or(0.0)))
        .collect();
    match decide(&nats, |columns| found.zone.agrees_with_homoglyphs(line, columns)) {
        Decided::Exchange { columns, nats } => {
            found.zone.exchange_homoglyphs(line, &columns, nats, limits, today);
        }
        Decided::Retract => found.zone.retract(),
        Decided::Keep => {}
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
enum Decided {
    /// The other symbol of the same shape stands in these columns, and the next set is so many nats behind.
    Exchange {
        columns: Vec<usize>,
        nats: f32,
    },
    /// What is seen leans to another set than the one that was read, without being clear.
    Retract,
    Keep,
}

/// What follows from the nats with which the heights speak for the other symbol of the same shape in each of these columns: nine at most,
/// of an ordinary number. They are weighed together, for two that cancel in the sums are both of them the other symbol, or neither is. Of
/// four such columns one or two sets agree by chance, so the best has to be far from the next, which may be no exchange at all.
fn decide(nats: &[(usize, f32)], agrees: impl Fn(&[usize]) -> bool) -> Decided {
    let sets = (0..1u32 << nats.len()).map(|set| -> (Vec<usize>, Vec<f32>) {
        let of_set = nats.iter().enumerate().filter(|(i, _)| set & (1 << i) != 0);
        of_set.map(|(_, one)| *one).unzip()
    });
    let mut agreeing: Vec<_> = sets.filter(|(columns, _)| agrees(columns)).collect();
    let sum = |(_, nats): &(Vec<usize>, Vec<f32>)| nats.iter().fold(0.0, |sum, nats| sum + nats);
    agreeing.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    let [best, others @ ..] = &agreeing[..] else { return Decided::Keep };
    let margin = sum(best) - others.first().map_or(0.0, |next| sum(next).max(0.0));
    // Of many sets that agree one leans a little way by chance.
    let by_chance = (agreeing.iter().filter(|(columns, _)| !columns.is_empty()).count() as f32).ln();
    let as_read = agreeing.iter().any(|(columns, _)| columns.is_empty());
    let least = if as_read { AGAINST_WHAT_AGREES } else { CONTRADICTED };
    let (columns, nats) = best;
    if columns.is_empty() || sum(best) < by_chance {
        Decided::Keep
    } else if margin >= least && nats.iter().all(|nats| *nats > 0.0) {
        Decided::Exchange { columns: columns.clone(), nats: margin }
    } else {
        Decided::Retract
    }
}

/// A row, measured.
struct Heights {
    read: Vec<Symbol>,
    /// Of each column, in pixels. `None` for fillers and for what runs into its surroundings.
    measured: Vec<Option<f32>>,
}

impl Heights {
    /// Measures a row of a zone, read as these symbols.
    fn measure(
        picture: &(impl MatTraitConst + ToInputArray),
        row: &Quad,
        read: &[Symbol],
    ) -> Result<Self, Error> {
        let grey = grey_cut(picture, &row.with_height(CUT))?;
        let shape = (grey.rows() as usize, grey.cols() as usize);
        let levels = ArrayView2::from_shape(shape, grey.data_bytes()?).ok();
        let measured = levels.and_then(|levels| in_cells(levels, read));
        Ok(Self { read: read.to_vec(), measured: measured.unwrap_or_else(|| vec![None; read.len()]) })
    }

    /// Nats by which the height of the character in a column speaks for another symbol than the one that was read. `None` where it
    /// can't be measured, or too few digits beside it.
    fn speak_for(&self, other: Symbol, column: usize) -> Option<f32> {
        let height = (*self.measured.get(column)?)?;
        let nominal = |symbol: Symbol| NOMINAL.get(usize::from(symbol)).copied();
        let beside = self.read.iter().zip(&self.measured).enumerate().filter(|(at, _)| *at != column);
        let beside: Vec<(f32, f32)> = beside
            .filter_map(|(at, (symbol, height))| Some((at as f32, (*height)? / nominal(*symbol)?)))
            .collect();
        let is_digit = |at: &usize| DIGITS & (1 << self.read[*at]) != 0 && self.measured[*at].is_some();
        if (0..self.read.len()).filter(|at| *at != column && is_digit(at)).count() < FEWEST_DIGITS {
            return None;
        }
        let (scale, spread) = trend(&beside, column as f32)?;
        let likelihood = |symbol: Symbol| {
            let deviations = (height / scale - nominal(symbol)?) * scale / spread;
            Some((-deviations.powi(2) / 2.0).exp() + STRAY)
        };
        Some((likelihood(other)? / likelihood(*self.read.get(column)?)?).ln())
    }
}

/// The height of each character, where `None` is no row.
fn in_cells(levels: ArrayView2<'_, u8>, read: &[Symbol]) -> Option<Vec<Option<f32>>> {
    let (height, width) = levels.dim();
    let paper = level(levels, 0.75);
    let middle = levels.slice(s![height * 2 / 5..height * 3 / 5, ..]);
    let ink: Vec<f32> = middle
        .axis_iter(Axis(1))
        .map(|column| column.iter().map(|level| (paper - f32::from(*level)).max(0.0)).sum())
        .collect();
    let (first, pitch) = grid(&ink, read.len())?;
    let of = |(column, symbol): (usize, &Symbol)| {
        let edge = |share: f32| (first + pitch * (column as f32 + share)).round().clamp(0.0, width as f32);
        let cell = levels.slice(s![.., edge(0.05) as usize..edge(0.95) as usize]);
        let measured = (*symbol != FILLER).then(|| extent(cell)).flatten()?;
        // What is no taller than half a character is wide is dirt, or a piece of one.
        (measured > pitch / 2.0).then_some(measured)
    };
    Some(read.iter().enumerate().map(of).collect())
}

/// Where so many characters at equal distances begin, and the distance: the way to part the row with the least ink at the borders and,
/// which counts less, outside. The box of a row is longer than its characters by its rims, or shorter by a piece of one.
fn grid(ink: &[f32], characters: usize) -> Option<(f32, f32)> {
    if ink.is_empty() {
        return None;
    }
    let width = ink.len() as f32;
    let even = width / characters as f32;
    let at = |x: f32| ink[(x.round().max(0.0) as usize).min(ink.len() - 1)];
    let all: f32 = ink.iter().sum();
    let within: Vec<f32> = std::iter::once(0.0)
        .chain(ink.iter().scan(0.0, |sum, ink| {
            *sum += ink;
            Some(*sum)
        }))
        .collect();
    let until = |x: f32| within[(x.round().max(0.0) as usize).min(ink.len())];
    let mut best: Option<(f32, f32, f32)> = None;
    for pitch in (0..=40).map(|step| even * (0.93 + 0.09 * step as f32 / 40.0)) {
        for first in (0..=60).map(|step| even * (2.5 * step as f32 / 60.0 - 1.0)) {
            let last = first + pitch * characters as f32;
            if first < -0.6 * even || last > width + 0.6 * even {
                continue;
            }
            let borders: f32 = (0..=characters).map(|i| at(first + pitch * i as f32)).sum();
            let outside = all - (until(last) - until(first));
            let cost = borders + 0.3 * outside;
            if best.is_none_or(|(least, _, _)| cost < least) {
                best = Some((cost, first, pitch));
            }
        }
    }
    best.map(|(_, first, pitch)| (first, pitch))
}

/// The height of what stands in the middle of a cell, to a fraction of a pixel: where the ink falls to half of what it is within.
fn extent(cell: ArrayView2<'_, u8>) -> Option<f32> {
    let (rows, columns) = cell.dim();
    if columns < 3 {
        return None;
    }
    let paper = level(cell, 0.9);
    // The darkest part of each pixel row: a stroke of a character takes no more of it.
    let stroke = (columns / 5).max(2);
    let ink: Vec<f32> = cell
        .axis_iter(Axis(0))
        .map(|row| {
            let mut levels = row.to_vec();
            levels.sort_unstable();
            levels[..stroke].iter().map(|level| (paper - f32::from(*level)).max(0.0)).sum::<f32>()
                / stroke as f32
        })
        .collect();
    let middle = rows * 3 / 10..rows * 7 / 10;
    let half = median(ink[middle.clone()].to_vec()) / 2.0;
    let is_ink = |row: &usize| ink[*row] > half;
    let start = middle.filter(is_ink).min_by_key(|row| row.abs_diff(rows / 2))?;
    let above = (0..start).rev().find(|row| !is_ink(row))?;
    let below = (start..rows).find(|row| !is_ink(row))?;
    // How far beyond the last row of ink half of it is reached.
    let beyond = |ink_row: usize, paper_row: usize| {
        (ink[ink_row] - half) / (ink[ink_row] - ink[paper_row]).max(f32::EPSILON)
    };
    let (first, last) = (above + 1, below - 1);
    Some((last - first) as f32 + beyond(first, above) + beyond(last, below))
}

/// The level that this share of a strip does not exceed.
fn level(levels: ArrayView2<'_, u8>, share: f32) -> f32 {
    percentile(&mut levels.iter().copied().collect::<Vec<u8>>(), share).into()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::mrz::alphabet::symbol;
    use super::*;

    const PITCH: usize = 14;

    fn symbols(text: &str) -> Vec<Symbol> {
        text.chars().map(|c| symbol(c).unwrap()).collect()
    }

    /// A row of blocks, each as tall as the character at its place, times what `grows` says of the column.
    fn row(text: &str, grows: impl Fn(usize) -> f32) -> Array2<u8> {
        let mut levels = Array2::from_elem((40, PITCH * text.len()), 220);
        for (column, symbol) in symbols(text).into_iter().enumerate().filter(|(_, symbol)| *symbol != FILLER)
        {
            let height = (20.0 * NOMINAL[usize::from(symbol)] * grows(column)).round() as usize;
            let (left, top) = (column * PITCH + 3, 20 - height / 2);
            levels.slice_mut(s![top..top + height, left..left + 8]).fill(30);
        }
        levels
    }

    /// What the heights of `printed` say of `other` in a column, where the row was read as `read`.
    fn heights(printed: &Array2<u8>, read: &str) -> Heights {
        let read = symbols(read);
        let measured = in_cells(printed.view(), &read).unwrap();
        Heights { read, measured }
    }

    #[test]
    fn a_letter_that_was_read_as_a_digit_is_too_short_for_one_however_the_row_leans_away() {
        for grows in [|_: usize| 1.0, |column: usize| 1.0 + column as f32 / 40.0] {
            let printed = row("26LO7449I9D<<0609089F331007", grows);
            let heights = heights(&printed, "26L0744919D<<0609089F331007");
            let speaks_for = |symbol, column| heights.speak_for(symbol, column).unwrap();
            assert!(speaks_for(symbol('O').unwrap(), 3) > CONTRADICTED);
            assert!(speaks_for(symbol('I').unwrap(), 8) > CONTRADICTED);
            for column in [13, 15, 17, 24, 25] {
                assert!(speaks_for(symbol('O').unwrap(), column) < -CONTRADICTED, "{column}");
            }
        }
    }

    #[test]
    fn a_row_of_letters_says_nothing_and_neither_does_what_runs_into_its_surroundings() {
        let letters = row("P<UTOERIKSSON<<ANNA<MARIA<<<", |_| 1.0);
        assert_eq!(
            heights(&letters, "P<UTOERIKSS0N<<ANNA<MARIA<<<").speak_for(symbol('O').unwrap(), 11),
            None
        );
        let mut smeared = row("L898902C36UTO7408122F1204159", |_| 1.0);
        smeared.slice_mut(s![.., 5 * PITCH..6 * PITCH]).fill(30);
        let heights = heights(&smeared, "L898902C36UTO7408122F1204159");
        assert_eq!(heights.speak_for(symbol('O').unwrap(), 5), None);
        assert!(heights.speak_for(symbol('O').unwrap(), 15).is_some());
    }

    /// In the sums of these digits, the other symbols of both columns together count like the two that were read, and no single one
    /// does.
    fn cancel(columns: &[usize]) -> bool {
        columns.is_empty() || columns == [5, 12]
    }

    #[test]
    fn what_cancels_in_the_digits_is_exchanged_only_where_the_heights_of_each_say_so() {
        let of = |first, second| decide(&[(5, first), (9, -5.5), (12, second)], cancel);
        assert_eq!(of(5.5, 2.5), Decided::Exchange { columns: vec![5, 12], nats: 8.0 });
        assert_eq!(of(2.5, 2.5), Decided::Retract, "not clear enough against digits that agree");
        assert_eq!(of(5.5, -0.5), Decided::Retract, "one of them clearly, the other one not");
        assert_eq!(of(3.0, -3.5), Decided::Keep);
        assert_eq!(of(0.0, 0.0), Decided::Keep, "nothing could be measured");
    }

    #[test]
    fn heights_that_the_digits_contradict_change_nothing() {
        assert_eq!(decide(&[(5, 5.5), (9, -5.5)], cancel), Decided::Keep);
    }

    #[test]
    fn of_two_ways_to_make_the_digits_agree_neither_is_taken_unless_it_is_far_likelier() {
        let of = |other: f32| {
            decide(&[(1, -1.0), (5, 5.5), (7, other), (8, 5.5)], |set| set == [5] || set == [1, 7, 8])
        };
        assert_eq!(of(-3.5), Decided::Exchange { columns: vec![5], nats: 4.5 });
        assert_eq!(of(-2.0), Decided::Retract);
    }

    #[test]
    fn of_many_sets_that_agree_one_leans_a_little_by_chance() {
        let of = |nats| decide(&[(3, nats), (4, -1.0), (5, -1.0)], |_| true);
        assert_eq!(of(0.5), Decided::Keep);
        assert_eq!(of(2.5), Decided::Retract);
        assert_eq!(decide(&[(3, 0.5)], |_| true), Decided::Retract, "the only one");
    }

    #[test]
    fn an_empty_row_has_no_heights() {
        let empty = Array2::from_elem((40, 280), 220);
        assert!(
            in_cells(empty.view(), &symbols("D231458907<<<<<<<<<<")).unwrap().iter().all(Option::is_none)
        );
    }
}
