//! The edge of a photo that was glued over a portrait: paper is white where it was cut, so that a thin straight line runs around the
//! photo that is lighter than what lies on both sides of it. A printed portrait ends in a step, or in a line of ink.

use std::ops::Range;

use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Rect, Size, ToInputArray};
use opencv::imgproc::{COLOR_RGB2GRAY, INTER_AREA, cvt_color_def, resize};
use reinstate_domain::document::Portrait;

use crate::document::Error;

/// Pixels to which the portrait's height is shrunk. Of a photo of 45 mm (ICAO 9303-3 §3.9) a cut edge of a quarter of a millimetre is then
/// two pixels wide.
const HEIGHT: f32 = 320.0;
/// Pixels of height of a portrait on which such an edge is one pixel wide at least; on smaller ones it is lost in what compression leaves.
const SMALLEST: f32 = 240.0;
/// Where the edge is looked for, from the portrait's middle, in halves of its width and height: what was cut out around the face is only
/// about the photo.
const NEAREST: f32 = 0.65;
const FARTHEST: f32 = 1.4;
/// The part of a side that is looked at, of the halves: corners may be round.
const LENGTH: f32 = 0.7;
/// Pixels from the middle of the line to what lies beside it.
const BESIDE: usize = 4;
/// Pixels along the edge over which noise is averaged.
const BLOCK: usize = 16;
/// Pixels by which an edge leans over its length, at most, in steps of the width that it has: pages are not quite straight.
const LEANS: [isize; 9] = [-8, -6, -4, -2, 0, 2, 4, 6, 8];
/// Share of the level around the portrait from which what lies outside of the edge is the page: a pole or a stripe behind the holder has
/// the photo on both sides.
const LIKE_PAPER: f32 = 0.8;
/// Grey level below which differences are noise.
const DARKEST: f32 = 32.0;

/// How much lighter the line is than the lighter of its two sides, as a share of that, on the third-strongest side of the portrait.
/// `None` when the portrait is too small to see such a line.
pub(super) fn measure(
    picture: &(impl MatTraitConst + ToInputArray),
    portrait: &Portrait,
) -> Result<Option<f32>, Error> {
    let [x, y, width, height] = portrait.bounds.map(|pixels| pixels as f32);
    if height < SMALLEST || width < 1.0 {
        return Ok(None);
    }
    let (middle, half) = ([x + width / 2.0, y + height / 2.0], [width / 2.0, height / 2.0]);
    let low = |axis: usize| (middle[axis] - FARTHEST * half[axis]).max(0.0) as i32;
    let high = |axis: usize, limit: i32| {
        ((middle[axis] + FARTHEST * half[axis]).ceil() as i32).clamp(low(axis) + 1, limit)
    };
    let (left, top) = (low(0), low(1));
    let around = Rect::new(left, top, high(0, picture.cols()) - left, high(1, picture.rows()) - top);
    let scale = (HEIGHT / height).min(1.0);
    let size = Size::new(
        ((around.width as f32 * scale) as i32).max(1),
        ((around.height as f32 * scale) as i32).max(1),
    );
    let (mut small, mut grey) = (Mat::default(), Mat::default());
    resize(&Mat::roi(picture, around)?, &mut small, size, 0.0, 0.0, INTER_AREA)?;
    cvt_color_def(&small, &mut grey, COLOR_RGB2GRAY)?;
    let rows: Vec<&[u8]> = (0..grey.rows()).map(|y| grey.at_row::<u8>(y)).collect::<opencv::Result<_>>()?;

    let centre = [(middle[0] - left as f32) * scale, (middle[1] - top as f32) * scale];
    let half = half.map(|half| half * scale);
    let limits = [size.width as usize, size.height as usize];
    let paper = LIKE_PAPER * level_beside(&rows, centre, half);
    let mut sides = [(0, -1.0), (0, 1.0), (1, -1.0), (1, 1.0)].map(|(axis, towards)| {
        let other = 1 - axis;
        let place = |share: f32| centre[axis] + towards * half[axis] * share;
        let across = span(place(NEAREST), place(FARTHEST), limits[axis]);
        let reach = LENGTH * half[other];
        let along = span(centre[other] - reach, centre[other] + reach, limits[other]);
        let level = |a: usize, b: usize| f32::from(if axis == 0 { rows[b][a] } else { rows[a][b] });
        // From the face outwards, on each of the sides.
        if towards < 0.0 {
            lightest_line(across.rev(), along, level, paper)
        } else {
            lightest_line(across, along, level, paper)
        }
    });
    sides.sort_by(f32::total_cmp);
    // One edge of the four may be under a stamp or outside of the picture.
    Ok(Some(sides[1]))
}

/// The median level of what lies around the portrait: that of the page's paper.
fn level_beside(rows: &[&[u8]], centre: [f32; 2], half: [f32; 2]) -> f32 {
    let is_beside = |at: usize, axis: usize| (at as f32 - centre[axis]).abs() > half[axis];
    let mut beside: Vec<u8> = rows
        .iter()
        .enumerate()
        .flat_map(|(y, row)| {
            let places = row.iter().enumerate().filter(move |(x, _)| is_beside(*x, 0) || is_beside(y, 1));
            places.map(|(_, level)| *level)
        })
        .collect();
    if beside.is_empty() {
        return 0.0;
    }
    let middle = beside.len() / 2;
    f32::from(*beside.select_nth_unstable(middle).1)
}

