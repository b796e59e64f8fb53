//! Owns "did you mean": the nearest existing names to one that does not exist.
//! Does not know what is being named.

/// At most this many suggestions.
const MOST: usize = 3;

/// The names closest to `wanted`, best first; empty when nothing is close.
pub fn nearest<'a>(wanted: &str, existing: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let close = wanted.chars().count() / 3 + 1;
    let mut ranked: Vec<(usize, &str)> = existing
        .into_iter()
        .map(|name| (distance(wanted, name), name))
        .filter(|(distance, name)| *distance <= close || contains_either(wanted, name))
        .collect();
    ranked.sort();
    ranked.dedup();
    ranked.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// A sentence for a hint, `None` without a suggestion.
pub fn did_you_mean<'a>(
    wanted: &str,
    existing: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let names = nearest(wanted, existing);
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}

fn contains_either(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    short.len() >= 3 && long.contains(short)
}

/// Insertions, deletions and replacements that turn one into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(
            (distance("", "abc"), distance("kitten", "sitting"), distance("a", "a")),
            (3, 3, 0)
        );
    }

    #[test]
    fn suggests_only_what_is_close() {
        let names = ["fd_write", "fd_read", "proc_exit"];
        assert_eq!(did_you_mean("fd_wirte", names).unwrap(), "did you mean `fd_write`?");
        assert_eq!(nearest("start", ["_start", "main"]), ["_start"]);
        assert_eq!(did_you_mean("zzzzzzzz", names), None);
    }
}
