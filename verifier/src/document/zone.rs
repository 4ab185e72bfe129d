//! The machine-readable zone of one side: its rows cut out, read carefully and decoded.

use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use opencv::core::{MatTraitConst, ToInputArray};
use reinstate_domain::document::{MrzReading, ReadingThresholds};

use super::fillers;
use super::line::{Line, read_frames};
use super::look::Look;
use super::mrz::alphabet::Frames;
use super::mrz::{Looks, Zone, read_zone};
use super::page::Page;
use super::rows::{Candidate, Row, find_rows};
use super::text::Quad;
use super::{Error, Networks};
use crate::models::Role;

/// A zone, and the lines of its side that belong to it.
pub(crate) struct Found {
    pub(crate) zone: Zone,
    pub(crate) quads: Vec<Quad>,
    pub(crate) effort: Effort,
}

/// What it took to read a zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Effort {
    /// The fast recogniser had no doubt.
    FirstSight,
    /// Both recognisers looked at it.
    Careful,
    /// And it took the shape of fillers to tell them from letters.
    Shapes,
}

/// The search on one page, as far as it went: an invalid reading that fits best, or a valid one.
#[derive(Default)]
pub(crate) struct Search {
    best: Option<Found>,
    /// Nothing that is still to be tried may change it.
    settled: bool,
    /// What the fast recogniser saw can be a zone.
    promising: bool,
    /// Those that were looked at closely.
    candidates: Vec<Looked>,
}

