//! Multipart forms: the glue around the framework's parser.
#![no_main]

use actix_web::rt::System;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static RUNTIME: actix_web::rt::SystemRunner = System::new();
}

fuzz_target!(|bytes: &[u8]| {
    RUNTIME.with(|runtime| runtime.block_on(reinstate_api::fuzz::form(bytes)));
});
