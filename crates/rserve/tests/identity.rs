//! A table of R expressions: each is evaluated in a real R, becomes a value here, goes back to R under another name, and must
//! there be `identical()` to itself in the strictest sense: bit by bit, attributes in their order. What cannot be is named,
//! with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Node;
use gridhelm_rserve::{Connection, Error};

/// Vectors of each kind, to which attributes are given below.
const VECTORS: &[&str] = &[
    "logical()",
    "TRUE",
    "FALSE",
    "NA",
    "c(TRUE, NA, FALSE)",
    "rep(NA, 5)",
    "c(TRUE, FALSE, TRUE, NA, TRUE, FALSE, NA, TRUE)",
    "integer()",
    "0L",
    "NA_integer_",
    "-.Machine$integer.max",
    "c(1L, NA, -3L)",
    "1:10",
    "rev(1:7)",
    "numeric()",
    "0",
    "-0",
    "1.5",
    "NA_real_",
    "NaN",
    "Inf",
    "-Inf",
    "c(1, NA, NaN, Inf, -Inf)",
    "-NaN",
    "1e-320",
    ".Machine$double.xmax",
    ".Machine$double.xmin",
    "c(pi, exp(1))",
    "0.1 + 0.2",
    "seq(0, 1, 0.1)",
    "NA_real_ + 1",
    "sqrt(2)",
    "complex()",
    "1i",
    "NA_complex_",
    "c(1+2i, NA, -3.5i)",
    "complex(real = NaN, imaginary = -Inf)",
    "character()",
    "''",
    "'a'",
    "NA_character_",
    "'NA'",
    "c('a', NA, '')",
    "c('ø', '\\u4e16\\u754c', '\\U1F980')",
    "'\\001'",
    "'a\\nb\\tc\"d\\\\e'",
    "rep('x', 9)",
    "strrep('long ', 1000)",
    "enc2utf8('ÿ')",
    "raw()",
    "as.raw(0)",
    "as.raw(c(0, 255))",
    "as.raw(1:9)",
    "charToRaw('text')",
    "list()",
    "list(1)",
    "list(NULL)",
    "list(1, 'a', NULL, TRUE)",
    "list(list(list()))",
    "vector('list', 3)",
];

/// What is done with each vector.
const SHAPES: &[&str] = &[
    "({})",
    "structure({}, note = 'kept')",
    "local({ x <- {}; names(x) <- sprintf('n%d', seq_along(x)); x })",
    "structure({}, class = 'mine', other = list(a = 1))",
    "list(a = {}, {})",
    "local({ x <- {}; dim(x) <- length(x); x })",
];

