//! Points in time as people write them.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

/// A point in time, absolute or before now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// At this time.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

/// A time that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write 90s, 10m, 2h, 3d, 2026-01-31, or 2026-01-31T10:00:00Z")]
pub struct InvalidSince;

impl FromStr for Since {
    type Err = InvalidSince;
    fn from_str(text: &str) -> Result<Self, InvalidSince> {
        let midnight = || format!("{text}T00:00:00Z").parse();
        match ago(text) {
            Some(duration) => Ok(Self::Ago(duration)),
            None => text.parse().or_else(|_| midnight()).map(Self::At).map_err(|_| InvalidSince),
        }
    }
}

/// `10m`: a number and a unit.
fn ago(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).filter(|all| *all <= 100 * 365 * 86_400).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!("10m".parse(), Ok(Since::Ago(Duration::from_secs(600))));
        assert_eq!("2026-01-31".parse(), Ok(Since::At("2026-01-31T00:00:00Z".parse().unwrap())));
        assert!("2026-01-31T10:00:00+01:00".parse::<Since>().is_ok());
        for bad in ["", "m", "10", "10y", "yesterday", "-5m", "99999999999999999999d", "9999999999d", "é"] {
            assert_eq!(bad.parse::<Since>(), Err(InvalidSince), "{bad}");
        }
    }
}
