//! Whether the paper around a row of a zone is seen, without which a part of the row may be hidden.

use std::ops::Range;

use ndarray::{ArrayView2, s};
use opencv::core::{MatTraitConst, MatTraitConstManual};

use super::Error;
use super::line::{grey_cut, grey_strip};
use super::quality::percentile;
use super::text::Quad;
use super::trend::trend;
use crate::image::Picture;

/// Characters at the end of a row that its paper and its ink are measured on.
const LAST: f32 = 6.0;
/// Where the margin is looked at, in characters after the end of the row: beyond a box's rim, and before the edge of the page.
const MARGIN: [f32; 2] = [0.5, 1.5];
/// How far the light of what is beside characters may be from the paper's, as a share of the distance from paper to ink. Chosen once and not
/// tuned: of 151 smaller visas that were read with any faults, one is not read with it (docs/decisions/0112).
const SAME_PAPER: f32 = 0.3;

/// Whether this row of so many characters ends where there is no more of it: paper follows, not a finger, the table or the edge of the
/// picture.
pub(crate) fn ends_on_paper(picture: &Picture, row: &Quad, characters: usize) -> Result<bool, Error> {
    let [dx, dy] = row.direction();
    let (_, end) = row.ends();
    let character = row.width() / characters as f32;
    let piece = |from: f32, to: f32| {
        let (middle, width) = ((from + to) / 2.0 * character, (to - from) * character);
        Quad::new([end[0] + dx * middle, end[1] + dy * middle], [dx, dy], width, row.height())
    };
    let margin = piece(MARGIN[0], MARGIN[1]);
    if margin.touches_edge([picture.width() as f32, picture.height() as f32], 0.0) {
        return Ok(false);
    }
    let picture = picture.mat()?;
    let levels =
        |quad: &Quad| -> Result<Vec<u8>, Error> { Ok(grey_strip(&picture, quad)?.data_bytes()?.to_vec()) };
    // More than half of a filler's cell is paper.
    let mut row = levels(&piece(-LAST, 0.0))?;
    let (paper, ink) = (percentile(&mut row, 0.5), percentile(&mut row, 0.03));
    let after = percentile(&mut levels(&margin)?, 0.5);
    Ok(f32::from(after.abs_diff(paper)) <= SAME_PAPER * f32::from(paper.saturating_sub(ink)))
}

/// Heights of a row that are cut out to see what is above and below it.
const AROUND: f32 = 1.6;
/// The parts of the cut, at either edge, that are looked at: beyond the box's rim, where the next row may be already, and where the
/// characters begin. By the shape of the boxes, tuned on nothing.
const BESIDE: [f32; 2] = [0.02, 0.14];
const WITHIN: [f32; 2] = [0.25, 0.37];
/// Share of what is within that may be ink and its blur. Between two characters there is more paper than what is left.
const STROKES: f32 = 0.8;

