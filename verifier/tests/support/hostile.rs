//! Files that mean no good, made by code: the same every time, and nobody's photos.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage};

/// What has to be said of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// This reason, and no other.
    Fault(&'static str),
    /// It is a picture by the rules: any finding will do.
    Picture,
}

use Expected::{Fault, Picture};

/// A file of the corpus.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Expected,
}

const UNSUPPORTED: Expected = Fault("image_unsupported");
const CORRUPT: Expected = Fault("image_corrupt");
const TOO_LARGE: Expected = Fault("image_too_large");
const TOO_SMALL: Expected = Fault("image_too_small");

/// All of them, one after the other, so that not all are in memory at the same time.
pub(crate) fn corpus() -> impl Iterator<Item = File> {
    let groups: [fn() -> Vec<File>; 8] =
        [strangers, mislabelled, pngs, png_chunks, jpegs, jpeg_segments, webps, pictures];
    groups.into_iter().flat_map(|group| group())
}

fn file(name: impl Into<String>, expected: Expected, bytes: Vec<u8>) -> File {
    File { name: name.into(), bytes, expected }
}

// ── Not images ──────────────────────────────────────────────────────────────────────────────────────────────────────

fn strangers() -> Vec<File> {
    vec![
        file("nothing", UNSUPPORTED, Vec::new()),
        file("one zero", UNSUPPORTED, vec![0]),
        file("a megabyte of zeros", UNSUPPORTED, vec![0; 1 << 20]),
        file("ten megabytes of 0xFF", UNSUPPORTED, vec![0xFF; 10 << 20]),
        file("a byte more than may be", TOO_LARGE, vec![0xFF; (10 << 20) + 1]),
        file("only a JPEG's signature", CORRUPT, b"\xFF\xD8\xFF".to_vec()),
        file("only a PNG's signature", CORRUPT, SIGNATURE.to_vec()),
        file("only a WebP's signature", CORRUPT, b"RIFF\0\0\0\0WEBP".to_vec()),
        file(
            "random bytes behind a JPEG's signature",
            CORRUPT,
            [b"\xFF\xD8\xFF\xE0".as_slice(), &noise(1 << 20)].concat(),
        ),
        file("random bytes behind a PNG's signature", CORRUPT, [SIGNATURE, &noise(1 << 20)].concat()),
        file(
            "random bytes behind a WebP's signature",
            CORRUPT,
            [b"RIFF\0\x10\0\0WEBP".as_slice(), &noise(4096)].concat(),
        ),
    ]
}