/// Values that have a shape of their own.
const OTHERS: &[&str] = &[
    "NULL",
    "iconv('ø', 'UTF-8', 'latin1')",
    "list(a = NULL, b = 1)",
    "list(a = 1, a = 2)",
    "list(a = 1, 2)",
    "c(a = 1, b = 2)",
    "c(a = 'x', 'y')",
    "setNames(1:2, c('a', NA))",
    "setNames(list(1, 2), c('', 'b'))",
    "factor(c('b', NA, 'a'))",
    "factor(character())",
    "factor(c('lo', 'hi'), levels = c('lo', 'hi'), ordered = TRUE)",
    "addNA(factor(c('a', NA)))",
    "factor(1:3, labels = c('x', 'y', 'z'))",
    "setNames(factor(c('u', 'v')), c('p', 'q'))",
    "interaction(c('a', 'b'), c('x', 'y'))",
    "cut(c(1, 5, 9), 3)",
    "matrix(1:6, 2)",
    "matrix(numeric(), 0, 3)",
    "matrix(c('a', 'b'), 1)",
    "matrix(list(1, 'a', NULL, TRUE), 2)",
    "diag(3)",
    "matrix(1:4, 2, dimnames = list(NULL, c('x', 'y')))",
    "matrix(1:4, 2, dimnames = list(r = c('a', 'b'), c = c('x', 'y')))",
    "array(1:24, c(2, 3, 4))",
    "array(1:3, 3)",
    "array(1:8, c(2, 2, 2), dimnames = list(NULL, c('a', 'b'), NULL))",
    "matrix(c(1i, 2, 3, 4), 2)",
    "matrix(as.raw(1:4), 2)",
    "matrix(c(TRUE, NA), 1)",
    "table(c('a', 'b', 'a'))",
    "table(x = c(1, 2, 1), y = c('a', 'b', 'b'))",
    "cor(cars)",
    "outer(1:3, 1:3)",
    "data.frame()",
    "data.frame(x = 1:3)",
    "data.frame(x = numeric())",
    "data.frame(z = 1:2, a = c('x', NA))",
    "data.frame(x = 1, row.names = 'r')",
    "data.frame(x = 1:3)[c(3, 1), , drop = FALSE]",
    "cars",
    "iris[c(1, 51, 101), ]",
    "mtcars[1:3, ]",
    "data.frame(a = 1:2, a = 3:4, check.names = FALSE)",
    "data.frame(d = as.Date('2026-11-22') + 0:1, f = factor(c('a', 'b')))",
    "data.frame(m = I(matrix(1:4, 2)))",
    "local({ d <- data.frame(i = 1:2); d$l <- list(1, 'a'); d })",
    "airquality[1:5, ]",
    "expand.grid(a = 1:2, b = c('x', 'y'))",
    "aggregate(dist ~ speed, cars[1:9, ], mean)",
    "head(warpbreaks)",
    "ToothGrowth[1:4, ]",
    "as.Date('2026-11-22')",
    "as.Date(c('2000-02-29', NA))",
    "as.Date(integer())",
    "structure(20000L, class = 'Date')",
    "as.Date(Inf)",
    "seq(as.Date('2026-01-31'), by = 'month', length.out = 3)",
    "as.POSIXct('2026-11-22 20:00:00', tz = 'UTC')",
    "as.POSIXct(c(0, NA), origin = '1970-01-01', tz = 'UTC')",
    "as.POSIXct('2026-07-01 12:00', tz = 'Europe/Berlin')",
    "structure(1.5, class = c('POSIXct', 'POSIXt'))",
    "structure(0L, class = c('POSIXct', 'POSIXt'), tzone = 'UTC')",
    "as.POSIXlt('2026-11-22 20:00:00', tz = 'UTC')",
    "as.POSIXlt(as.POSIXct(1e9, tz = 'America/New_York', origin = '1970-01-01'))",
    "as.POSIXlt(c('2026-01-01', NA), tz = 'UTC')",
    "as.POSIXlt('2026-07-01', tz = 'Europe/Berlin')",
    "strptime('10:30', '%H:%M', tz = 'UTC')$min",
    "as.difftime(5, units = 'mins')",
    "as.difftime(c(1, NA), units = 'days')",
    "as.Date('2026-11-22') - as.Date('2026-11-01')",
    "structure(5L, class = 'difftime', units = 'secs')",
    "ISOdate(2026, 11, 22)",
    "ts(1:12, start = c(2026, 1), frequency = 12)",
    "ts(matrix(1:4, 2), names = c('a', 'b'))",
    "AirPassengers",
    "window(Nile, 1871, 1880)",
    "quote(x)",
    "quote(f())",
    "quote(f(x + 1, k = 'a'))",
    "quote(a$b)",
    "quote(a[[1]])",
    "quote(if (a) b else c)",
    "quote(`my var` + 1)",
    "quote(for (i in 1:10) print(i))",
    "quote({ a; b })",
    "quote(x <- -1)",
    "quote((a + b) * c)",
    "quote(!a && b || c)",
    "quote(f(g(h(1L, NULL, TRUE, 'x'))))",
    "quote(pkg::name(1))",
    "quote(a %in% b)",
    "quote(~ x)",
    "as.call(list(as.name('f'), 1:3))",
    "quote(f(a = 1, b = ))[1:2]",
    "quote(while (TRUE) break)",
    "quote(function() 1)[-4]",
    "call('sum', 1, c(2, 3))",
    "bquote(x + .(1))",
    "expression()",
    "expression(a)",
    "expression(a, 1, f(x))",
    "expression(u = a + 1, 'text')",
    "structure(expression(a), note = 1)",
    "parse(text = '1 + 1; f(x)', keep.source = FALSE)",
    "D(expression(x^2), 'x')",
    "deriv(quote(x^2), 'x')[[1]][[2]]",
    "pairlist(a = 1)",
    "pairlist(1, b = 'x', NULL)",
    "pairlist(a = quote(f(x)))",
    "as.pairlist(list(1, 2))",
    "structure(pairlist(a = 1), note = 'kept')",
    "structure(quote(f(x)), note = 'kept')",
    "structure(list(), class = 'empty')",
    "structure(list(a = 1), class = c('x', 'y'))",
    "I('as is')",
    "noquote('n')",
    "numeric_version('1.2.3')",
    "R.version$major",
    "as.octmode(8L)",
    "as.hexmode(255L)",
    "package_version('4.2.2')",
    "summary(c(1, 2, 3))",
    "quantile(1:9)",
    "summary(factor(c('a', 'b', 'a')))",
    "range(cars$dist)",
    "rle(c(1, 1, 2))",
    "strsplit('a,b', ',')",
    "coef(lm(dist ~ speed, cars))",
    "unclass(lm(dist ~ speed, cars)$qr)$qr",
    "residuals(lm(dist ~ speed, cars))",
    "hist(1:9, plot = FALSE)$counts",
    "density(1:5)$bw",
    "cor.test(cars$speed, cars$dist)$p.value",
    "prcomp(cars)$rotation",
    "svd(diag(2))",
    "eigen(diag(2))$values",
    "table(cut(c(1, 5, 9), 3), c('a', 'b', 'a'))",
    "xtabs(~ cyl + gear, mtcars)[1:2, 1]",
    "by(cars$dist, cars$speed > 15, mean)[1:2]",
    "tapply(cars$dist, cars$speed > 15, mean)",
    "split(1:4, c('a', 'b'))",
    "do.call(rbind, list(1:2, 3:4))",
    "Sys.getenv('HOME')",
    "letters",
    "month.name",
    "state.abb",
    "islands",
    "as.table(matrix(1:4, 2))",
    "ftable(Titanic)[1:2, ]",
    "Titanic",
    "HairEyeColor[, , 1]",
    "euro.cross[1:2, 1:2]",
    "new('numeric')",
    "local({ setClass('P', representation(x = 'numeric', y = 'list')); new('P', x = 1, y = list('a')) })",
    "local({ setClass('Q', representation(p = 'P')); new('Q', p = new('P', x = 2)) })",
    "as.list(1:3)",
    "rapply(list(1, 'a'), toupper, 'character', how = 'replace')",
    "Reduce(`+`, 1:4, accumulate = TRUE)",
    "mapply(rep, 1:3, 3:1)",
    "array(list(), 0)",
    "bitwAnd(12L, 10L)",
    "strtoi('ff', 16L)",
    "utf8ToInt('a')",
    "regmatches('a1b22', gregexpr('[0-9]+', 'a1b22'))",
    "regexpr('b', 'abc')",
    "gregexpr('a', 'banana')",
    "sprintf('%05.2f', pi)",
    "format(Sys.Date(), '%Y') > '2000'",
    "numeric(1000)",
    "seq_len(5000)",
    "rep(c('a', 'bb', NA), 3000)",
    "as.raw(rep(0:255, 300))",
    "rep(c(TRUE, NA), 40000)",
    "complex(real = 1:9000, imaginary = 0)",
    "as.list(1:9000)",
    "data.frame(a = seq(0, 1, length.out = 20000), b = rep(letters, length.out = 20000))",
    "matrix(runif(1), 300, 300)",
    "list(seq(0, 9, length.out = 30000), rep('text', 30000), list(1:30000 + 0L))",
    "structure(numeric(20000), note = rep('n', 20000))",
    "setNames(as.list(1:5000), paste0('n', 1:5000))",
    "strrep('x', 200000)",
    "c(strrep('x', 70000), NA, strrep('y', 70000))",
];

