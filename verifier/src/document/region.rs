//! A part of an upright picture, and which part of it a document takes up.

use image::imageops::crop_imm;

use super::text::Quad;
use crate::image::Picture;
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
        points.map(at).reduce(Self::and)
    }

    /// With so much of its width and height more on each side.
    pub(crate) fn grown(self, share: f32) -> Self {
        let (aside, beyond) = (share * (self.right - self.left), share * (self.bottom - self.top));
        Self {
            left: self.left - aside,
            top: self.top - beyond,
            right: self.right + aside,
            bottom: self.bottom + beyond,
        }
    }

    /// What of it lies in a picture of this width and height.
    pub(crate) fn within(self, [width, height]: [f32; 2]) -> Self {
        let Self { left, top, right, bottom } = self;
        Self { left: left.max(0.0), top: top.max(0.0), right: right.min(width), bottom: bottom.min(height) }
    }

    /// The smallest that holds both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// This part of a picture, which holds it. `None` where it is less than a pixel wide or high.
    pub(crate) fn cut_out(self, picture: &Picture) -> Option<Picture> {
        let [left, top, right, bottom] = [self.left, self.top, self.right, self.bottom].map(|at| at as u32);
        let [width, height] = [right.saturating_sub(left), bottom.saturating_sub(top)];
        (width > 0 && height > 0)
            .then(|| Picture::from_rgb(crop_imm(picture.rgb(), left, top, width, height).to_image()))
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
