//! Values that a real R sends and takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Node;
use gridhelm_rserve::{Data, Error, NA_REAL, Value};
use serde_json::{Value as Json, json};

#[tokio::test]
#[allow(clippy::too_many_lines)] // one table
async fn values_of_r_become_json() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    assert_eq!(
        (
            c.handshake().version.as_str(),
            c.handshake().protocol.as_str()
        ),
        ("0103", "QAP1")
    );
    assert!(c.handshake().needs_sign_in());
    for (code, expected) in [
        ("NULL", Json::Null),
        ("1L", json!(1)),
        ("NA", Json::Null),
        ("NA_character_", Json::Null),
        (
            "c(1, NA, NaN, Inf, -Inf)",
            json!([1, null, "NaN", "Inf", "-Inf"]),
        ),
        ("c(1L, NA)", json!([1, null])),
        ("c(TRUE, NA, FALSE)", json!([true, null, false])),
        ("c('a', NA, 'ø', '')", json!(["a", null, "ø", ""])),
        ("character()", json!([])),
        ("list()", json!([])),
        ("list(1, 'a', NULL)", json!([1, "a", null])),
        (
            "list(a = 1, b = list(c = TRUE))",
            json!({"a": 1, "b": {"c": true}}),
        ),
        ("c(x = 1, y = 2)", json!({"x": 1, "y": 2})),
        (
            "list(a = 1, 2)",
            json!({"type": "named", "names": ["a", ""], "values": [1, 2]}),
        ),
        (
            "factor(c('b', NA, 'a'))",
            json!({"type": "factor", "levels": ["a", "b"], "values": ["b", null, "a"]}),
        ),
        (
            "matrix(1:4, 2, dimnames = list(NULL, c('x', 'y')))",
            json!({"type": "matrix", "dim": [2, 2], "dimnames": [null, ["x", "y"]], "values": [1, 2, 3, 4]}),
        ),
        (
            "data.frame(z = 1:2, a = c('x', NA))",
            json!({"type": "data.frame", "rows": 2, "columns": {"z": [1, 2], "a": ["x", null]}}),
        ),
        (
            "data.frame(x = 1, row.names = 'r')",
            json!({"type": "data.frame", "rows": 1, "columns": {"x": [1]}, "row_names": ["r"]}),
        ),
        (
            "data.frame()",
            json!({"type": "data.frame", "rows": 0, "columns": {}}),
        ),
        ("as.Date('2026-11-22')", json!("2026-11-22")),
        (
            "as.POSIXct(c(0, NA), tz = 'UTC', origin = '1970-01-01')",
            json!(["1970-01-01T00:00:00.000Z", null]),
        ),
        ("as.raw(c(0, 255))", json!({"type": "raw", "hex": "00ff"})),
        (
            "complex(real = 1, imaginary = -2)",
            json!({"type": "complex", "re": [1], "im": [-2]}),
        ),
        (
            "quote(f(x + 1, k = 'a'))",
            json!({"type": "language", "text": "f(x + 1, k = \"a\")"}),
        ),
        ("quote(x)", json!({"type": "language", "text": "x"})),
        (
            "y ~ a + b",
            json!({"type": "language", "text": "y ~ a + b"}),
        ),
        (
            "globalenv()",
            json!({"type": "opaque", "what": "environment"}),
        ),
        (
            "function(x) x",
            json!({"type": "opaque", "what": "function", "text": "function(x) x"}),
        ),
        (
            "round(unname(coef(lm(dist ~ speed, cars))), 3)",
            json!([-17.579, 3.932]),
        ),
        (
            "expression(a, 1)",
            json!([{"type": "language", "text": "a"}, 1]),
        ),
        ("pairlist(a = 1)", json!({"a": 1})),
        (
            "factor(c('lo', NA), levels = c('lo', 'hi'), ordered = TRUE)",
            json!({"type": "factor", "levels": ["lo", "hi"], "values": ["lo", null], "ordered": true}),
        ),
        (
            "addNA(factor(c('a', NA)))",
            json!({"type": "factor", "levels": ["a", null], "values": ["a", null]}),
        ),
        (
            "setNames(factor('u'), 'p')",
            json!({"type": "named", "names": ["p"], "values": {"type": "factor", "levels": ["u"], "values": ["u"]}}),
        ),
        (
            "data.frame(x = 1:3)[c(3, 1), , drop = FALSE]",
            json!({"type": "data.frame", "rows": 2, "columns": {"x": [3, 1]}, "row_names": [3, 1]}),
        ),
        (
            "data.frame(a = 1, a = 2, check.names = FALSE)",
            json!({"type": "data.frame", "rows": 1, "columns": {"a": [1], "column 2": [2]}, "names": ["a", "a"]}),
        ),
        (
            "data.frame(f = factor(c('a', 'b')))",
            json!({"type": "data.frame", "rows": 2, "columns": {"f": {"type": "factor", "levels": ["a", "b"], "values": ["a", "b"]}}}),
        ),
        (
            "table(x = c('a', 'b', 'a'))",
            json!({"type": "matrix", "dim": [2], "dimnames": [["a", "b"]], "axes": ["x"], "values": [2, 1]}),
        ),
        (
            "matrix(c(1i, 2), 1)",
            json!({"type": "matrix", "dim": [1, 2], "values": {"type": "complex", "re": [0, 2], "im": [1, 0]}}),
        ),
        (
            "array(1:8, c(2, 2, 2))",
            json!({"type": "matrix", "dim": [2, 2, 2], "values": [1, 2, 3, 4, 5, 6, 7, 8]}),
        ),
        ("structure(20779L, class = 'Date')", json!("2026-11-22")),
        (
            "as.Date(c(-719528, 2932896), origin = '1970-01-01')",
            json!(["0000-01-01", "9999-12-31"]),
        ),
        ("as.Date(NA)", Json::Null),
        (
            "as.POSIXct('2026-07-01 12:00', tz = 'Europe/Berlin')",
            json!("2026-07-01T10:00:00.000Z"),
        ),
        (
            "as.POSIXlt('2026-07-01 12:00:01.5', tz = 'UTC')",
            json!("2026-07-01T12:00:01.500Z"),
        ),
        (
            "as.POSIXlt(as.POSIXct('2026-07-01 12:00', tz = 'Europe/Berlin'))",
            json!("2026-07-01T10:00:00.000Z"),
        ),
        (
            "as.POSIXlt(c('2024-02-29', NA), tz = 'America/New_York')",
            json!(["2024-02-29T00:00:00.000", null]),
        ),
        (
            "as.difftime(c(5, NA), units = 'mins')",
            json!({"type": "difftime", "units": "mins", "values": [5, null]}),
        ),
        (
            "structure(4.94065645841247e-324, class = 'integer64')",
            json!(1),
        ),
        (
            "local({ setClass('P', representation(x = 'numeric')); new('P', x = 1) })",
            json!({"type": "opaque", "what": "S4 object", "class": "P", "slots": {"x": 1}}),
        ),
        ("sum", json!({"type": "opaque", "what": "builtin function"})),
        (
            "methods::new('externalptr')",
            json!({"type": "opaque", "what": "external pointer"}),
        ),
        (
            "compiler::compile(quote(1 + x))",
            json!({"type": "opaque", "what": "bytecode"}),
        ),
        (
            "compiler::cmpfun(function(x, y = 2) x + y)",
            json!({"type": "opaque", "what": "function", "text": "function(x, y = 2) <bytecode>"}),
        ),
        (
            "function(x, ...) { if (x > 1) x[, 1] else -x }",
            json!({"type": "opaque", "what": "function", "text": "function(x, ...) { if (x > 1) x[, 1] else -x }"}),
        ),
        (
            "list(mean = 1, f = globalenv())",
            json!({"mean": 1, "f": {"type": "opaque", "what": "environment"}}),
        ),
        ("pairlist(1, 2)", json!([1, 2])),
        (
            "c(a = 1i)",
            json!({"type": "named", "names": ["a"], "values": {"type": "complex", "re": [0], "im": [1]}}),
        ),
        ("0.1 + 0.2", json!(0.300_000_000_000_000_04)),
        ("-0", json!(-0.0)),
        ("2^53", json!(9_007_199_254_740_992.0)),
        (
            "Reduce(function(x, i) list(x), 1:60, 1)",
            (0..60).fold(json!(1), |inner, _| json!([inner])),
        ),
        (".Machine$integer.max", json!(2_147_483_647)),
        ("1e-320", json!(1e-320)),
    ] {
        assert_eq!(c.eval(code).await.unwrap().to_json(), expected, "{code}");
    }
    assert_eq!(
        c.eval("c(NA, TRUE)").await.unwrap().data,
        Data::Logical(vec![None, Some(true)])
    );
    let Data::Double(na) = c.eval("c(NA_real_, NaN)").await.unwrap().data else {
        panic!("doubles")
    };
    assert_eq!(
        (gridhelm_rserve::is_na(na[0]), gridhelm_rserve::is_na(na[1])),
        (true, false)
    );
}