/// Values that are refused when they are to go back, and why.
const REFUSED: &[(&str, &str)] = &[
    ("function(x) x", "functions cannot be sent"),
    (
        "local({ f <- function(x, ...) x + 1; f })",
        "functions cannot be sent",
    ),
    ("list(1, mean)", "functions cannot be sent"),
    (
        "globalenv()",
        "environments, external pointers and bytecode cannot be sent",
    ),
    (
        "new.env()",
        "environments, external pointers and bytecode cannot be sent",
    ),
    (
        "sum",
        "environments, external pointers and bytecode cannot be sent",
    ),
    ("list(quote(expr = ))", "a name is empty"),
    ("quote(x[, 1])", "a name is empty"),
    ("formals(function(x, y = 2) 1)", "a name is empty"),
    (
        "y ~ x",
        "environments, external pointers and bytecode cannot be sent",
    ),
    (
        "compiler::compile(quote(1 + x))",
        "environments, external pointers and bytecode cannot be sent",
    ),
    (
        "methods::new('externalptr')",
        "environments, external pointers and bytecode cannot be sent",
    ),
    ("ecdf(1:3)", "functions cannot be sent"),
];

/// Values that come back otherwise than they went, and why. `%s` in the code stands for what came back.
const CHANGED: &[(&str, &str)] = &[
    // QAP1 has no bit for it: R then treats these as objects of S3, with the same class and content.
    (
        "local({ setClass('N', contains = 'numeric'); new('N', 1) })",
        "isVirtualClass('N') || (!isS4(.back) && identical(as.numeric(.back), 1) && inherits(.back, 'N'))",
    ),
    // Not UTF-8, and so no text: each wrong byte comes back as U+FFFD.
    ("'a\\xffb'", "identical(.back, 'a\\ufffdb')"),
];

