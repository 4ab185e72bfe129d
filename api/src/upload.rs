//! Uploads: images as a body or as parts of a form. Sizes and formats are checked from the bytes before anything is kept;
//! decoding is the verifier's work.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::http::StatusCode;
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reinstate_domain::entry::Hash;
use reinstate_domain::evidence::{MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, MIN_IMAGE_SIDE};
use reinstate_domain::reason::ReasonCode;

use crate::error::{FieldError, Problem};

/// The largest text part, in bytes.
const MAX_TEXT: usize = 256;
/// The most parts a form may have, so that a form of a million empty parts ends early.
const MAX_PARTS: usize = 16;

/// Checks an image by its first bytes: JPEG, PNG or WebP, at most [`MAX_IMAGE_BYTES`] and [`MAX_IMAGE_PIXELS`].
///
/// # Errors
/// 413, 415 or 422 with the reason's code.
pub(crate) fn check_image(bytes: &[u8], part: &str) -> Result<(), Problem> {
    if bytes.len() > MAX_IMAGE_BYTES {
        return Err(Problem::image(StatusCode::PAYLOAD_TOO_LARGE, ReasonCode::ImageTooLarge, part));
    }
    if content_type(bytes).is_none() {
        return Err(Problem::image(StatusCode::UNSUPPORTED_MEDIA_TYPE, ReasonCode::ImageUnsupported, part));
    }
    let unprocessable = |reason| Problem::image(StatusCode::UNPROCESSABLE_ENTITY, reason, part);
    let size = imagesize::blob_size(bytes).map_err(|_| unprocessable(ReasonCode::ImageCorrupt))?;
    let pixels = (size.width as u64).saturating_mul(size.height as u64);
    let smallest_side = size.width.min(size.height);
    match pixels {
        0 => Err(unprocessable(ReasonCode::ImageCorrupt)),
        n if n > MAX_IMAGE_PIXELS => Err(unprocessable(ReasonCode::ImageTooLarge)),
        _ if smallest_side < MIN_IMAGE_SIDE as usize => Err(unprocessable(ReasonCode::ImageTooSmall)),
        _ => Ok(()),
    }
}

/// The media type by the signature that the bytes begin with, whatever they are called.
pub(crate) fn content_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Reads an image body.
///
/// # Errors
/// As [`check_image`]; 400 when the body ends early.
pub(crate) async fn image_body(mut payload: web::Payload) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| incomplete())?;
        if body.len() + chunk.len() > MAX_IMAGE_BYTES {
            return Err(Problem::image(StatusCode::PAYLOAD_TOO_LARGE, ReasonCode::ImageTooLarge, "body"));
        }
        body.extend_from_slice(&chunk);
    }
    check_image(&body, "body")?;
    Ok(body.freeze())
}

fn incomplete() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "The body ended before it was complete.")
}

/// What is wrong with a form that can't be read. The framework's words do not repeat the body.
fn broken(error: &MultipartError) -> Problem {
    tracing::debug!(%error, "a form can't be read");
    match error {
        MultipartError::Incomplete | MultipartError::Payload(_) => incomplete(),
        MultipartError::ContentTypeMissing
        | MultipartError::ContentTypeParse
        | MultipartError::ContentTypeIncompatible => {
            let detail = "Send the body as Content-Type: multipart/form-data.";
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
        }
        _ => {
            Problem::new(StatusCode::BAD_REQUEST, "multipart_invalid", "The body is not a well-formed form.")
        }
    }
}

/// Which parts a form has. Whatever is not named is an error.
pub(crate) struct Shape {
    pub(crate) texts: &'static [&'static str],
    /// Image parts, and how often each may stand.
    pub(crate) images: &'static [(&'static str, usize)],
}

/// The parts of a form, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Form {
    texts: Vec<(String, String)>,
    images: Vec<(String, Bytes)>,
}

impl Form {
    /// Reads a form.
    ///
    /// # Errors
    /// 400 when it is no form or ends early; 413/415/422 for an image; 422 for an unknown or doubled part.
    pub(crate) async fn read(mut payload: Multipart, shape: &Shape) -> Result<Self, Problem> {
        let mut form = Self { texts: Vec::new(), images: Vec::new() };
        for _ in 0..MAX_PARTS {
            let Some(field) = payload.next().await else { return Ok(form) };
            let field = field.map_err(|error| broken(&error))?;
            let name = field.name().unwrap_or_default().to_owned();
            if shape.texts.contains(&name.as_str()) {
                form.take_text(&name, field).await?;
            } else if let Some((_, most)) = shape.images.iter().find(|(known, _)| *known == name) {
                form.take_image(&name, *most, field).await?;
            } else {
                return Err(Problem::invalid(vec![FieldError {
                    pointer: String::new(),
                    detail: format!("unknown part; known are {}", known_parts(shape)),
                }]));
            }
        }
        Err(Problem::invalid(vec![FieldError { pointer: String::new(), detail: "too many parts".into() }]))
    }