impl Search {
    pub(crate) fn is_valid(&self) -> bool {
        self.best.as_ref().is_some_and(|found| found.zone.reading.valid)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    pub(crate) fn is_promising(&self) -> bool {
        self.promising
    }

    /// Whether what fits best can be a zone.
    pub(crate) fn shows_a_zone(&self) -> bool {
        self.best.as_ref().is_some_and(|found| found.zone.is_plausible())
    }

    /// What the page shows, if it is a zone at all. A reading that is invalid is what fits best.
    pub(crate) fn found(self) -> Option<Found> {
        self.best.filter(|found| self.settled || found.zone.is_plausible())
    }

    /// Reads the zone by what the fast recogniser already saw on its rows, when that leaves no doubt. Never an invalid one:
    /// what is in doubt is read carefully.
    pub(crate) fn at_first_sight(&mut self, page: &Page, look: &mut Look<'_>) -> Result<(), Error> {
        let Some(limits) = &look.thresholds.first_reading else {
            self.promising = true;
            return Ok(());
        };
        for candidate in find_rows(&page.lines).into_iter().take(MOST_ZONES) {
            let seen: Vec<&Row> = candidate.rows.iter().filter(|row| row.seen).collect();
            if seen.len() == 1 && !candidate.one_line {
                continue;
            }
            let frames = frames_of(page, &seen, look.networks)?;
            let looks: Vec<Looks<'_>> =
                frames.iter().map(|frames| Looks::from_iter([frames.as_ref()])).collect();
            for group in groups(seen.len()) {
                let Some(zone) = read_zone(&looks[group.clone()], limits, look.today) else { continue };
                self.promising |= zone.is_plausible();
                if zone.reading.valid && zone.reading.repairs.is_empty() {
                    let quads = seen[group].iter().map(|row| row.quad).collect();
                    self.best = Some(Found { zone, quads, effort: Effort::FirstSight });
                    self.settled = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Tries these ways of cutting the rows out, one after the other, until one settles it.
    pub(crate) fn go_on(&mut self, page: &Page, passes: &[Pass], look: &mut Look<'_>) -> Result<(), Error> {
        if self.settled {
            return Ok(());
        }
        let picture = page.picture.mat()?;
        if self.candidates.is_empty() {
            let candidates = find_rows(&page.lines).into_iter().take(MOST_ZONES);
            self.candidates = candidates.map(Looked::new).collect();
        }
        for at in 0..self.candidates.len() {
            for pass in passes.iter().copied() {
                let looked = &mut self.candidates[at];
                if !pass.is_worth_it(looked) || !looked.look(&picture, pass, look)? {
                    continue;
                }
                self.weigh(at, pass, &look.thresholds.reading, look.today);
                // A zone that was read with certainty and fails its digits must not be read again until it passes.
                self.settled = self.best.as_ref().is_some_and(|found| {
                    let reading = &found.zone.reading;
                    reading.valid || reading.fails_as_printed(look.thresholds)
                });
                if self.settled {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Every run of rows that is a zone in some format, by all that was seen of it so far.
    fn weigh(&mut self, at: usize, pass: Pass, limits: &ReadingThresholds, today: Date) {
        let Looked { candidate, looks, fillers, readings, plausible } = &mut self.candidates[at];
        let unseen = pass == Pass::Unseen;
        let is_tried = |row: &usize| !looks[*row].is_empty() && (candidate.rows[*row].seen || unseen);
        let rows: Vec<usize> = (0..looks.len()).filter(is_tried).collect();
        for group in groups(rows.len()).map(|group| &rows[group]) {
            if unseen && group.iter().all(|row| candidate.rows[*row].seen) {
                continue;
            }
            let read = |by_shape: bool| {
                let of = |row: &usize| Looks {
                    frames: looks[*row].iter().collect(),
                    fillers: if by_shape { &fillers[*row] } else { &[] },
                };
                read_zone(&group.iter().map(of).collect::<Vec<_>>(), limits, today)
            };
            let zone = read(true);
            let Some(mut zone) = zone else { continue };
            if zone.is_plausible() {
                *plausible = true;
                group.iter().for_each(|row| candidate.rows[*row].seen = true);
            }
            // Each look is one more chance to be wrong and sure of it.
            if readings.iter().any(|(rows, before)| rows == group && zone.is_told_otherwise_by(before)) {
                zone.retract();
            }
            readings.push((group.to_vec(), zone.reading.clone()));
            if self.best.as_ref().is_none_or(|best| zone.rank() > best.zone.rank()) {
                let quads = group.iter().map(|row| candidate.rows[*row].quad).collect();
                let is_the_same =
                    |other: &MrzReading| other.lines == zone.reading.lines && other.read == zone.reading.read;
                let without_shapes = group.iter().all(|row| fillers[*row].is_empty())
                    || read(false).is_some_and(|other| is_the_same(&other.reading));
                let effort = if without_shapes { Effort::Careful } else { Effort::Shapes };
                if effort == Effort::Shapes {
                    // What takes fillers for letters reads digits as wrongly, and with as little doubt.
                    zone.doubt();
                }
                self.best = Some(Found { zone, quads, effort });
            }
        }
    }
}

/// A candidate, and what both recognisers saw on its rows, however those were cut out.
struct Looked {
    candidate: Candidate,
    looks: Vec<Vec<Frames>>,
    /// Of the same rows, once they were measured.
    fillers: Vec<Vec<f32>>,
    /// What was read of which rows before there were so many looks.
    readings: Vec<(Vec<usize>, MrzReading)>,
    /// One of them can be a zone.
    plausible: bool,
}

impl Looked {
    fn new(candidate: Candidate) -> Self {
        let rows = candidate.rows.len();
        Self {
            candidate,
            looks: vec![Vec::new(); rows],
            fillers: vec![Vec::new(); rows],
            readings: Vec::new(),
            plausible: false,
        }
    }

    /// Looks at the rows that this pass is about. Whether there was anything to look at.
    fn look(
        &mut self,
        picture: &(impl MatTraitConst + ToInputArray),
        pass: Pass,
        look: &mut Look<'_>,
    ) -> Result<bool, Error> {
        let rows = &self.candidate.rows;
        let is_tried = |i: &usize| match pass {
            Pass::Unseen => self.looks[*i].is_empty(),
            Pass::Seen { .. } | Pass::Fillers => rows[*i].seen,
        };
        let tried: Vec<usize> = (0..rows.len()).filter(is_tried).collect();
        if matches!(pass, Pass::Fillers | Pass::Unseen) {
            for at in &tried {
                self.fillers[*at] = fillers::measure(picture, &rows[*at].quad)?;
            }
        }
        let height = match pass {
            Pass::Fillers => return Ok(!tried.is_empty()),
            Pass::Unseen => 1.0,
            Pass::Seen { height } => height,
        };
        let quads: Vec<Quad> = tried.iter().map(|i| rows[*i].quad.with_height(height)).collect();
        if tried.is_empty() || !look.may_read_carefully(&quads) {
            return Ok(false);
        }
        let careful = &mut *look.networks.careful;
        let careful = read_frames(picture, &quads, careful, Role::TextRecognitionCareful)?;
        let fast = read_frames(picture, &quads, &mut *look.networks.fast, Role::TextRecognition)?;
        for (at, looks) in tried.into_iter().zip(careful.into_iter().zip(fast)) {
            self.looks[at].extend([looks.0, looks.1]);
        }
        Ok(true)
    }
}

/// Every run of one to three of so many rows.
fn groups(rows: usize) -> impl Iterator<Item = Range<usize>> {
    [3, 2, 1]
        .into_iter()
        .flat_map(move |count| (0..(rows + 1).saturating_sub(count)).map(move |first| first..first + count))
}

/// What the fast recogniser sees on these rows: where a line is all of a row, it was looked at already.
fn frames_of(page: &Page, rows: &[&Row], networks: &mut Networks) -> Result<Vec<Arc<Frames>>, Error> {
    let known = |row: &Row| page.lines.get(row.line?).and_then(|line: &Line| line.frames.clone());
    let mut frames: Vec<Option<Arc<Frames>>> = rows.iter().map(|row| known(row)).collect();
    let missing: Vec<usize> = (0..rows.len()).filter(|i| frames[*i].is_none()).collect();
    let quads: Vec<Quad> = missing.iter().map(|i| rows[*i].quad).collect();
    let read = read_frames(&page.picture.mat()?, &quads, &mut *networks.fast, Role::TextRecognition)?;
    for (i, read) in missing.into_iter().zip(read) {
        frames[i] = Some(Arc::new(read));
    }
    Ok(frames.into_iter().flatten().collect())
}

/// Groups of rows on a page that are tried as zones.
const MOST_ZONES: usize = 2;

/// One way of looking at the rows of a zone.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pass {
    /// Those that were found, cut out so many times as high as they were found.
    Seen { height: f32 },
    /// Where a row would only be, beside those that were found.
    Unseen,
    /// The shapes of fillers on those that were found.
    Fillers,
}

impl Pass {
    /// A closer look, or one at rows that were not seen, is worth its price only where fillers are, or what may be a zone; a row that
    /// stands alone only where it can be a driving licence's.
    fn is_worth_it(self, looked: &Looked) -> bool {
        let Looked { candidate, .. } = looked;
        let together = candidate.rows.iter().filter(|row| row.seen).count() > 1 || candidate.one_line;
        let promising = candidate.fillers > 0 || looked.plausible;
        match self {
            Self::Seen { height: 1.0 } | Self::Fillers => together,
            Self::Seen { .. } => promising && together,
            Self::Unseen => promising,
        }
    }
}

/// The rows as they were found. This is enough for most pages, and cheap enough to try both ways up.
pub(crate) const AS_FOUND: [Pass; 1] = [Pass::Seen { height: 1.0 }];

/// Each of these is made only when those before it found nothing valid.
pub(crate) const OTHERWISE: [Pass; 4] =
    [Pass::Fillers, Pass::Unseen, Pass::Seen { height: 0.8 }, Pass::Seen { height: 1.25 }];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::mrz::testing::{Noise, frames_of};
    use crate::models::Bundle;

    const CARD: [&str; 3] = [
        "IDUTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    ];

    const TODAY: Date = Date::constant(2026, 11, 26);

    fn limits() -> ReadingThresholds {
        Bundle::open(None).unwrap().document_thresholds().reading.clone()
    }

    /// Of three rows, before any look.
    fn search() -> Search {
        let quad = Quad { corners: [[0.0, 0.0], [300.0, 0.0], [300.0, 10.0], [0.0, 10.0]] };
        let rows = CARD.map(|_| Row { quad, seen: true, line: None }).into();
        let candidate = Candidate { rows, fillers: 30, one_line: false };
        Search { candidates: vec![Looked::new(candidate)], ..Search::default() }
    }

    /// A search that has seen three rows, and weighs them after each look. `first` is what the first look takes the D of ID for, and
    /// how likely; the second sees it clearly.
    fn after_two_looks(first: (char, f32)) -> Search {
        let mut search = search();
        let doubtful = Noise { confusions: vec![(1, first.0, first.1)], ..Noise::none() };
        for noise in [doubtful, Noise::none()] {
            for (looks, line) in search.candidates[0].looks.iter_mut().zip(CARD) {
                let of_this_row = if line == CARD[0] { &noise } else { &Noise::none() };
                looks.push(frames_of(line, of_this_row));
            }
            search.weigh(0, AS_FOUND[0], &limits(), TODAY);
        }
        search
    }

    #[test]
    fn digits_that_fail_where_it_took_the_shape_of_fillers_to_read_names_are_uncertain() {
        let certainty = |as_letters: &[(usize, char, f32)]| {
            let mut search = search();
            let altered = CARD.map(|line| line.replace("7408122", "7408123"));
            let looked = &mut search.candidates[0];
            for (looks, line) in looked.looks.iter_mut().zip(&altered) {
                let confusions = if *line == CARD[2] { as_letters.to_vec() } else { Vec::new() };
                looks.push(frames_of(line, &Noise { confusions, ..Noise::none() }));
            }
            looked.fillers[2] = CARD[2].chars().map(|c| if c == '<' { 5.0 } else { 0.0 }).collect();
            search.weigh(0, Pass::Fillers, &limits(), TODAY);
            search.best.unwrap().zone.reading.certainty
        };
        assert!(certainty(&[]) > 0.9);
        assert_eq!(certainty(&[(8, 'K', 0.99), (9, 'C', 0.99), (14, 'K', 0.99)]), 0.0);
    }

    #[test]
    fn a_second_look_confirms_what_the_first_doubted() {
        assert!(after_two_looks(('D', 0.0)).is_valid());
        assert!(after_two_looks(('B', 0.3)).is_valid());
    }

    #[test]
    fn a_second_look_does_not_overrule_a_look_alike_that_no_digit_covers() {
        let search = after_two_looks(('O', 0.985));
        assert!(!search.is_valid());
        assert!(search.best.is_some(), "it is still what fits best");
    }
}
