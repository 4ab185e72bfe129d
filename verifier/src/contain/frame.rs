//! What goes over the sockets. A frame is the length of a header (u32, little endian), the header as JSON, and then the bytes
//! whose lengths the header names. Whoever reads bounds what it takes: the other side may be hostile.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The most blobs of a frame: the frames of a challenge and what they are compared with.
const MAX_BLOBS: usize = 32;

/// Why there was no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the other side is gone or does not answer")]
    Io(#[from] io::Error),
    #[error("a frame is larger than it may be")]
    TooLarge,
    #[error("a frame can't be understood")]
    Json(#[from] serde_json::Error),
}

/// How large a frame may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of JSON.
    pub(super) header: usize,
    /// Bytes of each blob.
    pub(super) blob: usize,
}

#[derive(Serialize, Deserialize)]
struct Header<T> {
    blobs: Vec<usize>,
    message: T,
}

/// Sends a message and what belongs to it.
pub(super) fn write<T: Serialize>(to: &mut impl Write, message: &T, blobs: &[&[u8]]) -> Result<(), Error> {
    let lengths = blobs.iter().map(|blob| blob.len()).collect();
    let header = serde_json::to_vec(&Header { blobs: lengths, message })?;
    let length = u32::try_from(header.len()).map_err(|_| Error::TooLarge)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&header)?;
    for blob in blobs {
        to.write_all(blob)?;
    }
    to.flush()?;
    Ok(())
}

/// Receives a message and what belongs to it. Memory is taken for what has come, not for what is announced.
pub(super) fn read<T: DeserializeOwned>(
    from: &mut impl Read,
    bounds: Bounds,
) -> Result<(T, Vec<Vec<u8>>), Error> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > bounds.header {
        return Err(Error::TooLarge);
    }
    let header: Header<T> = serde_json::from_slice(&take(from, length)?)?;
    if header.blobs.len() > MAX_BLOBS || header.blobs.iter().any(|length| *length > bounds.blob) {
        return Err(Error::TooLarge);
    }
    let blobs = header.blobs.into_iter().map(|length| take(from, length)).collect::<Result<_, _>>()?;
    Ok((header.message, blobs))
}

fn take(from: &mut impl Read, length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    if from.take(length as u64).read_to_end(&mut bytes)? < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { header: 64, blob: 8 };

    fn read_text(bytes: &[u8]) -> Result<(String, Vec<Vec<u8>>), Error> {
        read(&mut &bytes[..], BOUNDS)
    }

    fn frame(header: &str, rest: &[u8]) -> Vec<u8> {
        [&u32::try_from(header.len()).unwrap().to_le_bytes()[..], header.as_bytes(), rest].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, &"hello", &[b"one", b"", b"three"]).unwrap();
        let (message, blobs) = read_text(&bytes).unwrap();
        assert_eq!((message.as_str(), blobs), ("hello", vec![b"one".to_vec(), vec![], b"three".to_vec()]));
    }

    #[test]
    fn an_announced_size_beyond_the_bounds_is_refused_before_it_is_read() {
        assert!(matches!(read_text(&u32::MAX.to_le_bytes()), Err(Error::TooLarge)));
        assert!(matches!(
            read_text(&frame(r#"{"blobs":[9],"message":""}"#, b"123456789")),
            Err(Error::TooLarge)
        ));
        let many = format!(r#"{{"blobs":[{}0],"message":""}}"#, "0,".repeat(MAX_BLOBS));
        let wide = Bounds { header: 1024, ..BOUNDS };
        assert!(matches!(read::<String>(&mut &frame(&many, b"")[..], wide), Err(Error::TooLarge)));
    }

    #[test]
    fn a_frame_that_ends_early_or_says_nonsense_is_an_error() {
        let mut whole = Vec::new();
        write(&mut whole, &"hello", &[b"one"]).unwrap();
        for length in 0..whole.len() {
            assert!(read_text(&whole[..length]).is_err(), "{length}");
        }
        assert!(matches!(read_text(&frame(r#"{"blobs":[],"message":7}"#, b"")), Err(Error::Json(_))));
        assert!(matches!(read_text(&frame("\u{1}", b"")), Err(Error::Json(_))));
    }
}
