//! Versions of packages, compared as R's `numeric_version` does.

use std::cmp::Ordering;

/// Compares two versions: number by number, `.` and `-` alike, a longer one being newer (`1.0` < `1.0.0`). Whatever is no
/// number counts as 0; two that are equal so are told apart by their letters, so that this is an order.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    numbers(a).cmp(numbers(b)).then_with(|| a.cmp(b))
}

fn numbers(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(['.', '-']).map(number)
}

/// A part without its leading zeros: the longer is the larger, of equally long ones the digits decide. No number is too large.
fn number(part: &str) -> (usize, &str) {
    if part.bytes().all(|b| b.is_ascii_digit()) {
        let digits = part.trim_start_matches('0');
        (digits.len(), digits)
    } else {
        (0, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_r_compares_them() {
        use Ordering::{Greater, Less};
        for (a, b, order) in [
            ("1.10", "1.9", Greater),
            ("1.8-7", "1.8.8", Less),
            ("1.0", "1.0.0", Less),
            ("0.99", "1.0", Less),
            ("2.0", "10.0", Less),
            (
                "99999999999999999999999",
                "99999999999999999999998",
                Greater,
            ),
        ] {
            assert_eq!(compare_versions(a, b), order, "{a} {b}");
            assert_eq!(compare_versions(b, a), order.reverse(), "{b} {a}");
        }
        assert_eq!(compare_versions("1.2", "1.2"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn it_is_an_order_that_follows_the_numbers(
            a in prop::collection::vec(0_u32..30, 1..4),
            b in prop::collection::vec(0_u32..30, 1..4),
            c in ".{0,8}",
        ) {
            let text = |v: &[u32]| v.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
            let (x, y) = (text(&a), text(&b));
            prop_assert_eq!(compare_versions(&x, &y), a.cmp(&b));
            prop_assert_eq!(compare_versions(&x, &c), compare_versions(&c, &x).reverse());
        }
    }
}
