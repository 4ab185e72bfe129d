//! Everything of a photo that can vary.

use serde::{Deserialize, Serialize};

/// What is before, in and behind the lens. Angles in degrees; blur and motion in pixels of the photo;
/// fractions of the page run from its left and top edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Pixels of the photo's longer side; the shorter is three quarters of it.
    pub long_side: u32,
    /// How much of the photo's width or height, whichever it reaches first, the page takes.
    pub fill: f32,
    /// Where the page's middle is off the photo's middle, as a share of the room that is left.
    pub offset: [f32; 2],
    /// How far the page leans away: about its horizontal and its vertical axis.
    pub tilt: [f32; 2],
    /// Turn in the plane of the photo, clockwise.
    pub roll: f32,
    /// Whole quarter turns of the finished photo, clockwise: a phone held another way, without EXIF.
    pub quarter_turns: u32,
    /// Deviation of the lens blur.
    pub blur: f32,
    /// Length and direction of the hand's movement.
    pub motion: f32,
    pub motion_angle: f32,
    /// Deviation of the sensor's noise, in steps of 0..255.
    pub noise: f32,
    /// Light that a lamp adds at the middle of its reflection: 0 none, 1 burns out any ink.
    pub glare: f32,
    /// The reflection's middle, as fractions of the page, and its radius as a fraction of the page's width.
    pub glare_at: [f32; 2],
    pub glare_radius: f32,
    /// Light that a shadow takes, 0..1, from one side of a line across the photo.
    pub shadow: f32,
    /// The direction in which the shadow lies, and where its edge passes: 0 through the page's middle, ±1 through the photo's corners.
    pub shadow_angle: f32,
    pub shadow_edge: f32,
    /// Overall light: 1 as drawn.
    pub exposure: f32,
    /// Gain of red and of blue, 1 is neutral.
    pub white_balance: [f32; 2],
    /// Of the JPEG, 1..100.
    pub jpeg_quality: u8,
    /// Other things on the table: none at 0, all over it at 1.
    #[serde(default)]
    pub clutter: f32,
    /// How much of a second page lies above this one, as in an open passport, as a fraction of the page's height.
    #[serde(default)]
    pub spread: f32,
    /// A finger over the page's edge: how far it reaches, as a fraction of the page's height.
    #[serde(default)]
    pub cover: f32,
    /// Where on the page's outline the finger comes from: 0 the left top corner, then clockwise to 1.
    #[serde(default)]
    pub cover_at: f32,
    /// The page is shown by a screen, whose grid of pixels beats with the sensor's: 0 not at all, 1 with stripes a person can't overlook.
    #[serde(default)]
    pub screen: f32,
    /// The page is a photocopy: 0 not at all, 1 black and white with little in between.
    #[serde(default)]
    pub copy: f32,
}
