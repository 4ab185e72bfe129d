//! A phone's camera above a table: it photographs a drawn page and knows where each corner went.
//! Everything that could vary is a field of [`Settings`], so a sweep can move one thing and hold the rest.

mod disturbance;
mod scene;
pub(crate) mod settings;

pub use disturbance::Disturbance;
pub use settings::Settings;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageError, RgbImage, imageops};

use crate::dice::Dice;
use crate::document::Page;
use crate::projection::Projection;
use crate::truth::{PhotoTruth, Truth};
use scene::Scene;

/// How much of the photo a careful owner's page takes.
const FILL: f32 = 0.85;

/// A camera whose hand and noise follow from the seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    pub seed: u64,
    pub settings: Settings,
}

/// A photo and its truth.
#[derive(Clone)]
pub struct Photo {
    pub jpeg: Vec<u8>,
    pub truth: Truth,
}

impl Camera {
    /// A careful owner by daylight: every character is there to be read.
    pub fn good(seed: u64) -> Self {
        Self::with(seed, |dice| Settings {
            long_side: 2400,
            fill: dice.between(0.82, 0.92),
            tilt: [dice.between(-6.0, 6.0), dice.between(-6.0, 6.0)],
            roll: dice.between(-3.0, 3.0),
            blur: dice.between(0.4, 0.8),
            motion: 0.0,
            noise: dice.between(1.5, 3.0),
            glare: dice.between(0.0, 0.12),
            shadow: dice.between(0.0, 0.12),
            exposure: dice.between(0.94, 1.02),
            jpeg_quality: 90,
            ..Settings::plain(dice, 0.02)
        })
    }

    /// A hurried owner by lamplight: askew, noisy, a reflection and a shadow, yet a person can read it.
    pub fn poor(seed: u64) -> Self {
        Self::with(seed, |dice| Settings {
            long_side: 1800,
            fill: dice.between(0.7, 0.8),
            tilt: [dice.between(8.0, 16.0) * dice.sign(), dice.between(8.0, 16.0) * dice.sign()],
            roll: dice.between(4.0, 10.0) * dice.sign(),
            blur: dice.between(0.7, 1.1),
            motion: dice.between(0.5, 1.5),
            noise: dice.between(5.0, 8.0),
            glare: dice.between(0.2, 0.35),
            shadow: dice.between(0.25, 0.4),
            exposure: dice.between(0.75, 0.88),
            jpeg_quality: 72,
            ..Settings::plain(dice, 0.08)
        })
    }

    /// A photo that has to be taken again: small, shaken, out of focus.
    pub fn terrible(seed: u64) -> Self {
        Self::with(seed, |dice| Settings {
            long_side: 1100,
            fill: dice.between(0.55, 0.62),
            tilt: [dice.between(18.0, 28.0) * dice.sign(), dice.between(18.0, 28.0) * dice.sign()],
            roll: dice.between(10.0, 18.0) * dice.sign(),
            blur: dice.between(2.4, 3.2),
            motion: dice.between(6.0, 10.0),
            noise: dice.between(12.0, 18.0),
            glare: dice.between(0.8, 1.0),
            shadow: dice.between(0.4, 0.55),
            exposure: dice.between(0.55, 0.7),
            jpeg_quality: 30,
            ..Settings::plain(dice, 0.15)
        })
    }

    fn with(seed: u64, settings: impl FnOnce(&mut Dice) -> Settings) -> Self {
        Self { seed, settings: settings(&mut Dice::new(seed, "settings")) }
    }

    /// # Errors
    /// When the JPEG encoder refuses the photo.
    pub fn photograph(&self, page: &Page) -> Result<Photo, ImageError> {
        let (jpeg, taken) = self.shoot(&page.image)?;
        Ok(Photo { jpeg, truth: Truth { photo: Some(taken), ..page.truth.clone() } })
    }

