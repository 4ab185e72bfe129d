//! Traces of a copy, a screen, an altered field or a glued portrait. They are measured and nothing more: what they are worth is said by the
//! thresholds, and they never refuse a document by themselves.

mod portrait_edge;

use opencv::core::{
    CV_32F, DFT_COMPLEX_OUTPUT, Mat, MatTraitConst, MatTraitConstManual, Rect, Scalar, Size, Vec2f, dft,
};
use opencv::imgproc::{COLOR_RGB2GRAY, INTER_AREA, cvt_color_def, resize};
use reinstate_domain::document::DocumentSignals;

use super::Error;
use super::line::grey_strip;
use super::page::Page;
use super::portrait;

/// Longest side of the picture in which colour is measured, in pixels: smaller than any pattern.
const SMALL: f32 = 128.0;
/// Luminance below which a pixel's chroma is noise.
const DARKEST: f32 = 0.15;
/// Side of the square of fine structure that is looked at, in pixels of the page.
const SQUARE: i32 = 512;
/// Bins around the axes of the spectrum that are left out: lines of text, edges and the blocks of JPEG live there.
const AXIS: i32 = 8;
/// Wavelengths of a pattern in pixels, shortest and longest.
const WAVELENGTHS: [f32; 2] = [2.4, 14.0];
/// Widths of the rings, in bins, within which a peak is compared with the rest.
const RING: f32 = 8.0;
/// Lines whose noise is compared: fewer say nothing about one another.
const FEWEST_FIELDS: usize = 5;
/// Mean certainty from which a line is text.
const TEXT: f32 = 0.8;

/// Measures a page and the edge of its portrait.
pub(crate) fn measure(page: &Page, portrait: Option<&portrait::Found>) -> Result<DocumentSignals, Error> {
    if page.lines.is_empty() {
        return Ok(DocumentSignals::default());
    }
    Ok(DocumentSignals {
        colour: Some(colour(page)?),
        screen: pattern(page)?,
        field_noise: field_noise(page)?,
        portrait_edge: match portrait {
            Some(found) => portrait_edge::measure(&page.picture.mat()?, &found.portrait)?,
            None => None,
        },
        second_portrait: portrait.and_then(|found| found.second),
    })
}

/// The mean distance of a pixel's chroma from the page's mean chroma, both by luminance: a tint of the light is in both. In
/// the middle of the page, because the table around it has colours of its own.
fn colour(page: &Page) -> Result<f32, Error> {
    let picture = page.picture.mat()?;
    let (width, height) = (picture.cols(), picture.rows());
    let inner = Rect::new(width / 10, height / 10, (width * 4 / 5).max(1), (height * 4 / 5).max(1));
    let scale = (SMALL / inner.width.max(inner.height) as f32).min(1.0);
    let side = |pixels: i32| ((pixels as f32 * scale) as i32).max(1);
    let size = Size::new(side(inner.width), side(inner.height));
    let mut small = Mat::default();
    resize(&Mat::roi(&picture, inner)?, &mut small, size, 0.0, 0.0, INTER_AREA)?;
    let mut chroma = Vec::with_capacity((small.rows() * small.cols()) as usize);
    for y in 0..small.rows() {
        chroma.extend(small.at_row::<opencv::core::Vec3b>(y)?.iter().map(|pixel| {
            let [r, g, b] = pixel.0.map(|c| f32::from(c) / 255.0);
            let luminance = ((r + g + b) / 3.0).max(DARKEST);
            [(r - g) / luminance, (b - g) / luminance]
        }));
    }
    let count = chroma.len().max(1) as f32;
    let mean = chroma.iter().fold([0.0; 2], |[x, y], [a, b]| [x + a / count, y + b / count]);
    let spread = chroma.iter().map(|[a, b]| (a - mean[0]).hypot(b - mean[1])).sum::<f32>() / count;
    Ok(spread.min(1.0))
}

