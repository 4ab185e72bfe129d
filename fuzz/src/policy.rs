//! Policies: TOML with conditions in CEL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reinstate_domain::policy::Policy;

fuzz_target!(|text: &str| {
    let _ = Policy::parse(text);
});
