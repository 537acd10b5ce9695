//! Sets of nodes as administrators write them: `node[001-100,205]`, `@ml!node007`, `a[1-4]&b`.
//!
//! **Invariant:** a set holds node names only, in the order of their numbers, each once, and no more than `MOST`.
//! The operators are those of ClusterShell, read from left to right: `,` both, `!` without, `&` in both, `^` in one only.
//! **Not here:** which nodes a vCluster has; whoever expands a set is asked.

mod fold;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::model::{NodeName, VCluster};
pub use fold::fold;

/// More nodes than one line can mean.
pub const MOST: usize = 65_536;

/// A set that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}, at character {at}: {why}", at = at + 1)]
pub struct InvalidSet {
    /// As it was written.
    pub text: String,
    /// Which byte it is about.
    pub at: usize,
    /// One sentence.
    pub why: String,
}

/// Why a set was not expanded.
#[derive(Debug, thiserror::Error)]
pub enum Unexpanded<E> {
    /// It cannot be read.
    #[error(transparent)]
    Invalid(#[from] InvalidSet),
    /// Nobody knows which nodes a vCluster has.
    #[error(transparent)]
    Members(E),
}

/// One part of a set, and how it is joined to those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    operator: Operator,
    nodes: Nodes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Both,
    Without,
    Common,
    Either,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Nodes {
    Named(Vec<NodeName>),
    Of(VCluster),
}

/// A set, read and not yet expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSet(Vec<Part>);

impl std::str::FromStr for NodeSet {
    type Err = InvalidSet;

    fn from_str(text: &str) -> Result<Self, InvalidSet> {
        let mut reader = Reader { text, at: 0, left: MOST };
        let mut parts = vec![reader.part(Operator::Both)?];
        while let Some(operator) = reader.operator() {
            parts.push(reader.part(operator)?);
        }
        Ok(Self(parts))
    }
}

impl NodeSet {
    /// The vClusters that it names: whose nodes somebody must know.
    pub fn vclusters(&self) -> impl Iterator<Item = &VCluster> {
        self.0.iter().filter_map(|part| match &part.nodes {
            Nodes::Of(vcluster) => Some(vcluster),
            Nodes::Named(_) => None,
        })
    }

    /// Whether it is one name and nothing else.
    pub fn single(&self) -> Option<&NodeName> {
        match self.0.as_slice() {
            [Part { nodes: Nodes::Named(names), .. }] => match names.as_slice() {
                [name] => Some(name),
                [] | [_, ..] => None,
            },
            [] | [_, ..] => None,
        }
    }

    /// Its nodes, in order. `members` says which a vCluster has.
    pub fn expand(&self, members: impl Fn(&VCluster) -> Vec<NodeName>) -> Vec<NodeName> {
        let mut all: BTreeSet<Ordered> = BTreeSet::new();
        for Part { operator, nodes } in &self.0 {
            let these: BTreeSet<Ordered> = match nodes {
                Nodes::Named(names) => names.iter().cloned().map(Ordered).collect(),
                Nodes::Of(vcluster) => members(vcluster).into_iter().map(Ordered).collect(),
            };
            // In place: a set may be as many parts as it has nodes.
            match operator {
                Operator::Both => all.extend(these),
                Operator::Without => all.retain(|name| !these.contains(name)),
                Operator::Common => all.retain(|name| these.contains(name)),
                Operator::Either => these.into_iter().for_each(|name| toggle(&mut all, name)),
            }
        }
        all.into_iter().map(|Ordered(name)| name).collect()
    }
}

fn toggle(all: &mut BTreeSet<Ordered>, name: Ordered) {
    if !all.remove(&name) {
        all.insert(name);
    }
}

/// Names by their letters, and by the numbers in them: `node9` before `node10`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ordered(NodeName);

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mine, theirs) = (pieces(self.0.as_str()), pieces(other.0.as_str()));
        mine.cmp(&theirs).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Letters, then a number as its length without zeroes and its digits, and so on.
fn pieces(name: &str) -> Vec<(&str, usize, &str)> {
    let mut rest = name;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let letters = rest.len() - rest.trim_start_matches(|c: char| !c.is_ascii_digit()).len();
        let (before, after) = rest.split_at(letters);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, behind) = after.split_at(digits);
        let number = number.trim_start_matches('0');
        pieces.push((before, number.len(), number));
        rest = behind;
    }
    pieces
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// So many names more.
    left: usize,
}

