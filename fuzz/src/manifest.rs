//! Manifests of model bundles.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    reinstate_verifier::fuzz::manifest(text);
});
