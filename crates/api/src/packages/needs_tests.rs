#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn list(set: &BTreeSet<String>) -> String {
    let names: Vec<&str> = set.iter().map(String::as_str).collect();
    names.join(" ")
}

/// What is needed, then what is wished.
fn scan(code: &str) -> (String, String) {
    let found = needs(code);
    (list(&found.needed), list(&found.wished))
}

#[track_caller]
fn needed(code: &str, names: &str) {
    assert_eq!(scan(code), (names.to_owned(), String::new()), "{code}");
}

#[test]
fn every_way_to_name_a_package_is_seen() {
    needed("library(dplyr)", "dplyr");
    needed("library(\"data.table\")\nrequire(R6)", "R6 data.table");
    needed("x <- jsonlite::fromJSON('{}')", "jsonlite");
    needed("`jsonlite`:::parse_string", "jsonlite");
    needed(
        "loadNamespace('xml2'); requireNamespace(\"glue\")",
        "glue xml2",
    );
    needed(
        "suppressPackageStartupMessages(library(ggplot2))",
        "ggplot2",
    );
    needed(
        "base::library(\n  dplyr, # the data\n  quietly = TRUE)",
        "dplyr",
    );
    needed("library(lib.loc = '/x', package = dplyr)", "dplyr");
    needed("f <- function() {\n  require(zoo)\n  1\n}", "zoo");
    needed("library('dplyr', character.only = TRUE)", "dplyr");
    needed("x |> dplyr::filter(a %in% 'library(zoo)')", "dplyr");
}

#[test]
fn what_is_no_name_of_a_package_is_not() {
    for code in [
        "# library(dplyr)",
        "'library(dplyr)'; \"x::y\"",
        "r\"(library(dplyr) \" )\"",
        "R'--[zoo::x ]- ]--'",
        "\"a \\\" library(dplyr)\"",
        "library(p, character.only = TRUE)",
        "for (p in ps) library(p, character.only = T)",
        "requireNamespace(p)",
        "library(help = dplyr)",
        "library()",
        "tools$library(dplyr)",
        "library(paste0('d', 'plyr'))",
        "library(stats); utils::head(1); stats4::mle",
        "x %library(zoo)% y",
        "a:b; x[1:2]",
        "library <- 3",
    ] {
        needed(code, "");
    }
}

#[test]
fn what_is_looked_for_first_is_a_wish() {
    let wish = |code: &str| assert_eq!(scan(code), (String::new(), "zoo".to_owned()), "{code}");
    wish("if (requireNamespace('zoo', quietly = TRUE)) zoo::rollmean(1:9, 3)");
    wish("if (!require(zoo)) stop('no zoo')");
    wish("ok <- require(zoo)");
    wish("if (\n  require(zoo)\n) library(zoo)");
    wish("if (!require(zoo)) install.packages('zoo')\nlibrary(zoo)");
    wish("install.packages(\"zoo\")\nlibrary(zoo)");
    assert!(needs("utils::install.packages('zoo')").installs);
    assert!(needs("remotes::install_github('a/zoo')").installs);
    assert!(!needs("library(zoo)").installs);
}

#[test]
fn a_large_text_takes_no_long_time() {
    // Brackets that never close, quotes that never end, and calls within calls.
    for piece in ["library(", "r\"(", "\"", "x::", "require(a, (", "%", "`"] {
        let code = piece.repeat((1 << 20) / piece.len());
        let began = std::time::Instant::now();
        let _ = needs(&code);
        assert!(began.elapsed().as_secs() < 10, "{piece}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(code in "(\\PC|[\\n\"'`#():\\\\%r\\[{-]|library\\(|require\\(|::){0,80}") {
        let found = needs(&code);
        prop_assert!(found.needed.is_disjoint(&found.wished));
        prop_assert!(found.needed.iter().all(|name| is_package_name(name)));
    }

    #[test]
    fn what_is_added_in_comments_and_strings_changes_nothing(
        before in "[a-z]{2,8}",
        noise in "[a-zA-Z0-9 .,:()]{0,40}",
    ) {
        let plain = needs(&format!("library({before})\n1"));
        let noisy = needs(&format!("library({before}) # {noise}\n'{noise}'\nr\"-({noise})-\"\n1"));
        prop_assert_eq!(plain, noisy);
    }
}