/// How far the strongest wave in the middle of the page stands out of those of like length, in nats.
fn pattern(page: &Page) -> Result<Option<f32>, Error> {
    let picture = page.picture.mat()?;
    let (width, height) = (picture.cols(), picture.rows());
    if width < SQUARE || height < SQUARE {
        return Ok(None);
    }
    let middle = Rect::new((width - SQUARE) / 2, (height - SQUARE) / 2, SQUARE, SQUARE);
    let mut grey = Mat::default();
    cvt_color_def(&Mat::roi(&picture, middle)?, &mut grey, COLOR_RGB2GRAY)?;
    let mut waves = Mat::default();
    windowed(&grey)?.convert_to_def(&mut waves, CV_32F)?;
    let mut spectrum = Mat::default();
    dft(&waves, &mut spectrum, DFT_COMPLEX_OUTPUT, 0)?;
    let rings = (SQUARE as f32 / RING) as usize;
    let mut by_ring: Vec<Vec<f32>> = vec![Vec::new(); rings];
    let (longest, shortest) = (SQUARE as f32 / WAVELENGTHS[1], SQUARE as f32 / WAVELENGTHS[0]);
    for y in 0..SQUARE {
        let down = if y > SQUARE / 2 { y - SQUARE } else { y };
        let row = spectrum.at_row::<Vec2f>(y)?;
        // The other half is its mirror.
        for (x, value) in (0..=SQUARE / 2).zip(row) {
            let radius = (x as f32).hypot(down as f32);
            if x >= AXIS && down.abs() >= AXIS && (longest..shortest).contains(&radius) {
                by_ring[((radius / RING) as usize).min(rings - 1)]
                    .push(value[0].hypot(value[1]).max(1e-6).ln());
            }
        }
    }
    let strongest = by_ring.iter_mut().filter(|ring| ring.len() > 16).map(|ring| {
        ring.sort_by(f32::total_cmp);
        ring[ring.len() - 1] - ring[ring.len() / 2]
    });
    Ok(strongest.reduce(f32::max))
}

/// Less its mean and faded out towards the edges, which would else be waves of all lengths.
fn windowed(grey: &Mat) -> opencv::Result<Mat> {
    let mean = opencv::core::mean_def(grey)?[0] as f32;
    let fade: Vec<f32> = (0..SQUARE)
        .map(|i| 0.5 - 0.5 * (std::f32::consts::TAU * (i as f32 + 0.5) / SQUARE as f32).cos())
        .collect();
    let mut values = Vec::with_capacity((SQUARE * SQUARE) as usize);
    for y in 0..SQUARE {
        let row = grey.at_row::<u8>(y)?;
        let down = fade[y as usize];
        values
            .extend(row.iter().zip(&fade).map(|(level, across)| (f32::from(*level) - mean) * across * down));
    }
    let mut owned = Mat::new_rows_cols_with_default(SQUARE, SQUARE, CV_32F, Scalar::default())?;
    opencv::core::MatTraitManual::data_typed_mut::<f32>(&mut owned)?.copy_from_slice(&values);
    Ok(owned)
}

/// The greatest difference, in nats, of the noise between the strokes of one line from that of the page's lines.
fn field_noise(page: &Page) -> Result<Option<f32>, Error> {
    let picture = page.picture.mat()?;
    let mut noises = Vec::new();
    for line in page.lines.iter().filter(|line| line.mean() >= TEXT && line.text.chars().count() >= 4) {
        noises.push(noise(&grey_strip(&picture, &line.quad)?)?.max(0.25).ln());
    }
    if noises.len() < FEWEST_FIELDS {
        return Ok(None);
    }
    noises.sort_by(f32::total_cmp);
    let middle = noises[noises.len() / 2];
    Ok(noises.iter().map(|noise| (noise - middle).abs()).reduce(f32::max))
}

/// Mean difference of neighbours, in steps of 0..255, among the lighter half of a strip: the paper between the strokes.
fn noise(grey: &Mat) -> Result<f32, Error> {
    let mut levels = Vec::new();
    for y in 0..grey.rows() {
        levels.extend_from_slice(grey.at_row::<u8>(y)?);
    }
    let at = levels.len() * 6 / 10;
    if levels.is_empty() {
        return Ok(0.0);
    }
    let paper = *levels.select_nth_unstable(at).1;
    let (mut sum, mut count) = (0u64, 0u64);
    for y in 0..grey.rows() {
        for pair in grey.at_row::<u8>(y)?.windows(2).filter(|pair| pair[0] >= paper && pair[1] >= paper) {
            sum += u64::from(pair[0].abs_diff(pair[1]));
            count += 1;
        }
    }
    Ok(sum as f32 / count.max(1) as f32)
}
