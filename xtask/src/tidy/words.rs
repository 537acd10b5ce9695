//! Words that have no business in the tree: they name the place where somebody worked, not the product.

use super::Finding;
use super::tree::Tree;

/// A word, why it should not be there, and files in which it may stand.
struct Word {
    text: &'static str,
    why: &'static str,
    except: &'static [&'static str],
}

/// Cut in two, so that this file does not have them.
const WORDS: [Word; 10] = [
    Word { text: concat!("sha", "red/"), why: "is a folder that no checkout has", except: &[] },
    Word { text: concat!("/wo", "rk/"), why: "is a path of one machine", except: &[] },
    Word { text: concat!(".cargo/", "registry"), why: "is a path of one machine", except: &[] },
    Word { text: concat!("wt", "-"), why: "is a folder of one person", except: &[] },
    Word { text: concat!("issue", " #"), why: "is a number in a list that nobody else has", except: &[] },
    Word { text: concat!("iss", "ues/"), why: "is a number in a list that nobody else has", except: &[] },
    Word {
        text: concat!("crates.", "io"),
        why: "is a registry's host",
        except: &["Cargo.lock", "fuzz/Cargo.lock", "deny.toml"],
    },
    Word { text: concat!("npmjs.", "org"), why: "is a registry's host", except: &[] },
    Word { text: concat!("pypi.", "org"), why: "is a registry's host", except: &[] },
    Word { text: concat!("deb.debian.", "org"), why: "is a registry's host", except: &[] },
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for word in WORDS.iter().filter(|word| !word.except.contains(&file.path.as_str())) {
            let lines = file.text.lines().enumerate().filter(|(_, line)| stands(line, word.text));
            findings.extend(lines.map(|(at, _)| {
                Finding::new(&file.path, at + 1, format!("`{}` {}", word.text, word.why), "say it without")
            }));
        }
    }
    findings
}

/// As a word of its own: what stands before it is not part of a longer one.
fn stands(line: &str, word: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::super::tree::of;
    use super::*;

    #[test]
    fn every_word_is_found_and_longer_ones_are_not() {
        for word in &WORDS {
            let text = format!("fine\nsee {}x\n", word.text);
            let findings = check(&of(&[("README.md", &text)]));
            assert_eq!((findings.len(), findings[0].line), (1, 2), "{}: {findings:?}", word.text);
            for path in word.except {
                assert!(check(&of(&[(path, &text)])).is_empty(), "{path}");
            }
        }
        let fine = "network/ frameworks/ newt-x reissue #1 a tissue # of";
        assert!(check(&of(&[("README.md", fine)])).is_empty());
    }
}
