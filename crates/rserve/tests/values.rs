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
            json!({"type": "opaque", "what": "function"}),
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
