//! What a search for the zone looks with, and how much more it may look.

use jiff::civil::Date;
use reinstate_domain::document::DocumentThresholds;

use super::Networks;
use super::line::strip_width;
use super::text::{self, Quad};

/// Pixels of rows, as wide as the recogniser sees them, that are read carefully while a zone is looked for. Of the photos and
/// specimens that this was set on, none with a valid zone took more than 4,000; what looks like page after page of zones is
/// given up.
const MOST_CAREFUL: f32 = 10_000.0;

/// What a search looks with and by.
pub(super) struct Look<'a> {
    pub(super) networks: &'a mut Networks,
    pub(super) settings: &'a text::Settings,
    pub(super) thresholds: &'a DocumentThresholds,
    pub(super) today: Date,
    /// What is left of [`MOST_CAREFUL`].
    careful: f32,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        networks: &'a mut Networks,
        settings: &'a text::Settings,
        thresholds: &'a DocumentThresholds,
        today: Date,
    ) -> Self {
        Self { networks, settings, thresholds, today, careful: MOST_CAREFUL }
    }

    /// Whether these rows may still be read carefully; if so, it is booked.
    pub(super) fn may_read_carefully(&mut self, rows: &[Quad]) -> bool {
        let width: f32 = rows.iter().map(strip_width).sum();
        let may = width <= self.careful;
        if may {
            self.careful -= width;
        }
        may
    }
}
