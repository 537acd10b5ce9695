//! What a word may be.

use serde::{Deserialize, Serialize};

/// A type of values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Anything.
    Text,
    /// The name of something, which does not begin with a dash.
    Name,
    /// A file; the sandbox decides which.
    Path,
    /// A whole number.
    Count,
    /// A whole number with an optional sign in front and an optional unit behind: `+10`, `5K`, `1MiB`.
    Size,
    /// A number of seconds, `0.5`.
    Seconds,
    /// The name of a setting, `net.ipv4.ip_forward`: never with `=`, which would set it, nor with `..`.
    Key,
    /// A format, which begins with `+`: what does not would set something.
    Format,
    /// A network interface: at most 15 characters.
    Interface,
    /// An IP address or prefix.
    Address,
    /// One of these words.
    OneOf(Vec<String>),
    /// Some of these words, joined by commas.
    ListOf(Vec<String>),
    /// The same, each with an optional sign in front: `-rss,+pid`.
    SignedListOf(Vec<String>),
    /// Whole numbers, joined by commas.
    Numbers,
}

impl Value {
    /// Whether `word` is one.
    pub fn accepts(&self, word: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(word) else { return matches!(self, Self::Text | Self::Path) };
        match self {
            Self::Text | Self::Path => true,
            Self::Name => !text.is_empty() && !text.starts_with('-'),
            Self::Count => is_number(text, 18),
            Self::Size => is_size(text),
            Self::Seconds => {
                let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
                is_number(whole, 9) && is_number(part, 9)
            }
            Self::Key => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"._/:@-".contains(&b);
                (1..=255).contains(&text.len())
                    && !text.starts_with('-')
                    && !text.contains("..")
                    && text.bytes().all(plain)
            }
            Self::Format => text.starts_with('+'),
            Self::Interface => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-@:".contains(&b);
                (1..=15).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(plain)
            }
            Self::Address => {
                let plain = |b: u8| b.is_ascii_hexdigit() || b".:/".contains(&b);
                (1..=49).contains(&text.len()) && text.bytes().all(plain)
            }
            Self::OneOf(words) => words.iter().any(|w| w == text),
            Self::ListOf(words) => text.split(',').all(|item| words.iter().any(|w| w == item)),
            Self::SignedListOf(words) => text.split(',').all(|item| {
                let unsigned = item.strip_prefix(['+', '-']).unwrap_or(item);
                words.iter().any(|w| w == unsigned)
            }),
            Self::Numbers => text.split(',').all(|item| is_number(item, 10)),
        }
    }

    /// The part of a refused word that is wrong.
    pub(super) fn wrong_item(&self, word: &[u8]) -> String {
        let text = String::from_utf8_lossy(word).into_owned();
        let is_list = matches!(self, Self::ListOf(_) | Self::SignedListOf(_) | Self::Numbers);
        let wrong = text.split(',').find(|item| !self.accepts(item.as_bytes())).map(str::to_owned);
        wrong.filter(|_| is_list).unwrap_or(text)
    }

    /// As help shows it.
    pub fn shown(&self) -> String {
        match self {
            Self::Text => "TEXT".to_owned(),
            Self::Name => "NAME".to_owned(),
            Self::Path => "FILE".to_owned(),
            Self::Count => "N".to_owned(),
            Self::Size => "SIZE".to_owned(),
            Self::Seconds => "SECONDS".to_owned(),
            Self::Key => "KEY".to_owned(),
            Self::Format => "+FORMAT".to_owned(),
            Self::Interface => "INTERFACE".to_owned(),
            Self::Address => "ADDRESS".to_owned(),
            Self::OneOf(words) => words.join("|"),
            Self::ListOf(words) => format!("{},…", words.join(",")),
            Self::SignedListOf(words) => format!("±{},…", words.join(",")),
            Self::Numbers => "N,…".to_owned(),
        }
    }

    /// Words that complete it.
    pub fn words(&self) -> &[String] {
        match self {
            Self::OneOf(words) | Self::ListOf(words) | Self::SignedListOf(words) => words,
            Self::Text
            | Self::Name
            | Self::Path
            | Self::Count
            | Self::Size
            | Self::Seconds
            | Self::Key
            | Self::Format
            | Self::Interface
            | Self::Address
            | Self::Numbers => &[],
        }
    }
}

fn is_number(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_size(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let unit = &unsigned[digits..];
    let units = ["", "b", "c", "k", "K", "kB", "KB", "KiB", "M", "MB", "MiB", "G", "GB", "GiB", "T", "TB", "TiB"];
    is_number(&unsigned[..digits], 18) && units.contains(&unit)
}
