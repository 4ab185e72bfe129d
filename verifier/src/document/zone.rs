//! The machine-readable zone of one side: its rows cut out, read carefully and decoded.

use jiff::civil::Date;
use opencv::core::{MatTraitConst, ToInputArray};
use reinstate_domain::document::DocumentThresholds;

use super::line::read_frames;
use super::mrz::{Zone, read_zone};
use super::page::Page;
use super::rows::{Row, find_rows};
use super::text::Quad;
use super::{Error, Networks};
use crate::models::Role;

/// A zone, and the lines of its side that belong to it.
pub(crate) struct Found {
    pub(crate) zone: Zone,
    pub(crate) quads: Vec<Quad>,
}

/// The search on one side, as far as it went: an invalid reading that fits best, or a valid one.
#[derive(Default)]
pub(crate) struct Search {
    best: Option<Found>,
    /// Nothing that is still to be tried may change it.
    settled: bool,
}

impl Search {
    pub(crate) fn is_valid(&self) -> bool {
        self.best.as_ref().is_some_and(|found| found.zone.reading.valid)
    }

    /// What the side shows, if it is a zone at all. A reading that is invalid is what fits best.
    pub(crate) fn found(self) -> Option<Found> {
        self.best.filter(|found| self.settled || found.zone.is_plausible())
    }

    /// Tries these ways of cutting the rows out, one after the other, until one settles it.
    pub(crate) fn go_on(
        &mut self,
        page: &Page,
        passes: &[Pass],
        networks: &mut Networks,
        thresholds: &DocumentThresholds,
        today: Date,
    ) -> Result<(), Error> {
        if self.settled {
            return Ok(());
        }
        let picture = page.picture.mat()?;
        for rows in find_rows(&page.lines).into_iter().take(MOST_ZONES) {
            for pass in passes {
                self.cut_out(&picture, &rows, pass, networks, thresholds, today)?;
                // A zone that was read with certainty and fails its digits must not be read again until it passes.
                self.settled = self.best.as_ref().is_some_and(|found| {
                    let reading = &found.zone.reading;
                    reading.valid || reading.certainty >= thresholds.min_failed_digit_certainty
                });
                if self.settled {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn cut_out(
        &mut self,
        picture: &(impl MatTraitConst + ToInputArray),
        rows: &[Row],
        pass: &Pass,
        networks: &mut Networks,
        thresholds: &DocumentThresholds,
        today: Date,
    ) -> Result<(), Error> {
        let tried: Vec<&Row> = rows.iter().filter(|row| row.seen || pass.unseen).collect();
        // No zone has a single row.
        if tried.len() < 2 {
            return Ok(());
        }
        let quads: Vec<Quad> = tried.iter().map(|row| row.quad.with_height(pass.height)).collect();
        let frames = read_frames(picture, &quads, &mut *networks.careful, Role::TextRecognitionCareful)?;
        for count in [3, 2] {
            let groups = frames.windows(count).zip(quads.windows(count)).zip(tried.windows(count));
            for ((frames, quads), rows) in groups {
                if pass.unseen && rows.iter().all(|row| row.seen) {
                    continue;
                }
                let frames: Vec<_> = frames.iter().collect();
                let Some(zone) = read_zone(&frames, &thresholds.reading, today) else { continue };
                if self.best.as_ref().is_none_or(|best| zone.rank() > best.zone.rank()) {
                    self.best = Some(Found { zone, quads: quads.to_vec() });
                }
            }
        }
        Ok(())
    }
}

/// Groups of rows on a page that are tried as zones.
const MOST_ZONES: usize = 2;

/// One way of cutting out the rows of a zone.
pub(crate) struct Pass {
    /// Times the height that was found.
    height: f32,
    /// Also where a row would only be.
    unseen: bool,
}

/// The rows as they were found. This is enough for most pages, and cheap enough to try both ways up.
pub(crate) const AS_FOUND: [Pass; 1] = [Pass { height: 1.0, unseen: false }];

/// Each of these is made only when those before it found nothing valid.
pub(crate) const OTHERWISE: [Pass; 3] = [
    Pass { height: 1.0, unseen: true },
    Pass { height: 0.8, unseen: false },
    Pass { height: 1.25, unseen: false },
];
