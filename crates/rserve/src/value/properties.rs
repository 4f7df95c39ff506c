//! What must hold for all bytes, values and JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::{Complex, Data, Value, decode, encode};
use crate::qap;

fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,12}"
}

fn symbol() -> impl Strategy<Value = String> {
    "[^\0]{1,12}"
}

/// Doubles by their bits, NaNs of all kinds included.
fn double() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn leaf() -> impl Strategy<Value = Data> {
    prop_oneof![
        Just(Data::Null),
        vec(option::of(any::<bool>()), 0..9).prop_map(Data::Logical),
        vec(option::of((i32::MIN + 1)..=i32::MAX), 0..9).prop_map(Data::Integer),
        vec(double(), 0..9).prop_map(Data::Double),
        vec(
            (double(), double()).prop_map(|(re, im)| Complex { re, im }),
            0..5
        )
        .prop_map(Data::Complex),
        vec(option::of(text()), 0..9).prop_map(Data::Text),
        vec(any::<u8>(), 0..9).prop_map(Data::Raw),
        symbol().prop_map(Data::Symbol),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = (leaf(), Just(Vec::new())).prop_map(|(data, attributes)| Value { data, attributes });
    leaf.prop_recursive(4, 40, 5, |inner| {
        let tagged = vec((option::of(symbol()), inner.clone()), 1..5).boxed();
        let data = prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Data::List),
            tagged.clone().prop_map(Data::Pairs),
            tagged.prop_map(Data::Language),
        ];
        (data, vec((symbol(), inner), 0..3))
            .prop_map(|(data, attributes)| Value { data, attributes })
    })
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        any::<f64>()
            .prop_filter("finite", |x| x.is_finite())
            .prop_map(Json::from),
        text().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Json::Array),
            btree_map("[a-z]{0,5}", inner, 0..5)
                .prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_decode_or_fail_without_panic(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(value) = decode(&bytes) {
            value.to_json();
        }
        qap::first_parameter(&bytes);
    }

    /// Bytes that look like values more than random ones do: types that exist, lengths that nearly fit.
    #[test]
    fn nearly_right_bytes_do_not_panic_either(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = encode(&value).unwrap();
        let position = at.index(bytes.len());
        bytes[position] = byte;
        if let Ok(value) = decode(&bytes) {
            value.to_json();
        }
        bytes.truncate(cut.index(bytes.len()));
        let _ = decode(&bytes);
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same(value in value()) {
        let bytes = encode(&value).unwrap();
        let back = decode(&bytes).unwrap();
        // By bytes, because NaN is not equal to itself.
        prop_assert_eq!(encode(&back).unwrap(), bytes);
    }

    /// Not the same JSON: a vector of length one loses its array, as in `[[1]]`.
    #[test]
    fn json_of_a_value_is_refused_or_becomes_a_value_that_r_can_take(value in value()) {
        if let Ok(back) = Value::from_json(&value.to_json()) {
            prop_assert!(encode(&back).is_ok());
        }
    }

    #[test]
    fn any_json_reaches_r_and_comes_back_as_it_was_understood(json in json()) {
        let value = Value::from_json(&json).unwrap();
        let back = decode(&encode(&value).unwrap()).unwrap();
        prop_assert_eq!(back.to_json(), value.to_json());
    }

    #[test]
    fn objects_and_longer_arrays_keep_their_json(items in btree_map("[a-z]{1,5}", vec(any::<i32>(), 2..5), 1..5)) {
        let json = serde_json::json!(items);
        prop_assert_eq!(Value::from_json(&json).unwrap().to_json(), json);
    }
}
