//! Machine-readable zones, from what a recogniser may have seen.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    reinstate_verifier::fuzz::zone(bytes);
});