#[tokio::test]
async fn values_sent_to_r_arrive_whole() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    for json in [
        json!([1, null, "NaN", "Inf", "-Inf"]),
        json!(["a", null, "ø \u{1f980}", "", "\u{ff}"]),
        json!([true, null, false]),
        json!({"a": 1, "b": {"c": [[1, 2], "x", null]}}),
        json!({"type": "factor", "levels": ["a", "b"], "values": ["b", null]}),
        json!({"type": "matrix", "dim": [2, 1], "dimnames": [["x", "y"], null], "values": [1, 2]}),
        json!({"type": "data.frame", "rows": 2, "columns": {"z": [1, 2], "a": ["x", null]}}),
        json!({"type": "raw", "hex": "0001ff"}),
        json!({"type": "complex", "re": [1, null], "im": [0, 2]}),
        json!({"type": "factor", "levels": ["a", null], "values": ["a", null], "ordered": true}),
        json!({"type": "difftime", "units": "mins", "values": [5, null]}),
        json!({"type": "matrix", "dim": [2], "dimnames": [["a", "b"]], "axes": ["x"], "values": [2, 1]}),
        json!({"type": "matrix", "dim": [1, 2], "values": {"type": "raw", "hex": "00ff"}}),
        json!({"type": "named", "names": ["a"], "values": {"type": "complex", "re": [0], "im": [1]}}),
        json!({"type": "data.frame", "rows": 2, "columns": {"x": [3, 1]}, "row_names": [3, 1]}),
        json!({"type": "data.frame", "rows": 1, "columns": {"a": [1], "column 2": [2]}, "names": ["a", "a"]}),
        json!({"type": "language", "text": "f(x)"}),
        json!(0.300_000_000_000_000_04),
    ] {
        c.assign("x", &Value::from_json(&json).unwrap())
            .await
            .unwrap();
        assert_eq!(c.eval("x").await.unwrap().to_json(), json);
    }
    c.assign(
        "d",
        &Value::from_json(
            &json!({"type": "data.frame", "columns": {"n": [1, 2, 3], "t": ["a", "b", "c"]}}),
        )
        .unwrap(),
    )
    .await
    .unwrap();
    let text = c
        .eval("paste(capture.output(str(d)), collapse = '|')")
        .await
        .unwrap();
    assert_eq!(
        text.as_str(),
        Some(
            "'data.frame':\t3 obs. of  2 variables:| $ n: num  1 2 3| $ t: chr  \"a\" \"b\" \"c\""
        )
    );
    c.assign("n", &Value::double(NA_REAL)).await.unwrap();
    assert_eq!(
        c.eval("is.na(n) && !is.nan(n)").await.unwrap().as_bool(),
        Some(true)
    );
    let big: Value = Data::Double((0..3_000_000).map(f64::from).collect()).into();
    c.assign("big", &big).await.unwrap();
    assert_eq!(
        c.eval("sum(big)").await.unwrap().as_f64(),
        Some(4_499_998_500_000.0),
        "a long header"
    );
    assert_eq!(c.eval("big").await.unwrap(), big);
    assert!(matches!(
        c.assign("x\0", &Value::null()).await,
        Err(Error::Invalid { .. })
    ));
    assert!(matches!(
        c.assign("x", &Data::Opaque(3).into()).await,
        Err(Error::Invalid { .. })
    ));
    assert_eq!(c.eval("1").await.unwrap().to_json(), json!(1));
}