fn mislabelled() -> Vec<File> {
    vec![
        file(
            "GIF",
            UNSUPPORTED,
            b"GIF89a\x40\0\x40\0\x80\0\0\0\0\0\xFF\xFF\xFF,\0\0\0\0\x40\0\x40\0\0\x02\0;".to_vec(),
        ),
        file(
            "BMP",
            UNSUPPORTED,
            [
                b"BM\x36\x30\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x40\0\0\0\x40\0\0\0\x01\0\x18\0".as_slice(),
                &[0; 12_324],
            ]
            .concat(),
        ),
        file("TIFF", UNSUPPORTED, b"II*\0\x08\0\0\0\0\0\0\0\0\0".to_vec()),
        file("BigTIFF", UNSUPPORTED, b"MM\0+\0\x08\0\0\0\0\0\0\0\0\0\x10".to_vec()),
        file("HEIC", UNSUPPORTED, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec()),
        file("AVIF", UNSUPPORTED, b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf".to_vec()),
        file("JPEG XL", UNSUPPORTED, b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a".to_vec()),
        file("JPEG 2000", UNSUPPORTED, b"\0\0\0\x0cjP  \x0d\x0a\x87\x0a".to_vec()),
        file("icon", UNSUPPORTED, b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0".to_vec()),
        file("PDF", UNSUPPORTED, b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\n%%EOF".to_vec()),
        file(
            "SVG that includes a file",
            UNSUPPORTED,
            b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>".to_vec(),
        ),
        file(
            "XML that names entities without end",
            UNSUPPORTED,
            b"<!DOCTYPE x [<!ENTITY a '&b;&b;'><!ENTITY b '&a;&a;'>]><x>&a;</x>".to_vec(),
        ),
        file("HTML", UNSUPPORTED, b"<!doctype html><script>alert(1)</script>".to_vec()),
        file("archive", UNSUPPORTED, b"PK\x03\x04\x14\0\0\0\x08\0".to_vec()),
        file("program", UNSUPPORTED, [b"\x7FELF\x02\x01\x01".as_slice(), &[0; 57]].concat()),
        file(
            "MVG with a command",
            UNSUPPORTED,
            b"push graphic-context\nfill 'url(https://example.com/\"|ls\")'\n".to_vec(),
        ),
        file("Motion JPEG in a RIFF", UNSUPPORTED, b"RIFF\0\0\0\0AVI LIST".to_vec()),
        file(
            "JPEG with an archive behind it",
            Picture,
            [jpeg(&gradient(96, 80)), b"PK\x03\x04 and so on".to_vec()].concat(),
        ),
        file(
            "PNG with a page behind it",
            Picture,
            [png(&gradient(96, 80)), b"<script>alert(1)</script>".to_vec()].concat(),
        ),
        file(
            "page with a JPEG behind it",
            UNSUPPORTED,
            [b"<!doctype html>".to_vec(), jpeg(&gradient(96, 80))].concat(),
        ),
    ]
}

// ── PNG ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut checksum = flate2::Crc::new();
    checksum.update(kind);
    checksum.update(data);
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_be_bytes()[..], kind, data, &checksum.sum().to_be_bytes()].concat()
}

/// PNG specification, §11.2.1: width, height, bit depth, colour type, compression, filter, interlace.
fn header(width: u32, height: u32, depth: u8, colour: u8, interlace: u8) -> Vec<u8> {
    chunk(
        b"IHDR",
        &[&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, interlace]].concat(),
    )
}

fn assemble(chunks: &[Vec<u8>]) -> Vec<u8> {
    [SIGNATURE.to_vec(), chunks.concat(), chunk(b"IEND", b"")].concat()
}

/// `length` bytes of one value, deflated.
fn deflated(value: u8, length: u64) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    std::io::copy(&mut std::io::repeat(value).take(length), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A picture of one colour. Each row has a filter byte and its samples.
fn flat(width: u32, height: u32, depth: u8, colour: u8, interlace: u8, extra: &[Vec<u8>]) -> Vec<u8> {
    let samples = match colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let row = 1 + (u64::from(width) * samples * u64::from(depth)).div_ceil(8);
    // An interlaced file has seven passes with rows of their own: a few bytes more than it needs do no harm.
    let spare = if interlace == 1 { u64::from(height) * 8 } else { 0 };
    let data = chunk(b"IDAT", &deflated(0, row * u64::from(height) + spare));
    assemble(&[vec![header(width, height, depth, colour, interlace)], extra.to_vec(), vec![data]].concat())
}

fn pngs() -> Vec<File> {
    let whole = png(&gradient(96, 80));
    let broken = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        bytes
    };
    let frames = [chunk(b"acTL", &[0, 0, 0, 9, 0, 0, 0, 0])];
    let mut files = vec![
        file(
            "PNG that says 50,000 × 50,000",
            TOO_LARGE,
            assemble(&[header(50_000, 50_000, 8, 2, 0), chunk(b"IDAT", &deflated(0, 1000))]),
        ),
        file(
            "PNG that says 2³¹−1 × 2³¹−1",
            TOO_LARGE,
            assemble(&[header(0x7FFF_FFFF, 0x7FFF_FFFF, 16, 6, 0)]),
        ),
        file(
            "PNG of no width",
            CORRUPT,
            assemble(&[header(0, 100, 8, 2, 0), chunk(b"IDAT", &deflated(0, 100))]),
        ),
        file("PNG of 30,000 × 1", TOO_SMALL, flat(30_000, 1, 8, 2, 0, &[])),
        file("PNG of 1 × 30,000", TOO_SMALL, flat(1, 30_000, 8, 2, 0, &[])),
        file("PNG of 64 × 700,000", Picture, flat(64, 700_000, 8, 0, 0, &[])),
        file("PNG of 49 megapixels of nothing", Picture, flat(7000, 7000, 8, 2, 0, &[])),
        file("PNG of 49 megapixels, one bit each", Picture, flat(7000, 7000, 1, 0, 0, &[])),
        file("PNG of 49 megapixels of 64 bits", TOO_LARGE, flat(7000, 7000, 16, 6, 0, &[])),
        file(
            "PNG with 200 MB where 30 kB belong",
            Picture,
            assemble(&[header(100, 100, 8, 2, 0), chunk(b"IDAT", &deflated(0, 200_000_000))]),
        ),
        file(
            "PNG with less than it says",
            CORRUPT,
            assemble(&[header(100, 100, 8, 2, 0), chunk(b"IDAT", &deflated(0, 3000))]),
        ),
        file("PNG without data", CORRUPT, assemble(&[header(100, 100, 8, 2, 0)])),
        file(
            "PNG whose data are no zlib stream",
            CORRUPT,
            assemble(&[header(100, 100, 8, 2, 0), chunk(b"IDAT", &noise(5000))]),
        ),
        file(
            "PNG with a filter that does not exist",
            CORRUPT,
            assemble(&[header(100, 100, 8, 2, 0), chunk(b"IDAT", &deflated(9, 30_100))]),
        ),
        file(
            "PNG of a colour type that does not exist",
            CORRUPT,
            assemble(&[header(100, 100, 8, 5, 0), chunk(b"IDAT", &deflated(0, 30_100))]),
        ),
        file(
            "PNG of 3 bits a sample",
            CORRUPT,
            assemble(&[header(100, 100, 3, 0, 0), chunk(b"IDAT", &deflated(0, 30_100))]),
        ),
        file("PNG with a palette that is missing", CORRUPT, flat(100, 100, 8, 3, 0, &[])),
        file("PNG with a palette", Picture, flat(100, 100, 8, 3, 0, &[chunk(b"PLTE", &[9, 99, 199])])),
        file(
            "PNG that points beyond its palette",
            CORRUPT,
            assemble(&[
                header(100, 100, 8, 3, 0),
                chunk(b"PLTE", &[9, 99, 199]),
                chunk(b"IDAT", &deflate(&[0, 200].repeat(51).repeat(100)[..10_100])),
            ]),
        ),
        file("PNG of 16 bits", Picture, flat(100, 100, 16, 2, 0, &[])),
        file("PNG of grey and alpha", Picture, flat(100, 100, 8, 4, 0, &[])),
        file("PNG, interlaced", Picture, flat(100, 100, 8, 2, 1, &[])),
        file("PNG, interlaced, 49 megapixels", Picture, flat(7000, 7000, 8, 0, 1, &[])),
        file(
            "PNG with two headers",
            CORRUPT,
            assemble(&[
                header(100, 100, 8, 2, 0),
                header(9000, 9000, 8, 2, 0),
                chunk(b"IDAT", &deflated(0, 30_100)),
            ]),
        ),
        file("PNG, animated", UNSUPPORTED, flat(100, 100, 8, 2, 0, &frames)),
        file("PNG with a wrong checksum in its header", CORRUPT, broken(30)),
        file("PNG with a wrong byte in its data", CORRUPT, broken(60)),
        file("PNG with a chunk of 2 GB announced", CORRUPT, [SIGNATURE, b"\x7F\xFF\xFF\xFFIHDR"].concat()),
    ];
    for (part, of) in [(1, 8), (1, 2), (7, 8)] {
        files.push(file(
            format!("PNG, {part}/{of} of it"),
            CORRUPT,
            whole[..whole.len() * part / of].to_vec(),
        ));
    }
    files
}

fn png_chunks() -> Vec<File> {
    let with = |chunks: &[Vec<u8>]| flat(100, 100, 8, 2, 0, chunks);
    let bomb = deflated(b'A', 100_000_000);
    let keyed = |prefix: &[u8]| [prefix, &bomb].concat();
    vec![
        file("PNG with 100 MB of text in zTXt", Picture, with(&[chunk(b"zTXt", &keyed(b"Comment\0\0"))])),
        file(
            "PNG with 100 MB of text in iTXt",
            Picture,
            with(&[chunk(b"iTXt", &keyed(b"Comment\0\x01\0\0\0"))]),
        ),
        file("PNG with 100 MB of colour profile", Picture, with(&[chunk(b"iCCP", &keyed(b"profile\0\0"))])),
        file(
            "PNG with a colour profile that is none",
            Picture,
            with(&[chunk(b"iCCP", b"profile\0\0not deflated")]),
        ),
        file("PNG with 20,000 comments", Picture, with(&vec![chunk(b"tEXt", b"Comment\0x"); 20_000])),
        file("PNG with 200,000 empty data chunks", Picture, {
            let data = chunk(b"IDAT", &deflated(0, 30_100));
            assemble(
                &[vec![header(100, 100, 8, 2, 0)], vec![chunk(b"IDAT", b""); 200_000], vec![data]].concat(),
            )
        }),
        file(
            "PNG with an EXIF block that is none",
            Picture,
            with(&[chunk(b"eXIf", b"MM\0*\xFF\xFF\xFF\xFF")]),
        ),
        file("PNG with a critical chunk that nobody knows", CORRUPT, with(&[chunk(b"QUUX", b"")])),
        file("PNG with a physical size of nothing", Picture, with(&[chunk(b"pHYs", &[0; 9])])),
    ]
}

// ── JPEG ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A marker and its segment, whose length counts itself.
fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).unwrap();
    [&[0xFF, marker][..], &length.to_be_bytes(), data].concat()
}

