//! The corpus of the fuzz targets: seeds, and everything that once went wrong.

use std::path::Path;

use crate::fuzzed;

#[test]
fn the_corpus_holds() {
    let targets: [(&str, fn(&[u8])); 4] = [
        ("grammar", fuzzed::grammar),
        ("program", fuzzed::program),
        ("entry", fuzzed::entry),
        ("pattern", fuzzed::pattern),
    ];
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let folders = std::fs::read_dir(&corpus).unwrap().count();
    assert_eq!(folders, targets.len(), "every folder of the corpus has a target");
    for (target, check) in targets {
        let files: Vec<_> = std::fs::read_dir(corpus.join(target)).unwrap().map(|f| f.unwrap().path()).collect();
        assert!(!files.is_empty(), "{target}");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| check(&bytes)).is_err() {
                panic!("{} does not hold", file.display());
            }
        }
    }
}

/// Changes of the corpus, a few thousand of them, so that a stable build looks further than the seeds.
#[test]
fn what_is_near_the_corpus_holds_too() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap()
    };
    let targets: [(&str, fn(&[u8])); 4] = [
        ("grammar", fuzzed::grammar),
        ("program", fuzzed::program),
        ("entry", fuzzed::entry),
        ("pattern", fuzzed::pattern),
    ];
    for (target, check) in targets {
        let mut files: Vec<_> = std::fs::read_dir(corpus.join(target)).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        let seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
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
            if std::panic::catch_unwind(|| check(&bytes)).is_err() {
                panic!("{target} does not hold for {bytes:02x?}, which is {}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}
