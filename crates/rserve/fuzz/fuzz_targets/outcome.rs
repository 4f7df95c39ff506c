//! See `gridhelm_rserve::fuzz::outcome`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gridhelm_rserve::fuzz::outcome(bytes));