    /// A photo of any picture that lies on the table, as a JPEG file, and where its corners went.
    ///
    /// # Errors
    /// When the JPEG encoder refuses the photo.
    pub fn shoot(&self, page: &RgbImage) -> Result<(Vec<u8>, PhotoTruth), ImageError> {
        let settings = &self.settings;
        let frame = (settings.long_side, settings.long_side * 3 / 4);
        let projection = Projection::new(page.dimensions(), frame, settings);
        let scene = self.expose(page, &projection, frame);
        let focused = if settings.blur > 0.0 { imageops::blur(&scene, settings.blur) } else { scene };
        let mut photo = self.develop(motion(focused, settings.motion, settings.motion_angle));
        let mut corners = projection.corners();
        for _ in 0..settings.quarter_turns % 4 {
            let height = photo.height() as f32;
            photo = imageops::rotate90(&photo);
            corners = corners.map(|[x, y]| [height - y, x]);
        }

        let (width, height) = photo.dimensions();
        let mut jpeg = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, settings.jpeg_quality);
        encoder.encode(&photo, width, height, ExtendedColorType::Rgb8)?;
        Ok((jpeg, PhotoTruth { seed: self.seed, settings: settings.clone(), width, height, corners }))
    }

    /// The table, the page on it, and the light on both.
    fn expose(&self, page: &RgbImage, projection: &Projection, (width, height): (u32, u32)) -> RgbImage {
        let settings = &self.settings;
        let scene = Scene::new(self.seed, settings, page.dimensions());
        // Never sampled below its own resolution, so that small photos don't alias.
        let shrink = projection.page_pixels_per_photo_pixel();
        let shrunk = (shrink > 1.1).then(|| {
            let side = |n: u32| ((n as f32 / shrink).round() as u32).max(1);
            imageops::resize(page, side(page.width()), side(page.height()), imageops::FilterType::Triangle)
        });
        let source = shrunk.as_ref().unwrap_or(page);
        let scale = source.width() as f32 / page.width() as f32;
        let (pw, ph) = (page.width() as f32, page.height() as f32);
        let round = crate::canvas::pixels(3.0) as f32;

        let (sin, cos) = settings.shadow_angle.to_radians().sin_cos();
        let reach = (width as f32).hypot(height as f32) / 2.0;
        let balance = [settings.white_balance[0], 1.0, settings.white_balance[1]];
        RgbImage::from_fn(width, height, |i, j| {
            let (fx, fy) = (i as f32 + 0.5, j as f32 + 0.5);
            let (u, v) = projection.to_page(fx, fy);
            let outside = outside(u, v, pw, ph, round);
            let cover = (0.5 - outside / shrink.max(1.0)).clamp(0.0, 1.0);
            let mut colour = [0.0; 3];
            if cover < 1.0 {
                colour = scene.around(u, v, outside, [fx / width as f32, fy / width as f32]);
            }
            if cover > 0.0 {
                let paper = scene.shown(sample(source, u * scale, v * scale), i, j);
                let glare = if settings.glare > 0.0 {
                    let (dx, dy) = (u / pw - settings.glare_at[0], (v - settings.glare_at[1] * ph) / pw);
                    let distance = (dx * dx + dy * dy) / (settings.glare_radius * settings.glare_radius);
                    255.0 * settings.glare * (-distance * 1.4).exp()
                } else {
                    0.0
                };
                colour = std::array::from_fn(|c| colour[c] * (1.0 - cover) + (paper[c] + glare) * cover);
            }
            colour = scene.under_finger(colour, u, v);
            let (x, y) = ((fx - width as f32 / 2.0) / reach, (fy - height as f32 / 2.0) / reach);
            let dark = if settings.shadow > 0.0 {
                let side = x * cos + y * sin - settings.shadow_edge;
                settings.shadow / (1.0 + (-side * 22.0).exp())
            } else {
                0.0
            };
            let vignette = 1.0 - 0.14 * (x * x + y * y);
            let light = (1.0 - dark) * vignette * settings.exposure;
            image::Rgb(std::array::from_fn(|c| (colour[c] * light * balance[c]).clamp(0.0, 255.0) as u8))
        })
    }

    /// The sensor's noise, stronger where there is more light, partly the same for all colours.
    fn develop(&self, mut photo: RgbImage) -> RgbImage {
        if self.settings.noise > 0.0 {
            let mut dice = Dice::new(self.seed, "noise");
            for pixel in photo.pixels_mut() {
                let common = dice.normal() * 0.8;
                for c in &mut pixel.0 {
                    let shot = 0.6 + 0.4 * f32::from(*c) / 255.0;
                    let noise = (common + dice.normal() * 0.6) * self.settings.noise * shot;
                    *c = (f32::from(*c) + noise + 0.5).clamp(0.0, 255.0) as u8;
                }
            }
        }
        photo
    }
}

