//! See `checks/instant.rs`.

#![no_main]

#[path = "../checks/instant.rs"]
mod instant;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instant::check(data));
