//! Pictures: the walk over a JPEG's markers, EXIF orientation, and the limits around the decoders.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    reinstate_verifier::fuzz::picture(bytes);
});
