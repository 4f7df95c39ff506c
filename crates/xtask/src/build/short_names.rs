//! Short names for what the program imports from its script.
//!
//! wasm-bindgen ends each such name with a hash of 16 digits, which no compression makes smaller, and it stands in the program and in the
//! script. Only the two of them know it, so both get a shorter one.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{ImportSection, Module};
use wasmparser::{ImportSectionReader, Parser, Payload};

/// How the names begin that wasm-bindgen gives.
const GIVEN: &str = "__wbg_";

/// Renames in both what they share; what occurs in the script otherwise than once keeps its name.
///
/// # Errors
/// When the program cannot be read; the text says where.
pub fn shorten(script: &str, program: &[u8]) -> Result<(String, Vec<u8>), String> {
    let names = short(&words(script), &imports(program)?);
    let mut rename = Rename(&names);
    let mut module = Module::new();
    rename
        .parse_core_module(&mut module, Parser::new(0), program)
        .map_err(|error| error.to_string())?;
    Ok((renamed(script, &names), module.finish()))
}

/// The names of all that a program imports.
fn imports(program: &[u8]) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(program) {
        if let Payload::ImportSection(section) = payload.map_err(|error| error.to_string())? {
            for import in section.into_imports() {
                let import = import.map_err(|error| error.to_string())?;
                names.insert(import.name.to_owned());
            }
        }
    }
    Ok(names)
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

/// How often each word occurs.
fn words(script: &str) -> BTreeMap<&str, usize> {
    let mut words = BTreeMap::new();
    for word in script.split(|c| !is_of_word(c)) {
        *words.entry(word).or_default() += 1;
    }
    words
}

/// The new names, by the old ones.
fn short(words: &BTreeMap<&str, usize>, imports: &BTreeSet<String>) -> BTreeMap<String, String> {
    let once = |name: &&String| name.starts_with(GIVEN) && words.get(name.as_str()) == Some(&1);
    let free = (0_usize..)
        .map(|number| format!("${number}"))
        .filter(|name| !words.contains_key(name.as_str()) && !imports.contains(name));
    imports.iter().filter(once).cloned().zip(free).collect()
}

fn renamed(script: &str, names: &BTreeMap<String, String>) -> String {
    let mut text = String::with_capacity(script.len());
    let mut rest = script;
    while let Some(at) = rest.find(is_of_word) {
        let (before, from) = rest.split_at(at);
        let (word, after) = from.split_at(from.find(|c| !is_of_word(c)).unwrap_or(from.len()));
        text.push_str(before);
        text.push_str(names.get(word).map_or(word, String::as_str));
        rest = after;
    }
    text + rest
}

struct Rename<'a>(&'a BTreeMap<String, String>);

impl Reencode for Rename<'_> {
    type Error = Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        for import in section.into_imports() {
            let import = import?;
            let name = self.0.get(import.name).map_or(import.name, String::as_str);
            imports.import(import.module, name, self.entity_type(import.ty)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use wasm_encoder::{EntityType, TypeSection};

    fn program(names: &[&str]) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        for name in names {
            imports.import("./console_bg.js", name, EntityType::Function(0));
        }
        let mut module = Module::new();
        module.section(&types).section(&imports);
        module.finish()
    }

    #[test]
    fn program_and_script_get_the_same_names() {
        let script =
            "imports = { __wbg_now_0123456789abcdef: () => 1, __wbg_now_x: 2, memory: $0 }; `${a}`";
        let program = program(&["__wbg_now_0123456789abcdef", "memory", "__wbg_absent_00"]);
        let (script, program) = shorten(script, &program).unwrap();
        assert_eq!(
            script,
            "imports = { $1: () => 1, __wbg_now_x: 2, memory: $0 }; `${a}`"
        );
        let names: Vec<_> = imports(&program).unwrap().into_iter().collect();
        assert_eq!(names, ["$1", "__wbg_absent_00", "memory"]);
    }

    #[test]
    fn what_is_named_twice_keeps_its_name() {
        let script = "__wbg_a_00: 1, b: __wbg_a_00";
        let before = program(&["__wbg_a_00"]);
        let (after, same) = shorten(script, &before).unwrap();
        assert_eq!((after.as_str(), same), (script, before));
    }

    #[test]
    fn what_is_no_program_is_told() {
        assert!(shorten("", b"no program").is_err());
    }

    proptest! {
        #[test]
        fn a_script_without_shared_names_stays(script in ".{0,200}") {
            prop_assert_eq!(renamed(&script, &BTreeMap::new()), script);
        }
    }
}
