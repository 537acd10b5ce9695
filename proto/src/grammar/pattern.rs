//! File patterns: `*`, `?` and `[…]`, a path component at a time.
//!
//! **Invariant:** no part ever matches a `/`, and a leading dot is matched by a dot only.

use super::lexer::{Item, items};

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    /// `*`
    Any,
    /// `?`
    One,
    /// `[…]`
    Set {
        negated: bool,
        members: Vec<SetItem>,
    },
}

/// A range of characters, one of them at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetItem {
    pub(super) from: char,
    pub(super) to: char,
}

/// An unquoted file pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    typed: String,
    parts: Vec<Part>,
}

/// One component of a pattern's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Component {
    /// A name as it is; empty for the root and for doubled slashes.
    Name(String),
    /// Names that match.
    Matching(Matcher),
}

/// Matches one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher(Vec<Unit>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Unit {
    Char(char),
    Any,
    One,
    Set { negated: bool, members: Vec<SetItem> },
}

impl Pattern {
    pub(super) fn new(typed: &str, parts: Vec<Part>) -> Self {
        Self { typed: typed.to_owned(), parts }
    }

    /// From what `as_typed` gave. `None` unless it is exactly one word with a pattern in it.
    pub fn parse(typed: &[u8]) -> Option<Self> {
        let typed = std::str::from_utf8(typed).ok()?;
        match items(typed).as_slice() {
            [Item::Word(word)] if word.literal().is_none() => Some(Self::new(typed, word.parts.clone())),
            _ => None,
        }
    }

    /// As it stands in the line, quotes included.
    pub fn as_typed(&self) -> &[u8] {
        self.typed.as_bytes()
    }

    pub(super) fn typed(&self) -> &str {
        &self.typed
    }

    /// The path, component by component. A first one that is an empty name is the root.
    pub fn components(&self) -> Vec<Component> {
        let mut components = vec![Vec::new()];
        for part in &self.parts {
            match part {
                Part::Literal(text) => {
                    for c in text.chars() {
                        if c == '/' {
                            components.push(Vec::new());
                        } else if let Some(last) = components.last_mut() {
                            last.push(Unit::Char(c));
                        }
                    }
                }
                Part::Any => push(&mut components, Unit::Any),
                Part::One => push(&mut components, Unit::One),
                Part::Set { negated, members } => {
                    push(&mut components, Unit::Set { negated: *negated, members: members.clone() });
                }
            }
        }
        components.into_iter().map(component).collect()
    }
}

fn push(components: &mut [Vec<Unit>], unit: Unit) {
    if let Some(last) = components.last_mut() {
        last.push(unit);
    }
}

fn component(units: Vec<Unit>) -> Component {
    let plain = |unit: &Unit| match unit {
        Unit::Char(c) => Some(*c),
        Unit::Any | Unit::One | Unit::Set { .. } => None,
    };
    match units.iter().map(plain).collect::<Option<String>>() {
        Some(name) => Component::Name(name),
        None => Component::Matching(Matcher(units)),
    }
}

impl Matcher {
    /// Whether `name`, one component, matches. Linear in name × stars: a star that failed is only ever extended.
    pub fn matches(&self, name: &str) -> bool {
        if name.starts_with('.') && !matches!(self.0.first(), Some(Unit::Char('.'))) {
            return false;
        }
        let name: Vec<char> = name.chars().collect();
        let (mut unit, mut at) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() {
            match self.0.get(unit) {
                Some(Unit::Any) => {
                    star = Some((unit, at));
                    unit += 1;
                }
                Some(one) if one.takes(name[at]) => {
                    unit += 1;
                    at += 1;
                }
                Some(_) | None => match star {
                    Some((any, from)) => {
                        star = Some((any, from + 1));
                        (unit, at) = (any + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[unit..].iter().all(|unit| *unit == Unit::Any)
    }
}

impl Unit {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(wanted) => *wanted == c,
            Self::Any => false,
            Self::One => c != '/',
            Self::Set { negated, members } => {
                c != '/' && members.iter().any(|m| (m.from..=m.to).contains(&c)) != *negated
            }
        }
    }
}
