//! A recording that only its key opens: pieces, each sealed with AES-256-GCM.
//!
//! **Invariant:** no piece can be changed, moved, left out or put into another file without that being seen; an end that
//! is not there is seen too. A nonce is used once: the file has a key of its own, and pieces are counted.
//!
//! Layout: `pact sealed cast 1\n`, 32 random bytes, then pieces: length of the text (u32, big endian), the sealed text
//! and its tag (16 bytes). The file's key is HKDF-SHA256 of the node's key with these random bytes, and
//! the node's and the file's name: renamed, or on another node, it does not open. What is sealed with a
//! piece: whether it is the last.

use std::fmt;
use std::io;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

const MAGIC: &[u8] = b"pact sealed cast 1\n";
const RANDOM: usize = 32;
const TAG: usize = 16;
const LENGTH: usize = 4;

/// The node's key.
#[derive(Clone)]
pub(crate) struct Key(Arc<[u8; 32]>);

/// A file that is being written.
pub(super) struct Sealing {
    random: [u8; RANDOM],
    key: LessSafeKey,
    count: u64,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// 64 hexadecimal digits.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let digits = text.trim_ascii().as_bytes();
        let mut key = [0; 32];
        if digits.len() != 2 * key.len() {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(Arc::new(key)))
    }

    /// For a file that is `context`, and nothing else.
    pub(super) fn sealing(&self, context: &str) -> io::Result<Sealing> {
        let mut random = [0; RANDOM];
        if rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())? != RANDOM {
            return Err(io::Error::other("the kernel has no random bytes"));
        }
        Ok(Sealing { random, key: self.of_file(&random, context)?, count: 0 })
    }

    /// The text, and whether all of it is there; what is wrong with it otherwise.
    pub(super) fn open(&self, file: &[u8], context: &str) -> Result<(Vec<u8>, bool), &'static str> {
        let rest = file.strip_prefix(MAGIC).ok_or("it is no sealed recording")?;
        let (random, mut rest) = rest.split_first_chunk::<RANDOM>().ok_or("it is cut short")?;
        let key = self.of_file(random, context).map_err(|_| "its key cannot be made")?;
        let (mut text, mut count, mut is_whole) = (Vec::new(), 0, false);
        while let Some((length, sealed)) = rest.split_first_chunk::<LENGTH>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let end = length.checked_add(TAG).filter(|end| *end <= sealed.len()).ok_or("it is cut short")?;
            if is_whole {
                return Err("there is something behind its end");
            }
            let open = |is_last: bool| {
                let mut piece = sealed[..end].to_vec();
                let opened = key.open_in_place(nonce(count), aad(is_last), &mut piece).ok()?.len();
                piece.truncate(opened);
                Some((piece, is_last))
            };
            let (piece, is_last) = open(false).or_else(|| open(true)).ok_or("it was changed, or its key is another")?;
            text.extend_from_slice(&piece);
            (count, is_whole, rest) = (count + 1, is_last, &sealed[end..]);
        }
        if rest.is_empty() { Ok((text, is_whole)) } else { Err("it is cut short") }
    }

    fn of_file(&self, random: &[u8; RANDOM], context: &str) -> io::Result<LessSafeKey> {
        let failed = |_| io::Error::other("no key can be made");
        let secret = Salt::new(HKDF_SHA256, random).extract(self.0.as_slice());
        let info = [b"pact recording\0".as_slice(), context.as_bytes()];
        let own = secret.expand(&info, &AES_256_GCM).map_err(failed)?;
        Ok(LessSafeKey::new(UnboundKey::from(own)))
    }
}

impl Sealing {
    /// What the file begins with.
    pub(super) fn first(&mut self, text: &[u8]) -> io::Result<Vec<u8>> {
        let piece = self.next(text, false)?;
        Ok([MAGIC, &self.random, &piece].concat())
    }

    /// The next piece of it.
    pub(super) fn next(&mut self, text: &[u8], is_last: bool) -> io::Result<Vec<u8>> {
        let mut sealed = text.to_vec();
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        let failed = |_| io::Error::other("it cannot be sealed");
        self.key.seal_in_place_append_tag(nonce(self.count), aad(is_last), &mut sealed).map_err(failed)?;
        self.count += 1;
        Ok([&length.to_be_bytes()[..], &sealed].concat())
    }
}

fn nonce(count: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&count.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn aad(is_last: bool) -> Aad<[u8; 1]> {
    Aad::from([u8::from(is_last)])
}
