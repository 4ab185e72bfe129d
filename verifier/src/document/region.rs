//! A part of an upright picture, and which part of it a document takes up.

use super::text::Quad;
use crate::recognise::Point;

/// Lengths of a zone's row from the zone up to the edge of the page: a passport's page is 88 mm high and a row of it 112 mm long
/// (ICAO 9303-3 §2.2 and §4.1), smaller documents are flatter.
const REACH: f32 = 0.75;
/// Lengths of a zone's row by which the page goes on beside it, 0.06 on a passport, and what it may lean.
const ASIDE: f32 = 0.1;

/// In pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Region {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) right: f32,
    pub(crate) bottom: f32,
}

impl Region {
    /// Where print and portrait are on a document that has all on one side: above its zone, whose rows these are from top to bottom.
    /// What lies beside the document is not there.
    pub(crate) fn above(zone: &[Quad]) -> Option<Self> {
        let row = zone.first()?;
        let ((left, right), length) = (row.ends(), row.width());
        let bottom = left[1].min(right[1]) - row.height() / 2.0;
        let aside = ASIDE * length;
        Some(Self { left: left[0] - aside, top: bottom - REACH * length, right: right[0] + aside, bottom })
    }

    /// The smallest that holds all of these.
    pub(crate) fn around(points: impl Iterator<Item = Point>) -> Option<Self> {
        let at = |[x, y]: Point| Self { left: x, top: y, right: x, bottom: y };
        points.map(at).reduce(|a, b| Self {
            left: a.left.min(b.left),
            top: a.top.min(b.top),
            right: a.right.max(b.right),
            bottom: a.bottom.max(b.bottom),
        })
    }

    pub(crate) fn contains(&self, [x, y]: Point) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_above_its_zone_and_little_wider() {
        let zone = [250.0, 280.0].map(|y| Quad::new([200.0, y], [1.0, 0.0], 200.0, 10.0));
        let page = Region::above(&zone).unwrap();
        for (point, is_on_it) in [
            ([200.0, 180.0], true),
            ([315.0, 120.0], true),
            ([330.0, 180.0], false),
            ([70.0, 180.0], false),
            ([200.0, 60.0], false),
            ([200.0, 250.0], false),
            ([200.0, 280.0], false),
        ] {
            assert_eq!(page.contains(point), is_on_it, "{point:?}");
        }
        assert_eq!(Region::above(&[]), None);
    }
}