/// More than this client takes is refused, and the session goes on.
#[tokio::test]
async fn what_is_too_deep_or_too_much_leaves_the_session_usable() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    for (code, reason) in [
        (
            "Reduce(function(x, i) list(x), 1:150, 1)",
            "more than 100 deep",
        ),
        (
            "Reduce(function(x, i) list(x, numeric(9000)), 1:150, 1)",
            "more than 100 deep",
        ),
        // (Of a list with as many single logicals Rserve 1.8 itself dies: it reckons their size too small.)
        ("as.list(1:5e6)", "strings"),
        ("character(2e7)", "strings"),
    ] {
        match c.eval(code).await {
            Err(error @ Error::Unreadable { .. }) => {
                assert!(error.to_string().contains(reason), "{error}");
                assert!(error.leaves_session_usable() && !error.session_lost());
            }
            other => panic!("{code}: {:?}", other.map(|v| v.len())),
        }
        assert_eq!(c.eval("1").await.unwrap().to_json(), json!(1), "{code}");
    }
}

/// What R would take unseen, and fall over later.
#[tokio::test]
async fn values_that_r_could_not_stand_are_not_sent() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    let with = |data: Data, name: &str, attribute: Value| Value {
        data,
        attributes: vec![(name.to_owned(), attribute)],
    };
    let two = || Data::Double(vec![1.0, 2.0]);
    for bad in [
        with(Data::Null, "note", Value::text("x")),
        with(Data::Symbol("x".into()), "note", Value::text("x")),
        with(Data::Pairs(vec![]), "note", Value::text("x")),
        with(
            two(),
            "dim",
            Data::Integer(vec![Some(1000), Some(1000)]).into(),
        ),
        with(two(), "dim", Data::Integer(vec![None]).into()),
        with(two(), "dim", Value::double(2.0)),
        with(two(), "names", Value::text("one")),
        with(two(), "class", Value::double(1.0)),
        with(two(), "dimnames", Data::List(vec![]).into()),
        with(two(), "", Value::text("x")),
        Data::Language(vec![]).into(),
        Data::S4.into(),
    ] {
        let error = c.assign("x", &bad).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{bad:?}: {error}");
    }
    assert_eq!(c.eval("1").await.unwrap().to_json(), json!(1));
}
