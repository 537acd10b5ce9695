//! Near misses: what was probably meant.

/// The names that are at most two slips from `typed` (one for short names), nearest first, at most three.
pub fn near<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let most = if typed.chars().count() < 4 { 1 } else { 2 };
    let mut close: Vec<(usize, &str)> =
        names.into_iter().map(|name| (distance(typed, name), name)).filter(|(far, _)| *far <= most).collect();
    close.sort_unstable();
    close.dedup();
    close.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(64).collect(), to.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let substituted = last[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found() {
        assert_eq!(near("unmae", ["uname", "free", "ps"]), ["uname"]);
        assert_eq!(near("dmseg", ["dmesg", "df"]), ["dmesg"]);
        assert_eq!(near("sh", ["ls", "ps", "df"]), Vec::<&str>::new());
        assert_eq!(near("helo", ["help", "head"]), ["help", "head"]);
    }
}
