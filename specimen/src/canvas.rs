//! Drawing in millimetres: text, guilloche, pictures.

use std::f32::consts::TAU;

use ab_glyph::{Font, FontArc, Glyph, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

use crate::dice::Dice;
use crate::truth::Area;

/// Pixels per inch of a drawn page. Phone photos of a whole page reach 300 to 450.
pub const DPI: f32 = 360.0;
const PX_PER_MM: f32 = DPI / 25.4;

/// OCR-B, size I: ten characters to the inch, capitals 2.4 mm high (ICAO 9303-3 §4.2, ISO 1073-2).
const ZONE_PITCH: f32 = 2.54;
const ZONE_CAPITAL: f32 = 2.4;

pub(crate) type Colour = [u8; 3];

pub(crate) struct Canvas {
    pub image: RgbImage,
}

/// How a run of text looks.
#[derive(Clone, Copy)]
pub(crate) struct Style<'a> {
    pub font: &'a FontArc,
    /// Height of a capital, in mm.
    pub capital: f32,
    pub colour: Colour,
    /// Longer text is set narrower to fit, in mm.
    pub width: f32,
}

impl Canvas {
    /// Security paper of a size in mm: a tint with guilloche, whose phases come from the seed. Light enough for any reader.
    pub(crate) fn paper(width: f32, height: f32, seed: u64, tints: [Colour; 2]) -> Self {
        let mut dice = Dice::new(seed, "guilloche");
        let mut phase = || dice.between(0.0, TAU);
        let [a, b, c, d] = [phase(), phase(), phase(), phase()];
        let (w, h) = ((width * PX_PER_MM).round() as u32, (height * PX_PER_MM).round() as u32);
        let thread = |level: f32, pitch: f32| {
            let distance = ((level / pitch).fract().abs() - 0.5).abs() * pitch;
            1.0 - (distance / 0.11).min(1.0)
        };
        // What depends on the column or on the row alone is computed once: a page has two million pixels.
        let column = |px: u32| {
            let x = px as f32 / PX_PER_MM;
            (x, 2.2 * (x * 0.21 + a).sin(), (x * 0.083).sin_cos())
        };
        let columns: Vec<_> = (0..w).map(column).collect();
        let row = |py: u32| {
            let y = py as f32 / PX_PER_MM;
            (y, 2.4 * (y * 0.19 + c).sin(), (y * 0.1 + b).sin_cos())
        };
        let rows: Vec<_> = (0..h).map(row).collect();
        let image = RgbImage::from_fn(w, h, |px, py| {
            let (x, wave, (sin_x, cos_x)) = columns[px as usize];
            let (y, bend, (sin_y, cos_y)) = rows[py as usize];
            let waves = y + wave + 1.1 * (sin_x * cos_y + cos_x * sin_y) + 50.0;
            let cross = y * 0.6 + x * 0.5 + bend + 50.0;
            let (dx, dy) = (x - width * 0.66, y - height * 0.42);
            let radius = dx.hypot(dy);
            let fade = (1.0 - radius / (height * 0.42)).clamp(0.0, 1.0);
            let rosette = if fade > 0.0 {
                fade * thread(radius + 1.3 * (12.0 * dy.atan2(dx) + radius * 0.5 + d).sin() + 5.0, 1.1)
            } else {
                0.0
            };
            let ink = [0.55 * thread(waves, 0.95), 0.4 * thread(cross, 1.25), 0.6 * rosette];
            let blend = x / width;
            Rgb(std::array::from_fn(|i| {
                let tint = f32::from(tints[0][i]) * (1.0 - blend) + f32::from(tints[1][i]) * blend;
                let dark = ink[0] * 22.0 + ink[1] * [10.0, 22.0, 16.0][i] + ink[2] * [12.0, 14.0, 30.0][i];
                (tint - dark) as u8
            }))
        });
        Self { image }
    }

