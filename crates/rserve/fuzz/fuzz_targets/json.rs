//! See `gridhelm_rserve::fuzz::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gridhelm_rserve::fuzz::json(bytes));
