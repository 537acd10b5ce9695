//! How a stream of bytes outlives the connections that carry it: frames, each a tag and numbers of fixed size.
//!
//! Whoever connects begins with [`Frame::New`] or [`Frame::Resume`]. Behind that both sides number their bytes from 0,
//! say how many they have received, and keep what the other has not. A new connection goes on from there.
//! **Invariant:** numbers are big-endian; a tag that no release knows is an error and is never skipped.
//! **Not here:** who may resume: the key of the connection says that.

/// What a connection that carries such streams is called in TLS (RFC 7301).
pub const ALPN: &[u8] = b"pact-resume/1";

/// One thing that is said between the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A stream begins, which is this one of the key's. Connecting sides say it first, or `Resume`.
    New {
        /// Never used before under this key.
        number: u64,
    },
    /// A stream goes on.
    Resume {
        /// Which of the key's.
        number: u64,
        /// More than each time before: of two connections that come for a stream, the later one carries it.
        attempt: u32,
        /// So many of its bytes have come.
        received: u64,
    },
    /// So many of its bytes follow.
    Bytes(u32),
    /// So many of its bytes have come. The answer to `Resume` begins with it.
    Received(u64),
    /// The stream has ended, or there is none: coming again is of no use.
    Over,
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of kind {0}, which this release does not know")]
pub struct UnknownFrame(pub u8);

const BYTES: u8 = 0;
const RECEIVED: u8 = 1;
const NEW: u8 = 2;
const RESUME: u8 = 3;
const OVER: u8 = 4;

impl Frame {
    /// Appends it.
    pub fn put(self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes(length) => {
                to.push(BYTES);
                to.extend(length.to_be_bytes());
            }
            Self::Received(received) => {
                to.push(RECEIVED);
                to.extend(received.to_be_bytes());
            }
            Self::New { number } => {
                to.push(NEW);
                to.extend(number.to_be_bytes());
            }
            Self::Resume { number, attempt, received } => {
                to.push(RESUME);
                to.extend(number.to_be_bytes());
                to.extend(attempt.to_be_bytes());
                to.extend(received.to_be_bytes());
            }
            Self::Over => to.push(OVER),
        }
    }

    /// How many bytes a frame with this tag has, its tag among them; of `Bytes` without those that follow.
    pub fn size_of(tag: u8) -> Result<usize, UnknownFrame> {
        match tag {
            OVER => Ok(1),
            BYTES => Ok(5),
            RECEIVED | NEW => Ok(9),
            RESUME => Ok(21),
            unknown => Err(UnknownFrame(unknown)),
        }
    }

    /// The frame that these bytes begin with; none where there are not enough of them yet.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, UnknownFrame> {
        let Some((tag, numbers)) = bytes.split_first() else { return Ok(None) };
        Ok(match *tag {
            BYTES => numbers.first_chunk().map(|length| Self::Bytes(u32::from_be_bytes(*length))),
            RECEIVED => first(numbers).map(Self::Received),
            NEW => first(numbers).map(|number| Self::New { number }),
            RESUME => resume(numbers),
            OVER => Some(Self::Over),
            unknown => return Err(UnknownFrame(unknown)),
        })
    }
}

fn resume(numbers: &[u8]) -> Option<Frame> {
    let (number, rest) = numbers.split_first_chunk()?;
    let (attempt, rest) = rest.split_first_chunk()?;
    let (number, attempt) = (u64::from_be_bytes(*number), u32::from_be_bytes(*attempt));
    first(rest).map(|received| Frame::Resume { number, attempt, received })
}

fn first(numbers: &[u8]) -> Option<u64> {
    numbers.first_chunk().map(|number| u64::from_be_bytes(*number))
}
