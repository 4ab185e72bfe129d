//! What the fuzz targets call: parsers that are nobody else's business. Only there in their builds.

use jiff::civil::Date;
use reinstate_domain::evidence::{MAX_IMAGE_PIXELS, MIN_IMAGE_SIDE};

use crate::document::fuzz::read_zone;
use crate::image::Picture;
use crate::models::Bundle;

/// A manifest is read or refused.
pub fn manifest(text: &str) {
    let _ = Bundle::parse(text);
}

/// A picture is within the limits, or none.
pub fn picture(bytes: &[u8]) {
    if let Ok(picture) = Picture::decode(bytes) {
        let (width, height) = (picture.width(), picture.height());
        assert!(width.min(height) >= MIN_IMAGE_SIDE, "{width} × {height}");
        assert!(u64::from(width) * u64::from(height) <= MAX_IMAGE_PIXELS, "{width} × {height}");
    }
}

/// A zone is reported with text and fields when it is valid, and only then.
pub fn zone(bytes: &[u8]) {
    let bundle = Bundle::open(None).expect("the default manifest is compiled in");
    let limits = &bundle.document_thresholds().reading;
    if let Some((reading, fields)) = read_zone(bytes, limits, Date::constant(2026, 1, 1)) {
        assert_eq!(reading.valid, fields.is_some());
        assert_eq!(reading.valid, !reading.lines.is_empty());
        let passed = reading.checks.iter().filter(|check| check.passed).count();
        assert!(!reading.valid || passed == reading.checks.len(), "valid with a digit that fails");
    }
}
