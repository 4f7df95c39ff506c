//! What two sequences have in common, by E. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986, in linear space.
#![allow(
    clippy::cast_sign_loss,
    reason = "places on diagonals count from below zero; those of items never are"
)]

/// Stretches that two sequences have in common, in order: where they begin at the left and at the right, and how long they are.
pub(super) fn common(
    old: &[usize],
    new: &[usize],
    (left, right): (usize, usize),
    found: &mut Vec<(usize, usize, usize)>,
) {
    let alike = |(a, b): &(&usize, &usize)| a == b;
    let head = old.iter().zip(new).take_while(alike).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(alike)
        .count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    if head > 0 {
        found.push((left, right, head));
    }
    let (left, right) = (left + head, right + head);
    if let Some((x, y)) = middle(old, new) {
        common(&old[..x], &new[..y], (left, right), found);
        common(&old[x..], &new[y..], (left + x, right + y), found);
    }
    if tail > 0 {
        found.push((left + old.len(), right + new.len(), tail));
    }
}

/// A point in the middle of a shortest way from one sequence to the other, searched from both ends; none when they have nothing in common.
fn middle(old: &[usize], new: &[usize]) -> Option<(usize, usize)> {
    let (n, m) = (old.len() as isize, new.len() as isize);
    let most = (n + m + 1) / 2;
    // How far one comes on each diagonal, which counts from -most - 1: from the front, and from the back.
    let mut reach = [
        vec![0; 2 * most as usize + 3],
        vec![0; 2 * most as usize + 3],
    ];
    let at = |diagonal: isize| (diagonal + most + 1) as usize;
    for steps in 0..=most {
        for back in [false, true] {
            let side = usize::from(back);
            for diagonal in (-steps..=steps).step_by(2) {
                let (below, above) = (reach[side][at(diagonal - 1)], reach[side][at(diagonal + 1)]);
                let down = diagonal == -steps || (diagonal != steps && below < above);
                let from = if down { above } else { below + 1 };
                let same = |x: isize| {
                    let y = x - diagonal;
                    let (x, y) = if back { (n - 1 - x, m - 1 - y) } else { (x, y) };
                    (0..n).contains(&x) && (0..m).contains(&y) && old[x as usize] == new[y as usize]
                };
                let mut x = from;
                while same(x) {
                    x += 1;
                }
                reach[side][at(diagonal)] = x;
                // The ways meet on the diagonal that is this one, seen from the other end.
                let across = n - m - diagonal;
                let tried = if back { steps } else { steps - 1 };
                let parity = (n - m) % 2 == 0;
                if parity == back && across.abs() <= tried && x + reach[1 - side][at(across)] >= n {
                    let (x, y) = (from, from - diagonal);
                    let (x, y) = if back { (n - x, m - y) } else { (x, y) };
                    let inside = (0..=n).contains(&x) && (0..=m).contains(&y);
                    let corner = x + y == 0 || x + y == n + m;
                    return (inside && !corner).then_some((x as usize, y as usize));
                }
            }
        }
    }
    None
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    /// The length of the longest common subsequence, by the textbook's table.
    fn longest(old: &[usize], new: &[usize]) -> usize {
        let mut table = vec![vec![0; new.len() + 1]; old.len() + 1];
        for i in (0..old.len()).rev() {
            for j in (0..new.len()).rev() {
                table[i][j] = if old[i] == new[j] {
                    table[i + 1][j + 1] + 1
                } else {
                    table[i + 1][j].max(table[i][j + 1])
                };
            }
        }
        table[0][0]
    }

    proptest! {
        #[test]
        fn all_that_is_common_is_found_in_order(old in prop::collection::vec(0_usize..5, 0..16), new in prop::collection::vec(0_usize..5, 0..16)) {
            let mut found = Vec::new();
            common(&old, &new, (0, 0), &mut found);
            let (mut left, mut right) = (0, 0);
            for (i, j, length) in &found {
                prop_assert!(*i >= left && *j >= right && *length > 0);
                prop_assert_eq!(&old[*i..i + length], &new[*j..j + length]);
                (left, right) = (i + length, j + length);
            }
            prop_assert_eq!(found.iter().map(|stretch| stretch.2).sum::<usize>(), longest(&old, &new));
        }
    }
}
