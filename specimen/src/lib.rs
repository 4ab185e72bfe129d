//! Specimens: passports, cards, visas and licences that were never issued, drawn with given data and a given portrait,
//! marked SPECIMEN, forged on request, and photographed by a camera whose every fault is known and repeatable.
//!
//! Each picture comes with its [`Truth`], so it can serve the demo, the tests and the accuracy sweeps.
//! Dates, names and pixels follow from the arguments alone: the same seed gives the same bytes.

mod camera;
mod canvas;
mod date;
mod dice;
mod document;
mod fonts;
mod format;
mod holder;
mod kind;
mod language;
mod plan;
mod portrait;
mod projection;
mod sex;
mod state;
mod tamper;
mod truth;
mod zone;

pub use camera::{Camera, Disturbance, Photo, Settings};
pub use canvas::DPI;
pub use date::{DateStyle, Unknown};
pub use document::{Document, IdCard, Page, Passport, Sides};
pub use fonts::{Error as FontError, Fonts};
pub use format::Format;
pub use holder::{Holder, Issue};
pub use kind::Kind;
pub use plan::{Claim, Forgery, Half, Label, Plan, Set, Shot, Studio, Taken, Visual};
pub use portrait::{FaceBox, Portrait};
pub use sex::Sex;
pub use state::STATES;
pub use tamper::Tamper;
pub use truth::{Area, Change, Field, Fields, PhotoTruth, Side, Truth};
