//! See `checks/rule.rs`.

#![no_main]

#[path = "../checks/rule.rs"]
mod rule;

libfuzzer_sys::fuzz_target!(|data: &[u8]| rule::check(data));