impl<'a> Reader<'a> {
    fn wrong<T>(&self, at: usize, why: impl Into<String>) -> Result<T, InvalidSet> {
        Err(InvalidSet { text: self.text.to_owned(), at, why: why.into() })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn operator(&mut self) -> Option<Operator> {
        let operator = match self.rest().chars().next()? {
            ',' => Operator::Both,
            '!' => Operator::Without,
            '&' => Operator::Common,
            // Whatever else stands here is no operator, and the part before it would have taken it.
            _ => Operator::Either,
        };
        self.at += 1;
        Some(operator)
    }

    fn part(&mut self, operator: Operator) -> Result<Part, InvalidSet> {
        let begin = self.at;
        let text = self.until_operator();
        if text.is_empty() {
            return self.wrong(begin, "a node, a set of nodes or @<vCluster> is missing here");
        }
        let nodes = match text.strip_prefix('@') {
            Some(vcluster) => match vcluster.parse() {
                Ok(vcluster) => Nodes::Of(vcluster),
                Err(bad) => return self.wrong(begin + 1, format!("{bad}")),
            },
            None => Nodes::Named(self.names(begin, text)?),
        };
        Ok(Part { operator, nodes })
    }

    /// Up to the next operator that is in no brackets.
    fn until_operator(&mut self) -> &'a str {
        let mut is_inside = false;
        let end = self.rest().find(|c: char| {
            is_inside = (is_inside || c == '[') && c != ']';
            !is_inside && matches!(c, ',' | '!' | '&' | '^')
        });
        let text = &self.rest()[..end.unwrap_or(self.rest().len())];
        self.at += text.len();
        text
    }

    /// Every name that a pattern stands for.
    fn names(&mut self, begin: usize, pattern: &str) -> Result<Vec<NodeName>, InvalidSet> {
        let mut names = vec![String::new()];
        let (mut rest, mut at) = (pattern, begin);
        while let Some(open) = rest.find('[') {
            let Some(close) = rest.find(']').filter(|close| *close > open) else {
                return self.wrong(at + open, "this bracket is not closed");
            };
            let numbers = self.numbers(at + open + 1, &rest[open + 1..close])?;
            if names.len().saturating_mul(numbers.len()) > self.left {
                return self.wrong(begin, format!("these are more than {MOST} nodes"));
            }
            let joined = |name: &String| {
                let name = format!("{name}{}", &rest[..open]);
                numbers.iter().map(move |number| format!("{name}{number}")).collect::<Vec<_>>()
            };
            names = names.iter().flat_map(joined).collect();
            at += close + 1;
            rest = &rest[close + 1..];
        }
        if let Some(stray) = rest.find(']') {
            return self.wrong(at + stray, "this bracket was not opened");
        }
        let parsed: Result<Vec<NodeName>, _> = names.iter().map(|name| format!("{name}{rest}").parse()).collect();
        match parsed {
            Ok(names) if names.len() > self.left => self.wrong(begin, format!("these are more than {MOST} nodes")),
            Ok(names) => {
                self.left -= names.len();
                Ok(names)
            }
            Err(bad) => self.wrong(begin, format!("{bad}")),
        }
    }

    /// `001-100,205` with the zeroes that they are written with, and `1-9/2` in steps.
    fn numbers(&self, begin: usize, ranges: &str) -> Result<Vec<String>, InvalidSet> {
        let mut numbers = Vec::new();
        let mut at = begin;
        for range in ranges.split(',') {
            let Some((first, last, step, width)) = read_range(range) else {
                return self
                    .wrong(at, format!("{range:?} is not a number, a range like 001-100, or one in steps like 1-9/2"));
            };
            // Of all ranges together: each alone may be as large as a set.
            if (last - first) / step >= self.left.saturating_sub(numbers.len()) as u64 {
                return self.wrong(at, format!("these are more than {MOST} nodes"));
            }
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            numbers.extend((first..=last).step_by(step).map(|number| format!("{number:0width$}")));
            at += range.len() + 1;
        }
        Ok(numbers)
    }
}

fn read_range(range: &str) -> Option<(u64, u64, u64, usize)> {
    let is_number = |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    let read = |text: &str| is_number(text).then(|| text.parse::<u64>().ok()).flatten();
    let (range, step) = range.split_once('/').map_or((range, Some(1)), |(range, step)| (range, read(step)));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let width = if first.starts_with('0') { first.len() } else { 0 };
    let (from, to, step) = (read(first)?, read(last)?, step?);
    (from <= to && step > 0).then_some((from, to, step, width))
}

#[cfg(test)]
mod tests;