const STRICT: &str = "identical(.x, .back, num.eq = FALSE, single.NA = FALSE, attrib.as.set = FALSE, ignore.bytecode = FALSE)";

async fn back(c: &mut Connection, code: &str) -> Result<(), Error> {
    c.eval(&format!(".x <- ({{ {code} }}); 0")).await?;
    let value = c.eval(".x").await?;
    c.assign(".back", &value).await
}

#[tokio::test]
async fn values_come_back_identical() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    let mut failures = Vec::new();
    let mut rows = 0;
    let shaped = SHAPES.iter().flat_map(|shape| {
        VECTORS
            .iter()
            .map(move |vector| shape.replace("{}", vector))
    });
    for code in shaped.chain(OTHERS.iter().map(|&code| code.to_owned())) {
        rows += 1;
        match back(&mut c, &code).await {
            Ok(()) => {
                if c.eval(STRICT).await.unwrap().as_bool() != Some(true) {
                    failures.push(format!("{code}: not identical"));
                }
            }
            Err(error) => failures.push(format!("{code}: {error}")),
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {rows}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(rows > 500, "{rows} rows");
}

#[tokio::test]
async fn what_cannot_go_back_is_refused_with_the_reason() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    for (code, reason) in REFUSED {
        match back(&mut c, code).await {
            Err(error @ Error::Invalid { .. }) => {
                assert!(error.to_string().contains(reason), "{code}: {error}");
            }
            other => panic!("{code}: {other:?}"),
        }
        assert!(c.is_usable());
    }
    for (code, holds) in CHANGED {
        back(&mut c, code).await.unwrap();
        assert_eq!(
            c.eval(STRICT).await.unwrap().as_bool(),
            Some(false),
            "{code} has become the same: move it up"
        );
        assert_eq!(c.eval(holds).await.unwrap().as_bool(), Some(true), "{code}");
    }
}

/// Calls as text, against R's own `deparse`.
#[tokio::test]
async fn calls_read_as_r_writes_them() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    for code in [
        "x",
        "f()",
        "f(x + 1, k = \"a\")",
        "a$b",
        "a@b",
        "a[[1]]",
        "x[, 1]",
        "x[1, drop = FALSE]",
        "if (a) b else c",
        "if (a) b",
        "for (i in 1:10) print(i)",
        "while (TRUE) break",
        "repeat next",
        "(a + b) * c",
        "!a && b || c",
        "-x^2",
        "a/b",
        "a:b",
        "x <- -1",
        "x <<- 1",
        "pkg::name(1)",
        "pkg:::name",
        "a %in% b",
        "~x",
        "y ~ a + b",
        "`my var` + 1",
        "f(`a b` = 1)",
        "f(1L, NULL, TRUE, NA, \"x\\n\")",
        "1e+05",
        "100000L",
        "1e-04",
        "0.1",
        "123456",
        "1e+300",
        "3.14159265358979",
        "a == b",
        "a != b",
        "a <= b",
        "f(g(h(1)))",
        "function(x, y = 2, ...) x + y",
        "function() NULL",
        "(function(x) x)(1)",
        "f(x)(y)",
        "x$`a b`",
        "NA_character_ == x",
    ] {
        let shown = c.eval(&format!("quote({code})")).await.unwrap().to_json();
        let r = c
            .eval(&format!("paste(deparse(quote({code})), collapse = ' ')"))
            .await
            .unwrap();
        let text = shown.get("text").unwrap_or(&shown);
        match text.as_str() {
            Some(text) if shown.is_object() => assert_eq!(Some(text), r.as_str(), "{code}"),
            // A constant is no call.
            _ => assert!(text.is_number() || text.is_object(), "{code}: {text}"),
        }
    }
}