/// ITU T.81, B.2.2: precision, height, width, components with sampling factors 1 × 1.
fn frame(marker: u8, precision: u8, width: u16, height: u16, components: u8) -> Vec<u8> {
    let mut data = [&[precision][..], &height.to_be_bytes(), &width.to_be_bytes(), &[components]].concat();
    for component in 1..=components {
        data.extend([component, 0x11, 0]);
    }
    segment(marker, &data)
}

/// Puts segments behind a file's start marker.
fn insert(jpeg: &[u8], segments: &[u8]) -> Vec<u8> {
    [&jpeg[..2], segments, &jpeg[2..]].concat()
}

/// Changes the first segment of a marker.
fn change(jpeg: &[u8], marker: u8, edit: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    let at = bytes.windows(2).position(|pair| pair == [0xFF, marker]).unwrap();
    edit(&mut bytes[at + 4..]);
    bytes
}

/// A grey progressive JPEG of `scans` scans, each of which says of every block that it has nothing to add.
fn many_scans(side: u16, scans: usize) -> Vec<u8> {
    let table = |class: u8, symbol: u8| {
        let mut data = vec![class << 4];
        data.extend([1; 1]);
        data.extend([0; 15]);
        data.push(symbol);
        segment(0xC4, &data)
    };
    let blocks = (usize::from(side) / 8).pow(2);
    // DC: one bit a block, of category 0. AC: runs of 32,767 blocks, of a bit for the code and 14 that are all one.
    let dc = vec![0; blocks.div_ceil(8)];
    let mut bits = String::new();
    for _ in 0..blocks.div_ceil(32_767) {
        bits.push_str("011111111111111");
    }
    bits.push_str(&"1".repeat(8 - bits.len() % 8));
    let mut ac = Vec::new();
    for byte in bits.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        ac.push(byte);
        if byte == 0xFF {
            ac.push(0);
        }
    }
    let scan =
        |from: u8, to: u8, data: &[u8]| [segment(0xDA, &[1, 1, 0, from, to, 0]), data.to_vec()].concat();
    let quantisation = segment(0xDB, &[&[0][..], &[1; 64]].concat());
    let start =
        [b"\xFF\xD8".to_vec(), quantisation, frame(0xC2, 8, side, side, 1), table(0, 0), table(1, 0xE0)];
    [start.concat(), scan(0, 0, &dc), scan(1, 63, &ac).repeat(scans), b"\xFF\xD9".to_vec()].concat()
}

