//! Decoding what a stranger sent. In Rust only, three formats only, by the bytes and not by what they are said to be;
//! size is checked before anything is allocated for pixels.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::{PngDecoder, PngEncoder};
use image::codecs::webp::WebPDecoder;
use image::error::ImageError;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, Limits, RgbImage};
use opencv::boxed_ref::BoxedRef;
use opencv::core::{Mat, Size, Vec3b};
use opencv::imgproc::{INTER_AREA, resize};
use reinstate_domain::evidence::{MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, MIN_IMAGE_SIDE};
use reinstate_domain::reason::ReasonCode;

/// An upright picture: RGB, 8 bits a sample, rows from the top without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    image: RgbImage,
}

/// The bytes are not a picture that can be used. [`Fault::reason`] is what the owner is told.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(
        "not a JPEG, PNG or WebP image, or one of a kind that is not taken: animated, or of too many scans"
    )]
    Unsupported,
    #[error("the image is broken")]
    Corrupt(#[source] Option<ImageError>),
    #[error("more than {MAX_IMAGE_BYTES} bytes or {MAX_IMAGE_PIXELS} pixels")]
    TooLarge,
    #[error("a side of less than {MIN_IMAGE_SIDE} pixels")]
    TooSmall,
}

/// A picture could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the picture can't be written as a PNG file")]
pub struct EncodeError(#[source] ImageError);

impl Fault {
    #[must_use]
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::Unsupported => ReasonCode::ImageUnsupported,
            Self::Corrupt(_) => ReasonCode::ImageCorrupt,
            Self::TooLarge => ReasonCode::ImageTooLarge,
            Self::TooSmall => ReasonCode::ImageTooSmall,
        }
    }
}

impl Picture {
    /// Decodes a JPEG, PNG or WebP file and turns it upright by its EXIF orientation. What is transparent becomes white,
    /// as a person sees it.
    ///
    /// # Errors
    /// A [`Fault`] when the bytes are no such image, an animated or broken one, or beyond the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > MAX_IMAGE_BYTES {
            return Err(Fault::TooLarge);
        }
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => {
                look_through_jpeg(bytes)?;
                finish(JpegDecoder::new(Cursor::new(bytes)).map_err(fault)?)
            }
            [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => {
                let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits()).map_err(fault)?;
                if decoder.is_apng().map_err(fault)? {
                    return Err(Fault::Unsupported);
                }
                finish(decoder)
            }
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
                let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(fault)?;
                if decoder.has_animation() {
                    return Err(Fault::Unsupported);
                }
                finish(decoder)
            }
            _ => Err(Fault::Unsupported),
        }
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// The encoder's, which a picture within the limits does not meet.
    pub fn png(&self) -> Result<Vec<u8>, EncodeError> {
        let mut file = Vec::new();
        PngEncoder::new(&mut file)
            .write_image(self.image.as_raw(), self.width(), self.height(), ExtendedColorType::Rgb8)
            .map_err(EncodeError)?;
        Ok(file)
    }

    /// A picture of these pixels.
    #[must_use]
    pub fn from_rgb(image: RgbImage) -> Self {
        Self { image }
    }

    #[must_use]
    pub fn width(&self) -> u32 {
        self.image.width()
    }

    #[must_use]
    pub fn height(&self) -> u32 {
        self.image.height()
    }

    #[must_use]
    pub fn rgb(&self) -> &RgbImage {
        &self.image
    }

    /// The picture, or a smaller one whose longest side is `longest` pixels (each pixel the mean of those it covers).
    ///
    /// # Errors
    /// OpenCV's, which a picture within the limits does not meet.
    pub fn within(&self, longest: u32) -> opencv::Result<Cow<'_, Self>> {
        let side = self.width().max(self.height());
        if side <= longest {
            return Ok(Cow::Borrowed(self));
        }
        let scaled = |pixels: u32| {
            let scaled = (u64::from(pixels) * u64::from(longest)).div_ceil(u64::from(side));
            u32::try_from(scaled).unwrap_or(longest).max(1)
        };
        let mut small = RgbImage::new(scaled(self.width()), scaled(self.height()));
        let (rows, cols) = (small.height() as i32, small.width() as i32);
        let mut target = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, cols, small.as_mut())?;
        resize(&self.mat()?, &mut target, Size::new(cols, rows), 0.0, 0.0, INTER_AREA)?;
        Ok(Cow::Owned(Self { image: small }))
    }

    /// OpenCV's view of the pixels (8UC3, **RGB**), without a copy.
    ///
    /// # Errors
    /// OpenCV's, which a picture within the limits does not meet.
    pub fn mat(&self) -> opencv::Result<BoxedRef<'_, Mat>> {
        let (rows, cols) = (self.height() as i32, self.width() as i32);
        Mat::new_rows_cols_with_bytes::<Vec3b>(rows, cols, self.image.as_raw())
    }
}