    /// Text with its baseline at a point in mm. Returns where its ink is.
    pub(crate) fn text(&mut self, style: Style, x: f32, baseline: f32, text: &str) -> Area {
        let scale = scale(style.font, style.capital);
        let natural = width(style.font, scale, text);
        let squeeze = (style.width * PX_PER_MM / natural).min(1.0);
        let scale = PxScale { x: scale.x * squeeze, y: scale.y };
        let font = style.font.as_scaled(scale);
        let mut pen = x * PX_PER_MM;
        let mut last = None;
        let mut ink = Ink::default();
        for c in text.chars() {
            let id = font.glyph_id(c);
            pen += last.map_or(0.0, |last| font.kern(last, id));
            let glyph = id.with_scale_and_position(scale, point(pen, baseline * PX_PER_MM));
            self.glyph(style.font, glyph, style.colour, &mut ink);
            pen += font.h_advance(id);
            last = Some(id);
        }
        ink.area()
    }

    /// A line of the machine-readable zone: each character in the middle of its cell.
    pub(crate) fn zone_line(&mut self, font: &FontArc, x: f32, baseline: f32, line: &str) -> Area {
        let scale = scale(font, ZONE_CAPITAL);
        let mut ink = Ink::default();
        for (cell, c) in line.chars().enumerate() {
            let id = font.glyph_id(c);
            let slack = ZONE_PITCH * PX_PER_MM - font.as_scaled(scale).h_advance(id);
            let left = (x + cell as f32 * ZONE_PITCH) * PX_PER_MM + slack / 2.0;
            let glyph = id.with_scale_and_position(scale, point(left, baseline * PX_PER_MM));
            self.glyph(font, glyph, [22, 22, 26], &mut ink);
        }
        ink.area()
    }

    /// A picture whose left top corner is at a point in mm; white becomes the paper, as in print.
    pub(crate) fn picture(&mut self, picture: &RgbImage, x: f32, y: f32) -> Area {
        let (left, top) = ((x * PX_PER_MM).round() as u32, (y * PX_PER_MM).round() as u32);
        for (i, j, pixel) in picture.enumerate_pixels() {
            if let Some(paper) = self.image.get_pixel_mut_checked(left + i, top + j) {
                *paper = Rgb(std::array::from_fn(|c| {
                    (f32::from(pixel[c]) * (0.9 + 0.1 * f32::from(paper[c]) / 255.0)) as u8
                }));
            }
        }
        [left as f32, top as f32, picture.width() as f32, picture.height() as f32]
    }

    /// A frame of a thickness, both in mm.
    pub(crate) fn frame(&mut self, [x, y, w, h]: Area, thickness: f32, colour: Colour) {
        for bar in [
            [x, y, w, thickness],
            [x, y + h - thickness, w, thickness],
            [x, y, thickness, h],
            [x + w - thickness, y, thickness, h],
        ] {
            let [x, y, w, h] = bar.map(|mm| (mm * PX_PER_MM).round() as u32);
            for (i, j) in (x..x + w).flat_map(|i| (y..y + h).map(move |j| (i, j))) {
                if let Some(pixel) = self.image.get_pixel_mut_checked(i, j) {
                    *pixel = Rgb(colour);
                }
            }
        }
    }

    /// A patch of other paper: one tint, with a grain of its own. Returns its place in pixels.
    pub(crate) fn patch(&mut self, seed: u64, mm: Area, colour: Colour) -> Area {
        let mut dice = Dice::new(seed, "patch");
        let [x, y, w, h] = mm.map(|mm| (mm.max(0.0) * PX_PER_MM).round() as u32);
        for (i, j) in (y..y + h).flat_map(|j| (x..x + w).map(move |i| (i, j))) {
            let grain = dice.normal() * 5.0;
            if let Some(pixel) = self.image.get_pixel_mut_checked(i, j) {
                *pixel = Rgb(colour.map(|c| (f32::from(c) + grain).clamp(0.0, 255.0) as u8));
            }
        }
        [x, y, w, h].map(|pixels| pixels as f32)
    }

