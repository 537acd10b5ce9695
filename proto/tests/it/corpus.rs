//! The corpus of the fuzz targets: seeds, and everything that once went wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{fuzzed, programs};

type Check = fn(&[u8]);

/// Each folder of the corpus, and what must hold of the files in it.
const TARGETS: [(&str, Check); 8] = [
    ("grammar", fuzzed::grammar),
    ("program", fuzzed::program),
    ("entry", fuzzed::entry),
    ("pattern", fuzzed::pattern),
    ("frame", fuzzed::frame),
    ("schema", fuzzed::schema),
    ("message", fuzzed::message),
    ("nodes", fuzzed::nodes),
];
/// Folders whose target knows more than this crate: `shell/src/fuzzed.rs` runs them.
const ELSEWHERE: [&str; 1] = ["terminal"];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// The files of one target, in the order of their names.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(corpus().join(target)).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target}");
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

fn holds(check: Check, bytes: &[u8]) -> bool {
    std::panic::catch_unwind(|| check(bytes)).is_ok()
}

#[test]
fn the_corpus_holds() {
    let folders = std::fs::read_dir(corpus()).unwrap().count();
    assert_eq!(folders, TARGETS.len() + ELSEWHERE.len(), "every folder of the corpus has a target");
    for (target, check) in TARGETS {
        for (file, bytes) in seeds(target) {
            assert!(holds(check, &bytes), "{} does not hold", file.display());
        }
    }
}

/// A seed says which program it is about, and every program has some: what is added to the whitelist changes nothing for
/// those that were there.
#[test]
fn every_program_has_a_seed() {
    let seeds = seeds("program");
    let named = |bytes: &[u8]| String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap()).into_owned();
    let named: BTreeSet<String> = seeds.iter().map(|(_, bytes)| named(bytes)).collect();
    assert_eq!(named, programs().iter().map(|program| program.name().to_string()).collect());
}

/// Numbers below what is asked, the same in every run.
pub(crate) fn random() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap()
    }
}

/// Changes of the corpus, a few thousand of them, so that a stable build looks further than the seeds.
#[test]
fn what_is_near_the_corpus_holds_too() {
    let mut random = random();
    for (target, check) in TARGETS {
        let seeds: Vec<Vec<u8>> = seeds(target).into_iter().map(|(_, bytes)| bytes).collect();
        for _ in 0..3000 {
            let mut bytes = seeds[random(seeds.len())].clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len() + 1);
                match random(4) {
                    0 if at < bytes.len() => drop(bytes.remove(at)),
                    1 if at < bytes.len() => bytes[at] = u8::try_from(random(256)).unwrap(),
                    2 => bytes.extend_from_slice(&seeds[random(seeds.len())]),
                    _ => bytes.insert(at, b"'\"\\|*?[]-.= \t\0#~!$/e"[random(20)]),
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            assert!(holds(check, &bytes), "{target} does not hold for {bytes:02x?}, which is {text}");
        }
    }
}