/// Whole pixels between two places, in either order, inside of a limit.
fn span(a: f32, b: f32, limit: usize) -> Range<usize> {
    let place = |at: f32| (at.max(0.0) as usize).min(limit);
    place(a.min(b))..place(a.max(b))
}

/// The strongest light line that runs along a strip and has `paper` at least on its outer side, by the weaker quarter of its length, so
/// that no text beside the portrait is one.
fn lightest_line(
    outwards: impl Iterator<Item = usize> + Clone,
    along: Range<usize>,
    level: impl Fn(usize, usize) -> f32,
    paper: f32,
) -> f32 {
    let contrasts: Vec<Vec<f32>> = along
        .clone()
        .step_by(BLOCK)
        .filter(|start| start + BLOCK <= along.end)
        .map(|start| {
            let mean = |a: usize| (start..start + BLOCK).map(|b| level(a, b)).sum::<f32>() / BLOCK as f32;
            let profile: Vec<f32> = outwards.clone().map(mean).collect();
            profile
                .windows(2 * BESIDE + 1)
                .map(|window| {
                    let (inside, outside) = (window[0], window[2 * BESIDE]);
                    let lighter = inside.max(outside);
                    if outside < paper { 0.0 } else { (window[BESIDE] - lighter) / lighter.max(DARKEST) }
                })
                .collect()
        })
        .collect();
    let width = contrasts.first().map_or(0, Vec::len);
    let strength = |a: usize| {
        let leaning = LEANS.map(|lean| {
            let mut blocks: Vec<f32> = contrasts
                .iter()
                .enumerate()
                .map(|(block, contrast)| {
                    let moved = a as isize + lean * block as isize / contrasts.len() as isize;
                    (moved - 1..=moved + 1)
                        .filter_map(|at| contrast.get(usize::try_from(at).ok()?).copied())
                        .fold(f32::MIN, f32::max)
                })
                .collect();
            let weaker = blocks.len() / 4;
            *blocks.select_nth_unstable_by(weaker, f32::total_cmp).1
        });
        leaning.into_iter().fold(0.0, f32::max)
    };
    (0..width).map(strength).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::image::Picture;

    const PORTRAIT: Portrait = Portrait { bounds: [100, 80, 250, 320] };
    /// Left, top, right and bottom of the photo, which is a little smaller than what was cut out around the face.
    const PHOTO: [u32; 4] = [112, 90, 340, 385];
    const PAPER: u8 = 215;

    /// Noisy paper with a darker photo on it; `edge` says what a pixel is that lies so far inside of a side of the photo: 0 left, 1 top,
    /// 2 right, 3 bottom.
    fn page(edge: impl Fn(usize, u32) -> Option<u8>) -> Picture {
        Picture::from_rgb(RgbImage::from_fn(500, 500, |x, y| {
            let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)) >> 13 & 7;
            let [left, top, right, bottom] = PHOTO;
            let is_photo = (left..right).contains(&x) && (top..bottom).contains(&y);
            let level = if is_photo {
                let inside = [x - left, y - top, right - 1 - x, bottom - 1 - y];
                inside.into_iter().enumerate().find_map(|(side, depth)| edge(side, depth)).unwrap_or(150)
            } else {
                PAPER
            };
            Rgb([level - noise as u8; 3])
        }))
    }

    fn measured(picture: &Picture, portrait: &Portrait) -> Option<f32> {
        measure(&picture.mat().unwrap(), portrait).unwrap()
    }

    #[test]
    fn the_light_rim_of_a_photo_is_seen_though_one_side_of_it_is_hidden() {
        let rim = |side: usize, depth: u32| (side != 3 && depth < 3).then_some(240);
        let seen = measured(&page(rim), &PORTRAIT).unwrap();
        assert!((0.05..0.2).contains(&seen), "{seen}");
    }

    #[test]
    fn neither_a_printed_photo_nor_a_frame_of_ink_nor_light_stripes_behind_the_holder_are_a_rim() {
        let printed = page(|_, _| None);
        let framed = page(|_, depth| (depth < 3).then_some(40));
        let stripes = page(|_, depth| (6..9).contains(&depth).then_some(250));
        for (name, picture) in [("printed", printed), ("framed", framed), ("stripes", stripes)] {
            let seen = measured(&picture, &PORTRAIT).unwrap();
            assert!(seen < 0.01, "{name}: {seen}");
        }
    }

    #[test]
    fn of_a_portrait_too_small_to_show_a_rim_nothing_is_said() {
        assert_eq!(measured(&page(|_, _| None), &Portrait { bounds: [100, 80, 150, 200] }), None);
    }

    #[test]
    fn a_portrait_in_the_corner_of_a_picture_is_measured_as_far_as_it_goes() {
        let picture = page(|_, _| None);
        for bounds in [[0, 0, 250, 320], [250, 180, 250, 320], [0, 0, 500, 500], [499, 100, 1, 320]] {
            assert!(measured(&picture, &Portrait { bounds }).is_some());
        }
    }
}
