//! What the first message of a session says of the client's terminal, and the session's name.

use pact_proto::model::SessionId;
use pact_proto::view::Style;
use pact_proto::wire::v1::{Open, TerminalSize};

/// What a person without terminal is taken to have.
const USUAL_COLUMNS: u16 = 80;

/// 128 random bits; nothing where the kernel has none.
pub fn new_id() -> Option<SessionId> {
    let mut bytes = [0; 16];
    let drawn = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).ok()?;
    (drawn == bytes.len()).then(|| SessionId::from_bytes(bytes))
}

/// How answers are shown.
pub fn style(open: &Open) -> Style {
    Style { colour: open.colour && open.stdout_is_terminal, columns: columns(open.size.as_ref()) }
}

/// A terminal's columns and rows, as far as anybody can see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// From 1.
    pub columns: u16,
    /// From 1.
    pub rows: u16,
}

impl Size {
    /// None where a terminal does not know it.
    pub fn of(said: Option<&TerminalSize>) -> Option<Self> {
        const MOST: u32 = 1000;
        let side = |length: u32| u16::try_from(length.min(MOST)).ok().filter(|length| *length > 0);
        let said = said?;
        Some(Self { columns: side(said.columns)?, rows: side(said.rows)? })
    }
}

/// How wide a terminal is that says this of its size.
pub fn columns(size: Option<&TerminalSize>) -> u16 {
    let columns = size.and_then(|size| u16::try_from(size.columns).ok()).filter(|columns| *columns > 0);
    columns.unwrap_or(USUAL_COLUMNS)
}
