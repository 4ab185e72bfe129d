//! The machine-readable zone of one side: its rows cut out, read carefully and decoded.

use jiff::civil::Date;
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

/// Reads the zone of this side, if it has one. A reading that is invalid is what fits best.
pub(crate) fn find_zone(
    page: &Page,
    networks: &mut Networks,
    thresholds: &DocumentThresholds,
    today: Date,
) -> Result<Option<Found>, Error> {
    let picture = page.picture.mat()?;
    let mut best: Option<Found> = None;
    for rows in find_rows(&page.lines).into_iter().take(MOST_ZONES) {
        for pass in PASSES {
            let tried: Vec<&Row> = rows.iter().filter(|row| row.seen || pass.unseen).collect();
            let quads: Vec<Quad> = tried.iter().map(|row| row.quad.with_height(pass.height)).collect();
            let frames = read_frames(&picture, &quads, &mut *networks.careful, Role::TextRecognitionCareful)?;
            for count in [3, 2] {
                let groups = frames.windows(count).zip(quads.windows(count)).zip(tried.windows(count));
                for ((frames, quads), rows) in groups {
                    if pass.unseen && rows.iter().all(|row| row.seen) {
                        continue;
                    }
                    let frames: Vec<_> = frames.iter().collect();
                    let Some(zone) = read_zone(&frames, &thresholds.reading, today) else { continue };
                    if best.as_ref().is_none_or(|best| zone.rank() > best.zone.rank()) {
                        best = Some(Found { zone, quads: quads.to_vec() });
                    }
                }
            }
            // A zone that was read with certainty and fails its digits must not be read again until it passes.
            let settled = |zone: &Zone| {
                zone.reading.valid || zone.reading.certainty >= thresholds.min_failed_digit_certainty
            };
            if best.as_ref().is_some_and(|found| settled(&found.zone)) {
                return Ok(best);
            }
        }
    }
    Ok(best.filter(|found| found.zone.is_plausible()))
}

/// Groups of rows on a page that are tried as zones.
const MOST_ZONES: usize = 2;

/// One way of cutting out the rows of a zone.
struct Pass {
    /// Times the height that was found.
    height: f32,
    /// Also where a row would only be.
    unseen: bool,
}

/// Each pass is made only when those before it found nothing valid.
const PASSES: [Pass; 4] = [
    Pass { height: 1.0, unseen: false },
    Pass { height: 1.0, unseen: true },
    Pass { height: 0.8, unseen: false },
    Pass { height: 1.25, unseen: false },
];