impl Settings {
    /// From straight above, in focus, without noise, glare or shadow; JPEG at quality 95. The base of a sweep.
    pub fn ideal() -> Self {
        Self {
            long_side: 2400,
            fill: 0.9,
            offset: [0.0; 2],
            tilt: [0.0; 2],
            roll: 0.0,
            quarter_turns: 0,
            blur: 0.0,
            motion: 0.0,
            motion_angle: 0.0,
            noise: 0.0,
            glare: 0.0,
            glare_at: [0.5, 0.5],
            glare_radius: 0.2,
            shadow: 0.0,
            shadow_angle: 0.0,
            shadow_edge: 0.0,
            exposure: 1.0,
            white_balance: [1.0; 2],
            jpeg_quality: 95,
            clutter: 0.0,
            spread: 0.0,
            cover: 0.0,
            cover_at: 0.0,
            screen: 0.0,
            copy: 0.0,
        }
    }

    /// A steady hand by daylight, without anything that a sweep moves.
    fn steady() -> Self {
        Self { long_side: 1800, fill: FILL, blur: 0.5, noise: 2.0, jpeg_quality: 92, ..Self::ideal() }
    }

    /// What every hand does: where the page lies, and from where the light comes, with a tint of at most `tint`.
    fn plain(dice: &mut Dice, tint: f32) -> Self {
        Self {
            offset: [dice.between(-0.8, 0.8), dice.between(-0.8, 0.8)],
            motion_angle: dice.between(0.0, 180.0),
            glare_at: [dice.between(0.25, 0.9), dice.between(0.2, 0.75)],
            glare_radius: dice.between(0.08, 0.16),
            shadow_angle: dice.between(0.0, 360.0),
            shadow_edge: dice.between(-0.2, 0.4),
            white_balance: [1.0 + dice.between(-tint, tint), 1.0 + dice.between(-tint, tint)],
            ..Self::ideal()
        }
    }
}

/// How far a point is outside of the page with its rounded corners, in page pixels; negative inside.
fn outside(u: f32, v: f32, width: f32, height: f32, round: f32) -> f32 {
    let dx = (u - width / 2.0).abs() - (width / 2.0 - round);
    let dy = (v - height / 2.0).abs() - (height / 2.0 - round);
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - round
}

/// Bilinear, with pixel centres at halves; beyond the edge the edge repeats.
fn sample(image: &RgbImage, x: f32, y: f32) -> [f32; 3] {
    let (x, y) = (x - 0.5, y - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = (x - left, y - top);
    let at = |dx: f32, dy: f32| {
        let px = (left + dx).clamp(0.0, image.width() as f32 - 1.0) as u32;
        let py = (top + dy).clamp(0.0, image.height() as f32 - 1.0) as u32;
        image.get_pixel(px, py).0.map(f32::from)
    };
    let [a, b, c, d] = [at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0), at(1.0, 1.0)];
    std::array::from_fn(|i| {
        (a[i] * (1.0 - fx) + b[i] * fx) * (1.0 - fy) + (c[i] * (1.0 - fx) + d[i] * fx) * fy
    })
}

/// The mean along a line of a length in pixels, one sample per pixel.
fn motion(image: RgbImage, length: f32, angle: f32) -> RgbImage {
    if length < 0.5 {
        return image;
    }
    let (sin, cos) = angle.to_radians().sin_cos();
    let steps = length.ceil() as u32 + 1;
    RgbImage::from_fn(image.width(), image.height(), |i, j| {
        let mut sum = [0.0; 3];
        for step in 0..steps {
            let t = (step as f32 / (steps - 1) as f32 - 0.5) * length;
            let at = sample(&image, i as f32 + 0.5 + t * cos, j as f32 + 0.5 + t * sin);
            sum = std::array::from_fn(|c| sum[c] + at[c]);
        }
        image::Rgb(sum.map(|c| (c / steps as f32 + 0.5) as u8))
    })
}