fn jpegs() -> Vec<File> {
    let whole = jpeg(&textured(320, 240));
    let mut files = vec![
        file("JPEG that says 65,535 × 65,535", TOO_LARGE, change(&whole, 0xC0, |sof| sof[1..5].fill(0xFF))),
        file("JPEG of no height", CORRUPT, change(&whole, 0xC0, |sof| sof[1..3].fill(0))),
        file("JPEG of no width", CORRUPT, change(&whole, 0xC0, |sof| sof[3..5].fill(0))),
        file("JPEG of 8 × 240", TOO_SMALL, change(&whole, 0xC0, |sof| sof[3..5].copy_from_slice(&[0, 8]))),
        file("JPEG of 12 bits", UNSUPPORTED, change(&whole, 0xC0, |sof| sof[0] = 12)),
        file("JPEG of no component", CORRUPT, change(&whole, 0xC0, |sof| sof[5] = 0)),
        file("JPEG of 200 components", CORRUPT, change(&whole, 0xC0, |sof| sof[5] = 200)),
        file("JPEG with sampling factors of 15", CORRUPT, change(&whole, 0xC0, |sof| sof[7] = 0xFF)),
        file("JPEG with sampling factors of 0", CORRUPT, change(&whole, 0xC0, |sof| sof[7] = 0)),
        file(
            "JPEG, lossless",
            UNSUPPORTED,
            [b"\xFF\xD8".to_vec(), frame(0xC3, 8, 320, 240, 3), whole[2..].to_vec()].concat(),
        ),
        file(
            "JPEG, hierarchical",
            UNSUPPORTED,
            [b"\xFF\xD8".to_vec(), frame(0xC5, 8, 320, 240, 3), whole[2..].to_vec()].concat(),
        ),
        file(
            "JPEG, arithmetic",
            UNSUPPORTED,
            [b"\xFF\xD8".to_vec(), frame(0xC9, 8, 320, 240, 3), whole[2..].to_vec()].concat(),
        ),
        file(
            "JPEG-LS",
            UNSUPPORTED,
            [b"\xFF\xD8".to_vec(), frame(0xF7, 8, 320, 240, 3), whole[2..].to_vec()].concat(),
        ),
        file(
            "JPEG with a Huffman table of 4,096 codes of one bit",
            CORRUPT,
            change(&whole, 0xC4, |dht| dht[1..17].fill(0xFF)),
        ),
        file(
            "JPEG with a Huffman table of noise",
            CORRUPT,
            change(&whole, 0xC4, |dht| dht[1..28].copy_from_slice(&noise(27))),
        ),
        file("JPEG that quantises by zero", Picture, change(&whole, 0xDB, |dqt| dqt[1..65].fill(0))),
        file(
            "JPEG with a quantisation table that does not exist",
            CORRUPT,
            change(&whole, 0xC0, |sof| sof[8] = 7),
        ),
        file("JPEG that restarts after each block", Picture, insert(&whole, &segment(0xDD, &[0, 1]))),
        file("JPEG of restart markers", Picture, {
            let scan = whole.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
            [&whole[..scan + 14], &[0xFF, 0xD0].repeat(500_000)[..], &[0xFF, 0xD9]].concat()
        }),
        file("JPEG of fill bytes", Picture, insert(&whole, &vec![0xFF; 5 << 20])),
        file("JPEG whose scan is noise", Picture, {
            let scan = whole.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
            let noise: Vec<u8> = noise(200_000).into_iter().filter(|byte| *byte != 0xFF).collect();
            [&whole[..scan + 14], &noise, &[0xFF, 0xD9]].concat()
        }),
        file("JPEG of CMYK", Picture, four_components(0)),
        file("JPEG of YCCK", Picture, four_components(2)),
        file("progressive JPEG of 10,000 scans", UNSUPPORTED, many_scans(4096, 10_000)),
        file("progressive JPEG of 99 scans", UNSUPPORTED, many_scans(7064, 98)),
        file("progressive JPEG of 32 scans, 49 megapixels", Picture, many_scans(7064, 31)),
        file("JPEG that ends before it begins", CORRUPT, b"\xFF\xD8\xFF\xD9".to_vec()),
        file(
            "JPEG with a thumbnail and no picture",
            CORRUPT,
            insert(b"\xFF\xD8\xFF\xD9", &segment(0xE1, &[b"Exif\0\0", &whole[..2000]].concat())),
        ),
    ];
    for (part, of) in [(1, 16), (1, 4), (1, 2), (3, 4), (15, 16)] {
        files.push(file(
            format!("JPEG, {part}/{of} of it"),
            CORRUPT,
            whole[..whole.len() * part / of].to_vec(),
        ));
    }
    files
}