/// Personal: a `Debug` that prints no pixel.
impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width(), self.height())
    }
}

/// Four bytes a pixel at the most: a 16-bit PNG of 50 megapixels is a bomb, not a photo.
const MAX_DECODED_BYTES: u64 = MAX_IMAGE_PIXELS * 4;

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    limits
}

fn finish(mut decoder: impl ImageDecoder) -> Result<Picture, Fault> {
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_IMAGE_PIXELS || decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(Fault::TooLarge);
    }
    if width.min(height) < MIN_IMAGE_SIDE {
        return Err(Fault::TooSmall);
    }
    decoder.set_limits(limits()).map_err(fault)?;
    let orientation = decoder.orientation().map_err(fault)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(fault)?;
    image.apply_orientation(orientation);
    let image = if image.color().has_alpha() { over_white(image) } else { image.into_rgb8() };
    Ok(Picture { image })
}

fn over_white(image: DynamicImage) -> RgbImage {
    let image = image.into_rgba8();
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b, a] = image.get_pixel(x, y).0;
        let blend = |c: u8| ((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8;
        image::Rgb([blend(r), blend(g), blend(b)])
    })
}

fn fault(error: ImageError) -> Fault {
    match error {
        ImageError::Limits(_) => Fault::TooLarge,
        ImageError::Unsupported(_) => Fault::Unsupported,
        error => Fault::Corrupt(Some(error)),
    }
}

/// A progressive JPEG goes over its blocks once a scan, and a scan that adds nothing takes twenty bytes: ten megabytes could
/// ask for hours. Encoders make ten scans, the most careful about twice that.
const MAX_SCANS: usize = 32;

