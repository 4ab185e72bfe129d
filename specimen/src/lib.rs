//! Specimens: passports and identity cards that were never issued, drawn with given data and a given portrait,
//! marked SPECIMEN, forged on request, and photographed by a camera whose every fault is known and repeatable.
//!
//! Each picture comes with its [`Truth`], so it can serve the demo, the tests and the accuracy sweeps.
//! Dates, names and pixels follow from the arguments alone: the same seed gives the same bytes.

mod camera;
mod canvas;
mod dice;
mod document;
mod fonts;
mod holder;
mod portrait;
mod projection;
mod tamper;
mod truth;
mod zone;

pub use camera::{Camera, Photo, Settings};
pub use canvas::DPI;
pub use document::{IdCard, Page, Passport};
pub use fonts::{Error as FontError, Fonts};
pub use holder::{DateStyle, Holder, Issue, Sex};
pub use portrait::{FaceBox, Portrait};
pub use tamper::Tamper;
pub use truth::{Area, Change, Field, Fields, Format, PhotoTruth, Side, Truth};
