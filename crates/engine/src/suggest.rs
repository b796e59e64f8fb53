//! Owns finding names that were probably meant.
//! Does not own the lists of names.

/// Most names suggested.
const MOST: usize = 3;
/// Names longer than this are not compared: the work is the product of the lengths.
const LONGEST: usize = 200;

/// Number of insertions, deletions, substitutions and swaps of neighbours that turn one name into the other, ignoring case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for (i, &x) in a.iter().enumerate() {
        let [older, above, row] = &mut rows;
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = above[j] + usize::from(x != y);
            row[j + 1] = substituted.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                row[j + 1] = row[j + 1].min(older[j - 1] + 1);
            }
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

/// The names nearest to `wanted`, nearest first: at most a few, none that is very different or much farther than the first.
pub(crate) fn nearest<'n>(wanted: &str, known: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    if wanted.len() > LONGEST {
        return Vec::new();
    }
    let limit = wanted.chars().count().div_ceil(3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter(|name| name.len() <= LONGEST)
        .map(|name| (distance(wanted, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.dedup();
    let best = near.first().map_or(0, |(distance, _)| *distance);
    let near = near.into_iter().take_while(|(distance, _)| *distance <= best + 1);
    near.take(MOST).map(|(_, name)| name).collect()
}

/// The end of a message: `; did you mean …?`, or what there is if that is little, or nothing.
pub(crate) fn hint<'n>(wanted: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    let list = |names: &[&str]| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    };
    let near = nearest(wanted, known.iter().copied());
    match (near.is_empty(), known.len()) {
        (false, _) => format!("; did you mean {}?", list(&near)),
        (true, 1..=8) => format!("; there is {}", list(&known)),
        (true, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{distance, hint, nearest};

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("fd_wirte", "fd_write", 1),
            ("Print", "print", 0),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn suggests_near_names_first() {
        let known = ["fd_write", "fd_read", "fd_pwrite", "proc_exit"];
        assert_eq!(nearest("fd_writ", known), ["fd_write", "fd_pwrite"]);
        assert!(nearest("something_else", known).is_empty());
        assert_eq!(hint("x", ["alpha"]), "; there is `alpha`");
        assert_eq!(hint("x", []), "");
        assert_eq!(hint("alhpa", ["alpha", "beta"]), "; did you mean `alpha`?");
    }
}