/// A JPEG of one scan with four components of flat colour; `transform` as Adobe's APP14 has it.
fn four_components(transform: u8) -> Vec<u8> {
    let table = |class: u8| {
        let mut data = vec![class << 4, 1];
        data.extend([0; 15]);
        data.push(0);
        segment(0xC4, &data)
    };
    let mut scan = vec![4];
    for component in 1..=4 {
        scan.extend([component, 0]);
    }
    scan.extend([0, 63, 0]);
    // Two bits a block: no difference, no coefficients.
    let data = vec![0; 16 * 16 * 4 * 2 / 8];
    [
        b"\xFF\xD8".to_vec(),
        segment(0xEE, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat()),
        segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        frame(0xC0, 8, 128, 128, 4),
        table(0),
        table(1),
        segment(0xDA, &scan),
        data,
        b"\xFF\xD9".to_vec(),
    ]
    .concat()
}

/// A TIFF block with one directory (big endian) and what follows it.
fn exif(entries: &[[u8; 12]], next: u32) -> Vec<u8> {
    let count = u16::try_from(entries.len()).unwrap();
    [&b"Exif\0\0MM\0\x2a\0\0\0\x08"[..], &count.to_be_bytes(), &entries.concat(), &next.to_be_bytes()]
        .concat()
}

