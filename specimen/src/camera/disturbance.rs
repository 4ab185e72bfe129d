//! One fault at a time, by how strong it is: what a sweep moves while everything else stays as a careful owner has it.

use serde::{Deserialize, Serialize};

use crate::camera::settings::Settings;
use crate::camera::{Camera, FILL};
use crate::dice::Dice;

/// A way in which a photo can be bad.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Disturbance {
    Rotation,
    Perspective,
    Focus,
    Motion,
    Noise,
    Glare,
    Darkness,
    Resolution,
    Jpeg,
    Clutter,
    Spread,
    Cover,
    Screen,
    Copy,
    Distance,
}

/// The longer side of what a phone's camera takes, in pixels.
const TWELVE_MEGAPIXELS: u32 = 4000;

impl Disturbance {
    pub const ALL: [Self; 15] = [
        Self::Rotation,
        Self::Perspective,
        Self::Focus,
        Self::Motion,
        Self::Noise,
        Self::Glare,
        Self::Darkness,
        Self::Resolution,
        Self::Jpeg,
        Self::Clutter,
        Self::Spread,
        Self::Cover,
        Self::Screen,
        Self::Copy,
        Self::Distance,
    ];

    /// As the command line and manifests spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Perspective => "perspective",
            Self::Focus => "focus",
            Self::Motion => "motion",
            Self::Noise => "noise",
            Self::Glare => "glare",
            Self::Darkness => "darkness",
            Self::Resolution => "resolution",
            Self::Jpeg => "jpeg",
            Self::Clutter => "clutter",
            Self::Spread => "spread",
            Self::Cover => "cover",
            Self::Screen => "screen",
            Self::Copy => "copy",
            Self::Distance => "distance",
        }
    }

    /// What [`Disturbance::amount`] counts.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Rotation | Self::Perspective => "degrees",
            Self::Focus | Self::Motion => "pixels of the photo",
            Self::Noise => "deviation of 0..255",
            Self::Glare => "share of white that the lamp adds",
            Self::Darkness => "share of the light",
            Self::Resolution => "pixels of the longer side",
            Self::Jpeg => "quality of the JPEG",
            Self::Clutter => "share of the table",
            Self::Spread | Self::Cover => "share of the page's height",
            Self::Screen | Self::Copy => "strength",
            Self::Distance => "share of the photo's longer side",
        }
    }

    /// What a strength of 0..1 is in the disturbance's own unit. 0 is a careful owner's photo, 1 beyond what can be asked for.
    #[must_use]
    pub fn amount(self, strength: f32) -> f32 {
        let s = strength.clamp(0.0, 1.0);
        match self {
            Self::Rotation => 180.0 * s,
            Self::Perspective => 40.0 * s,
            Self::Focus => 0.5 + 3.5 * s,
            Self::Motion => 20.0 * s,
            Self::Noise => 2.0 + 38.0 * s,
            Self::Glare | Self::Spread | Self::Clutter | Self::Screen | Self::Copy => s,
            Self::Darkness => 1.0 - 0.92 * s,
            // Equal steps in size, not in pixels: 2400 at 0, 400 at 1.
            Self::Resolution => (2400.0 * (400.0_f32 / 2400.0).powf(s)).round(),
            Self::Jpeg => (92.0 - 87.0 * s).round(),
            Self::Cover => 0.4 * s,
            Self::Distance => FILL * (0.15 / FILL).powf(s),
        }
    }

    /// A careful owner's photo with this fault alone.
    #[must_use]
    pub fn camera(self, strength: f32, seed: u64) -> Camera {
        let mut camera = Camera { seed, settings: Settings::steady() };
        self.apply(strength, &mut Dice::new(seed, self.as_str()), &mut camera.settings);
        camera
    }

    /// A random fault of each kind, up to a strength that is drawn too: at `most` 1 from careful to hopeless.
    #[must_use]
    pub fn any(most: f32, seed: u64) -> Camera {
        let mut dice = Dice::new(seed, "any disturbance");
        let mut camera = Camera { seed, settings: Settings::steady() };
        // How far away the phone is held came later: plans from before are to stay what they were.
        for disturbance in Self::ALL.into_iter().filter(|disturbance| *disturbance != Self::Distance) {
            // Three at a time on average: all fourteen at once would leave nothing to be read.
            if dice.below(5) == 0 {
                let strength = dice.between(0.0, most);
                disturbance.apply(strength, &mut dice, &mut camera.settings);
            }
        }
        camera
    }

    /// What phones usually deliver: turned and tilted up to 20 degrees, mildly blurred and noisy, at least 1,000 pixels wide.
    #[must_use]
    pub fn ordinary(seed: u64) -> Camera {
        let mut dice = Dice::new(seed, "ordinary phone");
        let tilt = dice.between(0.0, 20.0);
        let about = dice.between(0.0, std::f32::consts::TAU);
        let settings = Settings {
            long_side: 1400 + dice.below(1600),
            fill: dice.between(0.75, 0.93),
            offset: [dice.between(-0.8, 0.8), dice.between(-0.8, 0.8)],
            tilt: [tilt * about.cos(), tilt * about.sin()],
            roll: dice.between(-20.0, 20.0),
            blur: dice.between(0.4, 1.0),
            noise: dice.between(1.5, 6.0),
            shadow: dice.between(0.0, 0.25),
            shadow_angle: dice.between(0.0, 360.0),
            shadow_edge: dice.between(-0.2, 0.4),
            exposure: dice.between(0.8, 1.02),
            white_balance: [dice.between(0.95, 1.05), dice.between(0.95, 1.05)],
            jpeg_quality: 75 + dice.below(20) as u8,
            ..Settings::ideal()
        };
        Camera { seed, settings }
    }

    fn apply(self, strength: f32, dice: &mut Dice, settings: &mut Settings) {
        let amount = self.amount(strength);
        match self {
            Self::Rotation => settings.roll = amount * dice.sign(),
            Self::Perspective => {
                // About an axis in any direction.
                let about = dice.between(0.0, std::f32::consts::TAU);
                settings.tilt = [amount * about.cos(), amount * about.sin()];
            }
            Self::Focus => settings.blur = amount,
            Self::Motion => {
                settings.motion = amount;
                settings.motion_angle = dice.between(0.0, 180.0);
            }
            Self::Noise => settings.noise = amount,
            Self::Glare => {
                settings.glare = amount;
                settings.glare_at = [dice.between(0.15, 0.85), dice.between(0.3, 0.95)];
                settings.glare_radius = dice.between(0.1, 0.2);
            }
            Self::Darkness => settings.exposure = amount,
            Self::Resolution => settings.long_side = amount as u32,
            Self::Jpeg => settings.jpeg_quality = amount as u8,
            Self::Clutter => {
                settings.clutter = amount;
                settings.fill = FILL - 0.4 * strength;
                settings.offset = [dice.between(-0.8, 0.8), dice.between(-0.8, 0.8)];
            }
            Self::Spread => {
                settings.spread = amount;
                settings.fill = FILL - 0.3 * strength;
                settings.offset = [0.0, 0.9];
            }
            Self::Cover => {
                settings.cover = amount;
                settings.cover_at = dice.between(0.0, 1.0);
            }
            Self::Screen => settings.screen = amount,
            Self::Copy => settings.copy = amount,
            Self::Distance => {
                settings.long_side = TWELVE_MEGAPIXELS;
                settings.fill = amount;
                settings.offset = [dice.between(-0.8, 0.8), dice.between(-0.8, 0.8)];
            }
        }
    }
}