/// Looks at a file's markers. It has to reach its end-of-image marker: the decoder fills what is missing with grey, which would
/// be judged as a picture. What follows the marker (phones append videos there) is nobody's business. Frames are baseline,
/// extended or progressive ones of 8 bits; the decoder would pass over another and take what a later one says.
/// Markers: ITU T.81, table B.1; 0xF7 is JPEG-LS's, ITU T.87.
fn look_through_jpeg(bytes: &[u8]) -> Result<(), Fault> {
    const END: u8 = 0xD9;
    const SCAN: u8 = 0xDA;
    let mut at = 2;
    let (mut in_scan, mut scans) = (false, 0);
    while let Some(&marker) = bytes.get(at + 1) {
        match (bytes[at], marker) {
            (0xFF, END) => return Ok(()),
            // Stuffed 0xFF, restarts and fill bytes belong to the scan; so does whatever else is no marker.
            (0xFF, 0x00 | 0x01 | 0xD0..=0xD7) if in_scan => at += 2,
            (0xFF, 0xFF) => at += 1,
            (0xFF, _) => {
                let Some(&[high, low, precision]) = bytes.get(at + 2..at + 5) else { break };
                match marker {
                    0xC0..=0xC2 if precision == 8 => {}
                    // Among them: 0xC4 and 0xCC are tables, 0xC8 is reserved.
                    0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 => {
                        return Err(Fault::Unsupported);
                    }
                    SCAN if scans == MAX_SCANS => return Err(Fault::Unsupported),
                    SCAN => scans += 1,
                    _ => {}
                }
                in_scan = marker == SCAN;
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
            _ if in_scan => at += 1,
            _ => break,
        }
    }
    Err(Fault::Corrupt(None))
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use image::codecs::jpeg::JpegEncoder;
    use image::codecs::webp::WebPEncoder;

    use super::*;

    /// Left half red, right half blue: which way is up can be seen.
    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(
            width,
            height,
            |x, _| if x < width / 2 { Rgb([250, 5, 5]) } else { Rgb([5, 5, 250]) },
        )
    }

    fn jpeg(image: &RgbImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(image).unwrap();
        bytes
    }

    fn png(image: &RgbImage) -> Vec<u8> {
        Picture::from_rgb(image.clone()).png().unwrap()
    }

    fn webp(image: &RgbImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = WebPEncoder::new_lossless(&mut bytes);
        encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    /// An EXIF block that says nothing but the orientation, as a JPEG segment after the start of the image.
    fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let mut bytes = jpeg[..2].to_vec();
        bytes.extend([0xFF, 0xE1]);
        bytes.extend(((exif.len() + 2) as u16).to_be_bytes());
        bytes.extend(exif);
        bytes.extend(&jpeg[2..]);
        bytes
    }

    #[track_caller]
    fn refused(bytes: &[u8], reason: ReasonCode) {
        assert_eq!(Picture::decode(bytes).unwrap_err().reason(), reason);
    }

    #[test]
    fn the_three_formats_decode_to_the_same_picture() {
        let image = picture(80, 64);
        assert_eq!(Picture::decode(&png(&image)).unwrap().rgb(), &image);
        assert_eq!(Picture::decode(&webp(&image)).unwrap().rgb(), &image);
        let decoded = Picture::decode(&jpeg(&image)).unwrap();
        assert!(decoded.rgb().get_pixel(4, 4).0[0] > 200 && decoded.rgb().get_pixel(76, 4).0[2] > 200);
    }

    #[test]
    fn a_photo_is_turned_upright_by_its_exif_orientation() {
        let turned = Picture::decode(&with_orientation(&jpeg(&picture(80, 64)), 6)).unwrap();
        assert_eq!((turned.width(), turned.height()), (64, 80));
        assert!(turned.rgb().get_pixel(32, 4).0[0] > 200, "the left half is now the upper one");
    }

    #[test]
    fn every_truncation_of_a_file_is_corrupt_or_unsupported_and_never_a_picture() {
        let image = RgbImage::from_fn(72, 72, |x, y| Rgb([(x * y) as u8, (x + y) as u8, x as u8]));
        for whole in [jpeg(&image), png(&image), webp(&image)] {
            for length in (0..whole.len() - 1).step_by(1 + whole.len() / 150) {
                let reason = Picture::decode(&whole[..length]).map(|_| ()).unwrap_err().reason();
                let honest = [ReasonCode::ImageCorrupt, ReasonCode::ImageUnsupported];
                assert!(honest.contains(&reason), "{length} of {}: {reason:?}", whole.len());
            }
        }
    }

    #[test]
    fn a_jpeg_of_more_scans_than_encoders_make_is_unsupported() {
        let whole = jpeg(&picture(80, 64));
        let scan = whole.windows(2).position(|w| w == [0xFF, 0xDA]).unwrap();
        let (head, scan) = whole[..whole.len() - 2].split_at(scan);
        let of = |scans: usize| [head, &scan.repeat(scans), b"\xFF\xD9"].concat();
        assert!(look_through_jpeg(&of(MAX_SCANS)).is_ok());
        refused(&of(MAX_SCANS + 1), ReasonCode::ImageUnsupported);
    }

    #[test]
    fn frames_that_the_decoder_does_not_know_are_unsupported_and_not_passed_over() {
        let whole = jpeg(&picture(80, 64));
        let frame = whole.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
        let frame = &whole[frame..frame + 19];
        for (marker, precision) in [(0xC3, 8), (0xC5, 8), (0xC9, 8), (0xF7, 8), (0xC0, 12)] {
            let mut other = frame.to_vec();
            (other[1], other[4]) = (marker, precision);
            refused(&[&whole[..2], &other, &whole[2..]].concat(), ReasonCode::ImageUnsupported);
        }
    }

    #[test]
    fn what_a_phone_appends_to_a_jpeg_is_not_looked_at() {
        let mut bytes = jpeg(&picture(80, 64));
        bytes.extend(b"PK\x03\x04 a video or an archive");
        Picture::decode(&bytes).unwrap();
    }

    #[test]
    fn the_bytes_say_what_it_is_and_other_formats_are_unsupported() {
        refused(b"", ReasonCode::ImageUnsupported);
        refused(b"GIF89a\x01\0\x01\0\0\0\0;", ReasonCode::ImageUnsupported);
        refused(b"BM\0\0\0\0\0\0\0\0", ReasonCode::ImageUnsupported);
        refused(b"%PDF-1.7 \xFF\xD8\xFF", ReasonCode::ImageUnsupported);
        refused(b"<svg xmlns='http://www.w3.org/2000/svg'/>", ReasonCode::ImageUnsupported);
    }

    #[test]
    fn a_header_of_fifty_thousand_squared_is_too_large_before_any_pixel_exists() {
        let mut bytes = png(&picture(80, 64));
        bytes[16..20].copy_from_slice(&50_000u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&50_000u32.to_be_bytes());
        let checksum = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
        refused(&bytes, ReasonCode::ImageTooLarge);

        let mut bytes = jpeg(&picture(80, 64));
        let frame = bytes.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
        bytes[frame + 5..frame + 7].copy_from_slice(&50_000u16.to_be_bytes());
        bytes[frame + 7..frame + 9].copy_from_slice(&50_000u16.to_be_bytes());
        refused(&bytes, ReasonCode::ImageTooLarge);
    }

    #[test]
    fn a_file_beyond_the_byte_limit_is_too_large_whatever_it_holds() {
        refused(&vec![0; MAX_IMAGE_BYTES + 1], ReasonCode::ImageTooLarge);
    }

    #[test]
    fn a_side_below_the_least_is_too_small() {
        refused(&png(&picture(MIN_IMAGE_SIDE - 1, 200)), ReasonCode::ImageTooSmall);
    }

    #[test]
    fn an_animated_png_is_unsupported() {
        let mut bytes = png(&picture(80, 64));
        let mut control = b"\0\0\0\x08acTL\0\0\0\x01\0\0\0\0".to_vec();
        let checksum = crc32(&control[4..]);
        control.extend(checksum.to_be_bytes());
        bytes.splice(33..33, control);
        refused(&bytes, ReasonCode::ImageUnsupported);
    }

    #[test]
    fn what_is_transparent_is_seen_as_white() {
        let clear = image::RgbaImage::from_pixel(64, 64, image::Rgba([10, 20, 30, 0]));
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(&clear, 64, 64, ExtendedColorType::Rgba8).unwrap();
        assert_eq!(Picture::decode(&bytes).unwrap().rgb().get_pixel(9, 9).0, [255, 255, 255]);
    }

    #[test]
    fn a_large_picture_shrinks_to_its_longest_side_and_a_small_one_stays() {
        let large = Picture::from_rgb(picture(400, 100));
        let small = large.within(200).unwrap();
        assert_eq!((small.width(), small.height()), (200, 50));
        assert_eq!(small.rgb().get_pixel(0, 0), large.rgb().get_pixel(0, 0));
        assert_eq!(small.rgb().get_pixel(199, 49), large.rgb().get_pixel(399, 99));
        assert!(matches!(large.within(400).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn opencv_sees_the_pixels_without_a_copy() {
        let picture = Picture::from_rgb(picture(80, 64));
        let mat = picture.mat().unwrap();
        use opencv::core::{MatTraitConst, MatTraitConstManual};
        assert_eq!((mat.rows(), mat.cols()), (64, 80));
        assert_eq!(mat.data_bytes().unwrap().as_ptr(), picture.rgb().as_raw().as_ptr());
    }

    /// The checksum of a PNG chunk (PNG specification, annex D).
    fn crc32(bytes: &[u8]) -> u32 {
        let step = |crc: u32| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
        !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
    }
}
