//! How much of a line is sent.
//!
//! **Invariant:** what is cut is still longer than any line that is accepted, so that whoever answers refuses it and has
//! it on record, and shorter than the largest message, so that they can.

/// Bytes of a line.
pub(crate) const MOST_SENT: usize = 60 * 1024;
/// What a word costs in a message at most, beside its bytes.
const WORD_COST: usize = 8;

pub(crate) fn text(mut line: Vec<u8>) -> Vec<u8> {
    line.truncate(MOST_SENT);
    line
}

pub(crate) fn words(words: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut room = MOST_SENT;
    let fits = |mut word: Vec<u8>| {
        room = room.checked_sub(WORD_COST)?;
        word.truncate(room);
        room -= word.len();
        Some(word)
    };
    words.into_iter().map_while(fits).collect()
}
