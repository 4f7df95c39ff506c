//! See `gridhelm_rserve::fuzz::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gridhelm_rserve::fuzz::message(bytes));