/// Whether something darker than paper lies over the upper or lower end of one of the characters of this row of so many. It comes from above
/// or below: a next row or a picture there that ends before the character covers nothing.
pub(crate) fn is_covered(picture: &Picture, row: &Quad, characters: usize) -> Result<bool, Error> {
    let cut = grey_cut(&picture.mat()?, &row.with_height(AROUND))?;
    let shape = (cut.rows() as usize, cut.cols() as usize);
    let Ok(levels) = ArrayView2::from_shape(shape, cut.data_bytes()?) else { return Ok(false) };
    let (height, width) = levels.dim();
    let at = |share: f32| (share * height as f32).round() as usize;
    let rows = |[from, to]: [f32; 2]| at(from)..at(to).max(at(from) + 1);
    let mirrored = |rows: Range<usize>| height - rows.end..height - rows.start;
    let (beside, within) = (rows(BESIDE), rows(WITHIN));
    let flat = |part: ArrayView2<'_, u8>| part.iter().copied().collect::<Vec<u8>>();
    let mut ends = Vec::new();
    for cell in 0..characters {
        let columns = cell * width / characters..(cell + 1) * width / characters;
        if columns.is_empty() {
            continue;
        }
        let level =
            |rows: Range<usize>, share| percentile(&mut flat(levels.slice(s![rows, columns.clone()])), share);
        for [beside, within] in
            [[beside.clone(), within.clone()], [mirrored(beside.clone()), mirrored(within.clone())]]
        {
            ends.push((cell as f32, [level(beside, 0.5), level(within, STROKES)].map(f32::from)));
        }
    }
    let mut middle = flat(levels.slice(s![height * 2 / 5..height * 3 / 5, ..]));
    let ink = f32::from(percentile(&mut middle, 0.03));
    // The light may fall off along the row, and paper be brighter where nothing is printed below the zone. Hands are darker.
    let paper: Vec<(f32, f32)> = ends.iter().map(|(cell, [beside, _])| (*cell, *beside)).collect();
    Ok(ends.iter().any(|(cell, levels)| {
        let Some((paper, _)) = trend(&paper, *cell) else { return false };
        let is_paper = |level: &f32| paper - level <= SAME_PAPER * (paper - ink).max(0.0);
        !levels.iter().any(is_paper)
    }))
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    /// Ten characters of ten pixels on paper that ends at `paper`, and what lies beyond it.
    fn row_on_paper_until(paper: u32) -> (Picture, Quad) {
        let picture = RgbImage::from_fn(160, 60, |x, y| {
            let ink = (20..40).contains(&y) && (20..120).contains(&x) && x % 10 < 3;
            Rgb(if ink {
                [20, 22, 30]
            } else if x < paper {
                [200, 204, 210]
            } else {
                [120, 84, 70]
            })
        });
        let row = Quad { corners: [[20.0, 20.0], [120.0, 20.0], [120.0, 40.0], [20.0, 40.0]] };
        (Picture::from_rgb(picture), row)
    }

    #[test]
    fn a_row_ends_where_paper_follows_and_not_at_a_finger_or_the_edge_of_the_picture() {
        for (paper, ends) in [(160, true), (137, true), (128, false), (121, false)] {
            let (picture, row) = row_on_paper_until(paper);
            assert_eq!(ends_on_paper(&picture, &row, 10).unwrap(), ends, "paper until {paper}");
        }
        let (picture, row) = row_on_paper_until(160);
        let at_the_edge = Quad { corners: row.corners.map(|[x, y]| [x + 28.0, y]) };
        assert!(!ends_on_paper(&picture, &at_the_edge, 10).unwrap());
    }

    #[test]
    fn a_row_is_covered_where_something_that_is_no_paper_reaches_a_character() {
        for (paper, is_it) in [(160, false), (124, false), (100, true), (50, true)] {
            let (picture, row) = row_on_paper_until(paper);
            assert_eq!(is_covered(&picture, &row, 10).unwrap(), is_it, "paper until {paper}");
        }
        let finger = |top: u32| {
            let (picture, row) = row_on_paper_until(160);
            let mut rgb = picture.rgb().clone();
            for (x, y) in (60..80).flat_map(|x| (top..60).map(move |y| (x, y))) {
                rgb.put_pixel(x, y, Rgb([120, 84, 70]));
            }
            is_covered(&Picture::from_rgb(rgb), &row, 10).unwrap()
        };
        assert_eq!([30, 34, 40, 48].map(finger), [true, true, false, false], "from below");
    }

    #[test]
    fn bare_paper_beside_a_printed_ground_covers_nothing() {
        let (picture, row) = row_on_paper_until(160);
        let mut rgb = picture.rgb().clone();
        for (_, _, pixel) in rgb.enumerate_pixels_mut().filter(|(x, ..)| *x >= 30) {
            pixel.0 = pixel.0.map(|level| level / 10 * 7);
        }
        assert!(!is_covered(&Picture::from_rgb(rgb), &row, 10).unwrap());
    }

    #[test]
    fn light_that_falls_off_along_a_row_covers_nothing() {
        let (picture, row) = row_on_paper_until(160);
        let mut rgb = picture.rgb().clone();
        for (x, _, pixel) in rgb.enumerate_pixels_mut() {
            pixel.0 = pixel.0.map(|level| (f32::from(level) * (1.0 - x as f32 / 200.0)) as u8);
        }
        assert!(!is_covered(&Picture::from_rgb(rgb), &row, 10).unwrap());
    }
}