    /// How long text would be in mm, before it is set narrower.
    pub(crate) fn width_of(&self, style: &Style, text: &str) -> f32 {
        width(style.font, scale(style.font, style.capital), text) / PX_PER_MM
    }

    /// A flowing line that stands for a signature, starting at a point in mm.
    pub(crate) fn signature(&mut self, seed: u64, x: f32, y: f32, width: f32) {
        let mut dice = Dice::new(seed, "signature");
        let waves: [(f32, f32); 3] =
            std::array::from_fn(|i| (dice.between(2.5, 5.0) * (i + 1) as f32, dice.between(0.0, TAU)));
        let steps = (width * PX_PER_MM * 12.0) as u32;
        for step in 0..steps {
            let t = step as f32 / steps as f32;
            let swing: f32 = waves.iter().map(|(turns, phase)| (t * turns * TAU + phase).sin()).sum();
            let lean: f32 = waves.iter().map(|(turns, phase)| (t * turns * TAU + phase).cos()).sum();
            let (cx, cy) = (x + t * width + lean * 0.8, y + swing * 0.45 * (1.0 - t * 0.6));
            let (cx, cy) = ((cx * PX_PER_MM) as i32, (cy * PX_PER_MM) as i32);
            for (i, j) in (-1..=1).flat_map(|i| (-1..=1).map(move |j| (i, j))) {
                let (Ok(px), Ok(py)) = (u32::try_from(cx + i), u32::try_from(cy + j)) else { continue };
                if let Some(pixel) = self.image.get_pixel_mut_checked(px, py) {
                    *pixel = Rgb([32, 40, 96]);
                }
            }
        }
    }

    fn glyph(&mut self, font: &FontArc, glyph: Glyph, colour: Colour, ink: &mut Ink) {
        let Some(outline) = font.outline_glyph(glyph) else { return };
        let bounds = outline.px_bounds();
        ink.add(bounds);
        outline.draw(|x, y, coverage| {
            let (x, y) = (bounds.min.x + x as f32, bounds.min.y + y as f32);
            if x < 0.0 || y < 0.0 {
                return;
            }
            if let Some(pixel) = self.image.get_pixel_mut_checked(x as u32, y as u32) {
                let coverage = coverage.clamp(0.0, 1.0);
                for (under, over) in pixel.0.iter_mut().zip(colour) {
                    *under = (f32::from(*under) * (1.0 - coverage) + f32::from(over) * coverage) as u8;
                }
            }
        });
    }
}

/// A picture's size in pixels for one in mm.
pub(crate) fn pixels(mm: f32) -> u32 {
    (mm * PX_PER_MM).round() as u32
}

/// The scale at which a font's capitals are so many mm high.
fn scale(font: &FontArc, capital: f32) -> PxScale {
    let height = font.height_unscaled();
    let h = font.outline(font.glyph_id('H')).map_or(height, |outline| outline.bounds.height().abs());
    PxScale::from(capital * PX_PER_MM * height / h)
}

fn width(font: &FontArc, scale: PxScale, text: &str) -> f32 {
    let font = font.as_scaled(scale);
    text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
}

/// The smallest rectangle around all glyphs so far.
#[derive(Default)]
struct Ink(Option<ab_glyph::Rect>);

impl Ink {
    fn add(&mut self, more: ab_glyph::Rect) {
        self.0 = Some(self.0.map_or(more, |so_far| ab_glyph::Rect {
            min: point(so_far.min.x.min(more.min.x), so_far.min.y.min(more.min.y)),
            max: point(so_far.max.x.max(more.max.x), so_far.max.y.max(more.max.y)),
        }));
    }

    fn area(&self) -> Area {
        self.0.map_or([0.0; 4], |r| [r.min.x, r.min.y, r.width(), r.height()])
    }
}
