//! What the linker leaves for cutting the console into pieces.
#![allow(
    clippy::print_stdout,
    reason = "this is how a build script speaks to cargo"
)]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let browser = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32");
    if browser && set("CARGO_FEATURE_SPLIT") {
        // Which function and which data needs which: the cut follows them.
        println!("cargo::rustc-link-arg-bins=--emit-relocs");
    }
}
