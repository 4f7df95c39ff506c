//! Sorting, compiled once for all kinds of items: places are sorted, then the items go to them.

use std::cmp::Ordering;

/// Sorts; items that compare as equal stay as they were.
pub fn sort<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let places = places(items.len(), &|a, b| compare(&items[a], &items[b]));
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(places.into_iter().filter_map(|place| taken[place].take()));
}

/// The places of the items in their new order: a merge sort, a tenth of the size of the library's.
fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    let mut run = 1;
    while run < count {
        let mut merged = Vec::with_capacity(count);
        for pair in places.chunks(2 * run) {
            let (mut left, mut right) = pair.split_at(run.min(pair.len()));
            while let (Some((a, after_a)), Some((b, after_b))) =
                (left.split_first(), right.split_first())
            {
                if compare(*b, *a).is_lt() {
                    merged.push(*b);
                    right = after_b;
                } else {
                    merged.push(*a);
                    left = after_a;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        places = merged;
        run *= 2;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_items_stay_in_order() {
        let mut words = vec!["pear", "fig", "apple", "kiwi", "plum"];
        sort(&mut words, |a, b| a.len().cmp(&b.len()));
        assert_eq!(words, ["fig", "pear", "kiwi", "plum", "apple"]);
        sort(&mut words, |a, b| b.cmp(a));
        assert_eq!(words, ["plum", "pear", "kiwi", "fig", "apple"]);
        for count in 0..70_u32 {
            let mut mixed: Vec<(u32, u32)> = (0..count).map(|n| (n * 7 % 5, n)).collect();
            let mut expected = mixed.clone();
            sort(&mut mixed, |a, b| a.0.cmp(&b.0));
            expected.sort_unstable();
            assert_eq!(mixed, expected);
        }
        let mut none: Vec<u8> = Vec::new();
        sort(&mut none, Ord::cmp);
        assert!(none.is_empty());
    }
}