/// A tag of type SHORT, unless told otherwise.
fn entry(tag: u16, kind: u16, count: u32, value: [u8; 4]) -> [u8; 12] {
    let mut entry = [0; 12];
    entry[..2].copy_from_slice(&tag.to_be_bytes());
    entry[2..4].copy_from_slice(&kind.to_be_bytes());
    entry[4..8].copy_from_slice(&count.to_be_bytes());
    entry[8..].copy_from_slice(&value);
    entry
}

const ORIENTATION: u16 = 0x0112;

fn jpeg_segments() -> Vec<File> {
    let whole = jpeg(&gradient(160, 120));
    let with_exif = |name: &str, block: Vec<u8>| {
        file(format!("JPEG with {name}"), Picture, insert(&whole, &segment(0xE1, &block)))
    };
    let turned = |orientation: u16| {
        let [high, low] = orientation.to_be_bytes();
        exif(&[entry(ORIENTATION, 3, 1, [high, low, 0, 0])], 0)
    };
    let mut files = vec![
        with_exif("orientation 0", turned(0)),
        with_exif("orientation 9", turned(9)),
        with_exif("orientation 65,535", turned(65_535)),
        with_exif("an orientation that is a text", exif(&[entry(ORIENTATION, 2, 4, *b"up\0\0")], 0)),
        with_exif(
            "an orientation four billion times",
            exif(&[entry(ORIENTATION, 3, u32::MAX, [0, 6, 0, 0])], 0),
        ),
        with_exif("a directory that follows itself", exif(&[entry(ORIENTATION, 3, 1, [0, 6, 0, 0])], 8)),
        with_exif("a sub-directory that is itself", exif(&[entry(0x8769, 4, 1, [0, 0, 0, 8])], 8)),
        with_exif("a directory beyond its end", b"Exif\0\0MM\0\x2a\xFF\xFF\xFF\xF0".to_vec()),
        with_exif("5,000 tags", exif(&vec![entry(ORIENTATION, 3, 1, [0, 6, 0, 0]); 5000], 0)),
        with_exif("65,535 tags announced", b"Exif\0\0MM\0\x2a\0\0\0\x08\xFF\xFF\x01\x12".to_vec()),
        with_exif("an EXIF block of neither byte order", b"Exif\0\0XX\0\x2a\0\0\0\x08".to_vec()),
        with_exif("an empty EXIF block", b"Exif\0\0".to_vec()),
        file(
            "JPEG with two orientations",
            Picture,
            insert(&whole, &[segment(0xE1, &turned(6)), segment(0xE1, &turned(3))].concat()),
        ),
        file("JPEG with 150 EXIF blocks of 64 kB", Picture, {
            let block = [turned(1), vec![0; 65_000]].concat();
            insert(&whole, &segment(0xE1, &block).repeat(150))
        }),
        file(
            "JPEG with a colour profile in 255 parts of which one came",
            Picture,
            insert(&whole, &segment(0xE2, b"ICC_PROFILE\0\x01\xFFxyz")),
        ),
        file(
            "JPEG with a colour profile of part 0 of 0",
            Picture,
            insert(&whole, &segment(0xE2, b"ICC_PROFILE\0\0\0xyz")),
        ),
        file(
            "JPEG with 150 times the same part of a profile",
            Picture,
            insert(
                &whole,
                &segment(0xE2, &[b"ICC_PROFILE\0\x01\x96".as_slice(), &[7; 65_000]].concat()).repeat(150),
            ),
        ),
        file("JPEG with a million comments", Picture, insert(&whole, &segment(0xFE, b"").repeat(1_000_000))),
        file("JPEG with a segment of length 0", CORRUPT, insert(&whole, b"\xFF\xE5\0\0")),
        file("JPEG with a segment of length 1", CORRUPT, insert(&whole, b"\xFF\xE5\0\x01")),
    ];
    files.push(file("JPEG with XMP of 64 kB", Picture, {
        let xmp = [b"http://ns.adobe.com/xap/1.0/\0".as_slice(), &b"<x>".repeat(20_000)].concat();
        insert(&whole, &segment(0xE1, &xmp))
    }));
    files
}

