//! Whatever is done to stored records, verifying names the place.

use proptest::prelude::*;

use super::*;

fn chain(payloads: &[Vec<u8>]) -> (Vec<Vec<u8>>, Tip) {
    let mut tip = Tip::EMPTY;
    let stored = payloads.iter().map(|payload| {
        let (stored, next) = tip.append(payload);
        tip = next;
        stored
    });
    (stored.collect(), tip)
}

fn check(stored: &[Vec<u8>], tip: Tip) -> Result<(), Broken> {
    verify(Tip::EMPTY, stored.iter().map(Vec::as_slice), tip)
}

fn broken(seq: u64, why: Why) -> Result<(), Broken> {
    Err(Broken { seq: Seq(seq), why })
}

#[test]
fn what_was_done_is_named() {
    let (stored, tip) = chain(&[b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
    assert_eq!(check(&stored, tip), Ok(()));
    assert_eq!(check(&[], Tip::EMPTY), Ok(()));
    let with = |change: fn(&mut Vec<Vec<u8>>)| {
        let mut stored = stored.clone();
        change(&mut stored);
        check(&stored, tip)
    };
    assert_eq!(with(|s| s[1].push(0)), broken(2, Why::Changed));
    assert_eq!(with(|s| s[2].push(0)), broken(3, Why::Changed));
    assert_eq!(with(|s| drop(s.remove(0))), broken(1, Why::Misplaced(Seq(2))));
    assert_eq!(with(|s| drop(s.remove(2))), broken(3, Why::Missing));
    assert_eq!(with(|s| s.swap(0, 1)), broken(1, Why::Misplaced(Seq(2))));
    assert_eq!(with(|s| s.insert(1, s[0].clone())), broken(2, Why::Misplaced(Seq(1))));
    assert_eq!(with(|s| s.push(s[2].clone())), broken(4, Why::Surplus));
    assert_eq!(with(|s| s[1].truncate(40)), broken(2, Why::Unreadable));
    assert_eq!(with(|s| s[0][0] = 2), broken(1, Why::Unreadable));
    let text = with(|s| s[1].push(0)).unwrap_err().to_string();
    assert_eq!(text, "record 2: its hash is not the one that was promised");
}

/// Bytes that version 1 wrote; the hash is what `sha256sum` says of them.
#[test]
fn version_1_is_readable_for_ever() {
    let (stored, tip) = Tip::EMPTY.append(b"hello");
    let expected = [&[1, 1, 0, 0, 0, 0, 0, 0, 0][..], &[0; 32], b"hello"].concat();
    assert_eq!(stored, expected);
    assert_eq!(tip.hash.to_string(), "adf708526477ac15cfb34ae17fcc7fcfd71e685dc843d6446571eac9d320dfd9");
    let record = Record::read(&expected).unwrap();
    assert_eq!((record.seq, record.previous, record.payload), (Seq(1), Tip::EMPTY.hash, &b"hello"[..]));
}

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12)
}

proptest! {
    #[test]
    fn a_chain_verifies_as_it_was_written(payloads in payloads(), cut in any::<prop::sample::Index>()) {
        let (stored, tip) = chain(&payloads);
        prop_assert_eq!(check(&stored, tip), Ok(()));
        let read: Vec<_> = stored.iter().map(|s| Record::read(s).unwrap().payload.to_vec()).collect();
        prop_assert_eq!(&read, &payloads);
        let (head, rest) = stored.split_at(cut.index(stored.len()));
        let (_, middle) = chain(&payloads[..head.len()]);
        prop_assert_eq!(verify(middle, rest.iter().map(Vec::as_slice), tip), Ok(()), "from any tip on");
    }

    #[test]
    fn any_changed_byte_is_found(
        payloads in payloads(),
        record in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        change in 1..=255u8,
    ) {
        let (mut stored, tip) = chain(&payloads);
        let at = record.index(stored.len());
        let byte = byte.index(stored[at].len());
        stored[at][byte] ^= change;
        let found = check(&stored, tip).unwrap_err().seq.0;
        // A changed "hash of the record before" looks as if the record before had been changed.
        let place = at as u64 + 1;
        prop_assert!(found == place || (found + 1 == place && (PREVIOUS..PAYLOAD).contains(&byte)), "{}", found);
    }

    #[test]
    fn any_removal_swap_or_repetition_is_found(
        payloads in payloads(),
        one in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        what in 0..4,
    ) {
        let (original, tip) = chain(&payloads);
        let mut stored = original.clone();
        let (one, other) = (one.index(stored.len()), other.index(stored.len()));
        match what {
            0 => drop(stored.remove(one)),
            1 => stored.swap(one, other),
            2 => stored.insert(one, original[other].clone()),
            _ => stored.truncate(one),
        }
        prop_assert_eq!(check(&stored, tip).is_ok(), stored == original);
    }

    #[test]
    fn a_forged_end_is_found(payloads in payloads(), other in payloads()) {
        let ((stored, tip), (_, forged)) = (chain(&payloads), chain(&other));
        prop_assert_eq!(check(&stored, forged).is_ok(), forged == tip);
    }

    #[test]
    fn no_bytes_make_reading_panic(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4)) {
        let elsewhere = Tip { seq: Seq(3), hash: Hash::of(b"x") };
        prop_assert!(check(&records, elsewhere).is_err());
    }
}
