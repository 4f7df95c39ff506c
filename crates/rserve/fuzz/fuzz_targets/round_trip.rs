//! See `gridhelm_rserve::fuzz::round_trip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gridhelm_rserve::fuzz::round_trip(bytes));
