//! Names of nodes, folded into the shortest text that means them.
//!
//! **Invariant:** what is folded, expands to the same names.

use std::collections::BTreeMap;

use super::Ordered;
use crate::model::NodeName;

/// Letters before and after the last number of a name, and how wide that is written: what ranges are made within.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape<'a> {
    before: &'a str,
    after: &'a str,
    /// Of a number that begins with a zero; others are as wide as they are.
    width: usize,
}

/// `node[001-003,007]`, in the order of the first name of each part.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a NodeName>) -> String {
    let mut sorted: Vec<Ordered> = names.into_iter().cloned().map(Ordered).collect();
    sorted.sort();
    sorted.dedup();
    let mut parts: Vec<String> = Vec::new();
    let mut numbers: BTreeMap<Shape<'_>, (usize, Vec<u64>)> = BTreeMap::new();
    for Ordered(name) in &sorted {
        match shape(name.as_str()) {
            Some((shape, number)) => {
                let (_, known) = numbers.entry(shape).or_insert_with(|| {
                    parts.push(String::new());
                    (parts.len() - 1, Vec::new())
                });
                known.push(number);
            }
            None => parts.push(name.to_string()),
        }
    }
    for (Shape { before, after, width }, (part, numbers)) in numbers {
        parts[part] = match numbers.as_slice() {
            [one] => format!("{before}{one:0width$}{after}"),
            several => format!("{before}[{}]{after}", ranges(several, width)),
        };
    }
    parts.join(",")
}

/// The last number of a name, where it has one that fits.
fn shape(name: &str) -> Option<(Shape<'_>, u64)> {
    let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
    let begin = name[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let digits = &name[begin..end];
    if digits.len() > 18 {
        return None;
    }
    let width = if digits.starts_with('0') { digits.len() } else { 0 };
    Some((Shape { before: &name[..begin], after: &name[end..], width }, digits.parse().ok()?))
}

/// Of numbers in order.
fn ranges(numbers: &[u64], width: usize) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number && same_width(*last, *number, width) => *last = *number,
            Some(_) | None => runs.push((*number, *number)),
        }
    }
    let shown = |(first, last): &(u64, u64)| {
        if first == last { format!("{first:0width$}") } else { format!("{first:0width$}-{last:0width$}") }
    };
    runs.iter().map(shown).collect::<Vec<_>>().join(",")
}

/// A range has one width; a number that grew out of its zeroes is in another shape already.
fn same_width(last: u64, number: u64, width: usize) -> bool {
    width == 0 || format!("{last:0width$}").len() == format!("{number:0width$}").len()
}