// ── WebP ────────────────────────────────────────────────────────────────────────────────────────────────────────────

fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend(*kind);
        body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        body.extend(data);
        if data.len() % 2 == 1 {
            body.push(0);
        }
    }
    [b"RIFF", &u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
}

/// Of an extended file: flags, and the canvas as 24-bit numbers less one.
fn extended(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let side = |pixels: u32| (pixels - 1).to_le_bytes()[..3].to_vec();
    [vec![flags, 0, 0, 0], side(width), side(height)].concat()
}

fn webps() -> Vec<File> {
    let whole = webp(&textured(160, 120));
    let lossless = whole[20..].to_vec();
    let sized = |size: u32| {
        let mut bytes = whole.clone();
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
        bytes
    };
    let mut files = vec![
        file("WebP whose container says 4 GB", Picture, sized(u32::MAX)),
        file("WebP whose container says nothing", Picture, sized(0)),
        file(
            "WebP whose canvas is larger than its picture",
            CORRUPT,
            riff(&[(b"VP8X", extended(0, 4000, 4000)), (b"VP8L", lossless.clone())]),
        ),
        file(
            "WebP whose canvas is 16,777,216 squared",
            CORRUPT,
            riff(&[(b"VP8X", extended(0, 1 << 24, 1 << 24)), (b"VP8L", lossless.clone())]),
        ),
        file("WebP with a canvas and no picture", CORRUPT, riff(&[(b"VP8X", extended(0, 160, 120))])),
        file(
            "WebP, animated",
            UNSUPPORTED,
            riff(&[
                (b"VP8X", extended(2, 160, 120)),
                (b"ANIM", vec![0; 6]),
                (b"ANMF", [vec![0; 16], lossless.clone()].concat()),
            ]),
        ),
        file(
            "WebP that says 16,384 squared",
            TOO_LARGE,
            riff(&[(b"VP8L", b"\x2F\x7F\xFE\x9F\x0F\0\0\0\0".to_vec())]),
        ),
        file(
            "WebP whose data are noise",
            CORRUPT,
            riff(&[(b"VP8L", [&b"\x2F\x9F\xC0\x1D\0"[..], &noise(50_000)].concat())]),
        ),
        file("lossy WebP that is noise", CORRUPT, riff(&[(b"VP8 ", noise(50_000))])),
        file(
            "WebP with alpha that is noise",
            CORRUPT,
            riff(&[(b"VP8X", extended(0x10, 160, 120)), (b"ALPH", noise(2000)), (b"VP8 ", noise(2000))]),
        ),
        file("WebP with 100,000 chunks that nobody knows", Picture, {
            let mut chunks: Vec<(&[u8; 4], Vec<u8>)> = vec![(b"VP8X", extended(0, 160, 120))];
            chunks.extend(vec![(b"QUUX", vec![0; 2]); 100_000]);
            chunks.push((b"VP8L", lossless.clone()));
            riff(&chunks)
        }),
    ];
    for (part, of) in [(1, 4), (1, 2), (15, 16)] {
        files.push(file(
            format!("WebP, {part}/{of} of it"),
            CORRUPT,
            whole[..whole.len() * part / of].to_vec(),
        ));
    }
    files
}

