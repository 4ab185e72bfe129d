//! What the tests of the visual zone begin with.

use jiff::civil::Date;
use reinstate_domain::document::MrzFields;

use crate::document::line::Line;
use crate::document::text::Quad;

pub(super) fn line(text: &str, certainty: &[f32]) -> Line {
    let quad = Quad::new([100.0, 10.0], [1.0, 0.0], 200.0, 20.0);
    Line { quad, text: text.into(), certainty: certainty.to_vec(), frames: None }
}

pub(crate) fn daniel() -> MrzFields {
    MrzFields {
        code: "P".into(),
        issuer: "NLD".into(),
        number: "IJ11JVCM6".into(),
        surname: "DANIEL".into(),
        given_names: "DANIEL PIETER".into(),
        name_truncated: false,
        birth_date: Some(Date::constant(1971, 10, 19)),
        expiry_date: None,
        nationality: "NLD".into(),
        sex: "M".into(),
    }
}