    async fn take_text(&mut self, name: &str, field: Field) -> Result<(), Problem> {
        if self.text(name).is_some() {
            return Err(doubled(name));
        }
        let bytes = collect(field, MAX_TEXT).await?.ok_or_else(|| Problem::field(name, "is too long"))?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| Problem::field(name, "is not UTF-8"))?;
        self.texts.push((name.to_owned(), text));
        Ok(())
    }

    async fn take_image(&mut self, name: &str, most: usize, field: Field) -> Result<(), Problem> {
        if self.images.iter().filter(|(known, _)| known == name).count() >= most {
            return Err(doubled(name));
        }
        let too_large = || Problem::image(StatusCode::PAYLOAD_TOO_LARGE, ReasonCode::ImageTooLarge, name);
        let bytes = collect(field, MAX_IMAGE_BYTES).await?.ok_or_else(too_large)?;
        check_image(&bytes, name)?;
        self.images.push((name.to_owned(), bytes));
        Ok(())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, name: &str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| Problem::field(name, "is missing"))
    }

    /// All images of a name, in order.
    pub(crate) fn images(&self, name: &str) -> Vec<&Bytes> {
        self.images.iter().filter(|(known, _)| known == name).map(|(_, bytes)| bytes).collect()
    }

    /// What the form says, whatever its boundary is: names, texts, and hashes of images.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut parts: Vec<String> = self.texts.iter().map(|(name, text)| format!("{name}={text}")).collect();
        parts.sort();
        parts.extend(self.images.iter().map(|(name, bytes)| format!("{name}#{}", Hash::of(bytes))));
        parts.join("\0").into_bytes()
    }
}

fn doubled(name: &str) -> Problem {
    Problem::field(name, "stands more often than it may")
}

fn known_parts(shape: &Shape) -> String {
    let images = shape.images.iter().map(|(name, _)| *name);
    shape.texts.iter().copied().chain(images).collect::<Vec<_>>().join(", ")
}

/// The bytes of a part; `None` when there are more than `most`.
async fn collect(mut field: Field, most: usize) -> Result<Option<Bytes>, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        if bytes.len() + chunk.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.freeze()))
}

/// For the fuzz target: a document's form out of these bytes, which come in two pieces.
#[cfg(fuzzing)]
pub(crate) async fn fuzz(body: &[u8]) {
    use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=b"));
    let (first, rest) = body.split_at(body.len() / 2);
    let pieces = [first, rest].map(|piece| Ok(Bytes::copy_from_slice(piece)));
    let payload = Multipart::new(&headers, futures_util::stream::iter(pieces));
    let shape = Shape { texts: &["type", "country"], images: &[("front", 1), ("back", 1)] };
    if let Ok(form) = Form::read(payload, &shape).await {
        assert!(form.images.len() <= 2 && form.texts.len() <= 2);
        for (name, image) in &form.images {
            assert!(check_image(image, name).is_ok());
        }
        form.content();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG header that claims a size, and nothing behind it.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    fn code(bytes: &[u8]) -> (u16, String) {
        let problem = check_image(bytes, "front").unwrap_err();
        let json = serde_json::to_value(&problem).unwrap();
        (problem.status().as_u16(), json["code"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_header_that_claims_too_many_pixels_is_refused_before_anything_is_allocated() {
        assert!(check_image(&png(5000, 5000), "front").is_ok());
        assert_eq!(code(&png(50_000, 50_000)), (422, "image_too_large".into()));
        assert_eq!(code(&png(u32::MAX, u32::MAX)), (422, "image_too_large".into()));
        assert_eq!(code(&png(0, 10)), (422, "image_corrupt".into()));
        assert_eq!(code(&png(1000, 10)), (422, "image_too_small".into()));
    }

    #[test]
    fn what_is_no_jpeg_png_or_webp_is_unsupported_whatever_it_calls_itself() {
        for bytes in [&b""[..], b"GIF89a\x01\0\x01\0\0\0\0", b"%PDF-1.7", b"<svg/>", b"\0\0\0\0"] {
            assert_eq!(code(bytes), (415, "image_unsupported".into()), "{bytes:?}");
        }
    }

    #[test]
    fn a_truncated_header_is_corrupt() {
        assert_eq!(code(&png(100, 100)[..18]).1, "image_corrupt");
        assert_eq!(code(b"\xff\xd8\xff\xe0\0\x10JFIF\0").1, "image_corrupt");
    }
}
