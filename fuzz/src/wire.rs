//! Stored entries: what can be read can be written, and is the same when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reinstate_domain::wire;

fuzz_target!(|bytes: &[u8]| {
    let _ = wire::envelope(bytes);
    if let Ok(entry) = wire::decode(bytes) {
        let written = wire::encode(&entry).expect("what was read can be written");
        assert_eq!(wire::decode(&written).expect("what was written can be read"), entry);
    }
});
