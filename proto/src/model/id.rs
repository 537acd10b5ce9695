//! Identifiers, each a type of its own.

use std::fmt;
use std::str::FromStr;

/// A name that does not have the shape of what it should name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a {what}: {rule}")]
pub struct InvalidName {
    /// What was asked for: `node name`.
    pub what: &'static str,
    /// The rule in words.
    pub rule: &'static str,
    /// What was given.
    pub value: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// As it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(value: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(value) {
                    Ok(Self(value.to_owned()))
                } else {
                    Err(InvalidName { what: $what, rule: $rule, value: value.to_owned() })
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A node: a host name (RFC 1123), lower case, at most 253 bytes.
    NodeName,
    "node name",
    "labels of a-z, 0-9 and '-', joined by '.'",
    |value| value.len() <= 253
        && value.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
);

name!(
    /// A virtual cluster, at most 63 bytes.
    VCluster,
    "vCluster name",
    "a-z, 0-9 and '-', beginning with a letter or digit",
    |value| value.len() <= 63
        && value.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

name!(
    /// Who: a verified person or service, as the identity provider names it. At most 255 bytes, printable ASCII.
    Principal,
    "principal",
    "1 to 255 printable ASCII characters without spaces",
    |value| !value.is_empty() && value.len() <= 255 && value.bytes().all(|b| b.is_ascii_graphic())
);

name!(
    /// A program of the whitelist, as it is typed. At most 63 bytes, ASCII.
    ProgramName,
    "program name",
    "a-z, A-Z, 0-9, '.', '_', '+' and '-', beginning with a letter or digit",
    |value| value.len() <= 63
        && value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
);

impl Principal {
    /// A member of the journal, as an author: `pact://member/<number>`.
    pub fn member(number: u64) -> Self {
        Self(format!("pact://member/{number}"))
    }

    /// A node, as an author: `pact://node/<name>`. Of a name that is too long for that there is none.
    pub fn node(name: &NodeName) -> Result<Self, InvalidName> {
        format!("pact://node/{name}").parse()
    }

    /// The author of what an account does to which nobody is bound: `unix:<user>@<node>`.
    /// An account without a name is `unix:#<uid>@<node>`.
    pub fn unbound(user: Option<&str>, uid: u32, node: &NodeName) -> Self {
        let plain = |name: &&str| !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_graphic());
        match user.filter(plain) {
            Some(name) => Self(format!("unix:{name}@{node}")),
            None => Self(format!("unix:#{uid}@{node}")),
        }
    }
}

/// One session, 128 random bits; shown as the first 8 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// From 16 bytes that the caller drew at random or read from an entry.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// From bytes of unknown length; `None` unless there are 16.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// All 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// A line within its session, from 1; `LineId::NONE` where an entry is about no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineId(pub u64);

impl LineId {
    /// About the session, not about a line of it.
    pub const NONE: Self = Self(0);
}

/// Which spool: drawn at random when it is made, so that a new one never repeats the numbers of an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpoolEpoch(pub u64);

/// A record within its spool, from 1, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpoolNumber(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once() {
        for good in ["node042", "n1.cluster.example", "a"] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        for bad in ["", "Node", "a..b", "-a", "a-", "a_b", "a/b", "\u{441}at", &"a".repeat(64)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
        for bad in ["", "/bin/sh", "../x", "a b", "cat\u{200b}", ".x"] {
            assert!(bad.parse::<ProgramName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_account_without_a_printable_name_is_its_number() -> Result<(), InvalidName> {
        let node: NodeName = "node042".parse()?;
        assert_eq!(Principal::unbound(Some("alice"), 1000, &node).as_str(), "unix:alice@node042");
        assert_eq!(Principal::unbound(Some("a b\n"), 1000, &node).as_str(), "unix:#1000@node042");
        assert_eq!(Principal::unbound(None, 7, &node).as_str(), "unix:#7@node042");
        Ok(())
    }
}
