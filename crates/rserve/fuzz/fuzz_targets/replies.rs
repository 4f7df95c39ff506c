//! See `gridhelm_rserve::fuzz::replies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gridhelm_rserve::fuzz::replies(bytes));