// ── Pictures by the rules that are no pleasure to look at ───────────────────────────────────────────────────────────

fn pictures() -> Vec<File> {
    let black_on_white = |width: u32, height: u32, ink: fn(u32, u32) -> bool| {
        RgbImage::from_fn(width, height, |x, y| if ink(x, y) { Rgb([16; 3]) } else { Rgb([240; 3]) })
    };
    let mut checkers = vec![0; 876 * 7000];
    for (y, row) in checkers.chunks_mut(876).enumerate() {
        row[1..].fill(if y % 2 == 0 { 0x55 } else { 0xAA });
    }
    let checkers = assemble(&[header(7000, 7000, 1, 0, 0), chunk(b"IDAT", &deflate(&checkers))]);
    vec![
        file(
            "10,000 boxes like words",
            Picture,
            png(&black_on_white(3200, 3200, |x, y| {
                (4..28).contains(&(x % 32)) && (8..24).contains(&(y % 32)) && (x % 8 < 3 || y % 16 < 11)
            })),
        ),
        file(
            "lines like a machine-readable zone, page after page",
            Picture,
            png(&black_on_white(2000, 2800, |x, y| y % 40 < 22 && x % 20 < 15 && (x + y) % 5 < 2)),
        ),
        file(
            "one line as long as it may be",
            Picture,
            png(&black_on_white(20_000, 64, |x, y| {
                (20..44).contains(&y) && x % 18 < 11 && (x / 18 + y) % 3 > 0
            })),
        ),
        file("noise of three megapixels", Picture, jpeg(&static_noise(2000, 1500))),
        file("a checkerboard of 49 megapixels", Picture, checkers),
        file("stripes of one pixel", Picture, png(&black_on_white(3000, 2000, |x, _| x % 2 == 0))),
        file("a strip of 64 × 20,000", Picture, png(&black_on_white(64, 20_000, |x, y| (x + y) % 30 < 9))),
        file("all white", Picture, png(&RgbImage::from_pixel(1600, 1200, Rgb([255; 3])))),
        file("the smallest that is taken", Picture, png(&textured(64, 64))),
        file("a pixel less than the smallest", TOO_SMALL, png(&textured(64, 63))),
    ]
}

// ── What they are made of ───────────────────────────────────────────────────────────────────────────────────────────

/// Bytes that look random, the same each time (xorshift).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let step = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state as u8
    };
    (0..length).map(|_| step(&mut state)).collect()
}

fn static_noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_raw(width, height, noise((width * height * 3) as usize)).unwrap()
}

fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x + y) as u8]))
}

/// Too busy to be compressed away, so that half a file is half a picture.
fn textured(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * y) as u8, (x * 7 + y * 3) as u8, (x ^ y) as u8]))
}

pub(crate) fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(image).unwrap();
    bytes
}

pub(crate) fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new(&mut bytes);
    encoder.write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn webp(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = WebPEncoder::new_lossless(&mut bytes);
    encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}
