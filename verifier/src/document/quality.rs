//! Measures of a picture that say what its taker could do better. On the text, because that is what has to be read.

use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Size};
use opencv::imgproc::{INTER_AREA, resize};
use reinstate_domain::document::DocumentQuality;

use super::Error;
use super::line::{Line, grey_strip};
use super::page::Page;
use crate::image::Picture;

/// A line counts as text when its characters are this certain on average.
const TEXT: f32 = 0.5;
/// Lines that sharpness is measured on: the longest.
const MEASURED: usize = 16;
/// How far beyond the edge a box reaches, in heights of a line, when the line itself is cut: boxes have a rim.
const RIM: f32 = 0.15;
/// Longest side of the picture in which glare and brightness are measured, in pixels.
const SMALL: f32 = 512.0;
/// Each channel of a burnt-out pixel.
const BURNT: u8 = 250;
/// A page whose median is brighter than this is white paper or a scan, on which a reflection can't be told from the page.
const WHITE: u8 = 225;

/// Measures a page.
pub(crate) fn measure(page: &Page) -> Result<DocumentQuality, Error> {
    let text: Vec<&Line> =
        page.lines.iter().filter(|line| line.text.chars().count() >= 2 && line.mean() >= TEXT).collect();
    let mut quality = DocumentQuality {
        width: page.picture.width(),
        height: page.picture.height(),
        turned: page.turned,
        text_lines: text.len() as u32,
        ..DocumentQuality::default()
    };
    if text.is_empty() {
        quality.brightness = light(&page.picture, &[])?.brightness;
        return Ok(quality);
    }
    quality.text_height = median(text.iter().map(|line| line.quad.height()).collect());
    let directions = sharpness(page, &text)?;
    quality.sharpness = directions[0];
    quality.least_sharpness = directions.into_iter().reduce(f32::min);
    let cut = |line: &&&Line| line.quad.touches_edge(page.size(), -RIM * line.quad.height());
    quality.cut_lines = text.iter().filter(cut).count() as u32;
    let light = light(&page.picture, &text)?;
    (quality.glare, quality.text_glare) = (light.glare, light.text_glare);
    quality.brightness = light.brightness;
    Ok(quality)
}

pub(super) fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Along the lines, down, and along both diagonals, the median over lines of: the steepest steps between neighbouring pixels (their
/// 98th percentile) over the contrast of the line, at the height that the recogniser sees. A clear stroke of that size rises within
/// two or three pixels.
fn sharpness(page: &Page, text: &[&Line]) -> Result<[f32; 4], Error> {
    let picture = page.picture.mat()?;
    let mut longest = text.to_vec();
    longest.sort_by(|a, b| b.quad.width().total_cmp(&a.quad.width()));
    let mut measured: [Vec<f32>; 4] = Default::default();
    for line in longest.iter().take(MEASURED) {
        let grey = grey_strip(&picture, &line.quad)?;
        let mut levels = grey.data_bytes()?.to_vec();
        let contrast = percentile(&mut levels, 0.95).saturating_sub(percentile(&mut levels, 0.05));
        let rows: Vec<&[u8]> = grey.data_bytes()?.chunks_exact(grey.cols() as usize).collect();
        let between = |a: usize, b: usize, down: usize| -> Vec<u8> {
            let pairs = rows.iter().zip(&rows[down..]);
            pairs.flat_map(|(row, other)| row[a..].iter().zip(&other[b..])).map(step).collect()
        };
        let mut steps = [between(0, 1, 0), between(0, 0, 1), between(0, 1, 1), between(1, 0, 1)];
        for (measured, steps) in measured.iter_mut().zip(&mut steps) {
            measured.push(f32::from(percentile(steps, 0.98)) / f32::from(contrast.max(8)));
        }
    }
    Ok(measured.map(|measured| median(measured).min(1.0)))
}

fn step((a, b): (&u8, &u8)) -> u8 {
    a.abs_diff(*b)
}

/// The value that this share of the values does not exceed.
pub(super) fn percentile(values: &mut [u8], share: f32) -> u8 {
    if values.is_empty() {
        return 0;
    }
    let at = ((values.len() - 1) as f32 * share) as usize;
    *values.select_nth_unstable(at).1
}

/// Share of a line's box that is burnt out from which a reflection touches it.
const TOUCHED: f32 = 0.1;

/// What the light does; shares of the page or of the lines.
struct Light {
    glare: f32,
    text_glare: f32,
    brightness: f32,
}

/// Measures the part of the picture that the text spans; without text all of it.
fn light(picture: &Picture, text: &[&Line]) -> Result<Light, Error> {
    let scale = (SMALL / picture.width().max(picture.height()) as f32).min(1.0);
    let side = |pixels: u32| ((pixels as f32 * scale) as i32).max(1);
    let size = Size::new(side(picture.width()), side(picture.height()));
    let mut small = Mat::default();
    resize(&picture.mat()?, &mut small, size, 0.0, 0.0, INTER_AREA)?;
    let corners = || text.iter().flat_map(|line| line.quad.corners);
    let span = |axis: usize, limit: i32| {
        if text.is_empty() {
            return 0..limit;
        }
        let low = corners().map(|p| p[axis] * scale).fold(f32::INFINITY, f32::min);
        let high = corners().map(|p| p[axis] * scale).fold(f32::NEG_INFINITY, f32::max);
        (low as i32).clamp(0, limit)..(high as i32 + 1).clamp(0, limit)
    };
    let (across, down) = (span(0, size.width), span(1, size.height));
    let is_burnt = |pixel: &opencv::core::Vec3b| pixel.iter().all(|channel| *channel >= BURNT);
    let (mut burnt, mut levels) = (0usize, Vec::new());
    for y in down {
        let row = small.at_row::<opencv::core::Vec3b>(y)?;
        for pixel in &row[across.start as usize..across.end as usize] {
            burnt += usize::from(is_burnt(pixel));
            levels.push(
                ((u32::from(pixel[0]) * 299 + u32::from(pixel[1]) * 587 + u32::from(pixel[2]) * 114) / 1000)
                    as u8,
            );
        }
    }
    let pixels = levels.len().max(1) as f32;
    let brightness = levels.iter().map(|level| f32::from(*level)).sum::<f32>() / pixels / 255.0;
    if percentile(&mut levels, 0.5) > WHITE {
        return Ok(Light { glare: 0.0, text_glare: 0.0, brightness });
    }
    let mut touched = 0usize;
    for line in text {
        let side = |axis: usize, limit: i32| {
            let along = || line.quad.corners.iter().map(|p| p[axis] * scale);
            let (low, high) = (along().fold(f32::INFINITY, f32::min), along().fold(0.0, f32::max));
            (low as i32).clamp(0, limit)..(high as i32 + 1).clamp(0, limit)
        };
        let (across, down) = (side(0, size.width), side(1, size.height));
        let (mut burnt, mut all) = (0usize, 0usize);
        for y in down {
            let row = &small.at_row::<opencv::core::Vec3b>(y)?[across.start as usize..across.end as usize];
            burnt += row.iter().filter(|pixel| is_burnt(pixel)).count();
            all += row.len();
        }
        touched += usize::from(burnt as f32 > TOUCHED * all as f32);
    }
    let text_glare = touched as f32 / text.len().max(1) as f32;
    Ok(Light { glare: burnt as f32 / pixels, text_glare, brightness })
}
