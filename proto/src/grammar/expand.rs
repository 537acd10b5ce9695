//! `Parsed → Expanded`: patterns have become words.

use super::fault::{Fault, Unreadable};
use super::parsed::{CommandStage, Head, Parsed, Word};
use super::{Line, MAX_EXPANDED, MAX_WORDS};

/// The words of one program, as they are judged, recorded and executed. Never empty; no NUL in any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv(Vec<Vec<u8>>);

impl Argv {
    pub(super) fn new(words: Vec<Vec<u8>>) -> Option<Self> {
        let fit = !words.is_empty() && words.iter().all(|word| !word.contains(&0));
        fit.then_some(Self(words))
    }

    /// All words, the name first.
    pub fn words(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// The first word.
    pub fn name(&self) -> &[u8] {
        &self.0[0]
    }
}

/// A line whose every word is known. Only `Parsed::expand` makes one:
///
/// ```compile_fail,E0451
/// let parsed = pact_proto::grammar::parse(pact_proto::grammar::Line::new("uname")).unwrap();
/// let honest = parsed.expand(Vec::new()).unwrap();
/// let forged = pact_proto::grammar::Expanded { stages: Vec::new(), ..honest };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    line: Line,
    head: ExpandedHead,
    stages: Vec<Argv>,
    /// Where each stage's words stand in the line; a word that a pattern became stands where the pattern stands.
    spans: Vec<Vec<std::ops::Range<usize>>>,
    expansions: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    paged: bool,
}

/// What comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpandedHead {
    /// One of pact's own commands.
    Command(CommandStage),
    /// Only programs.
    Programs,
}

impl Expanded {
    /// What was typed.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// What comes first.
    pub fn head(&self) -> &ExpandedHead {
        &self.head
    }

    /// The programs, in order.
    pub fn stages(&self) -> &[Argv] {
        &self.stages
    }

    /// The same line with a pager behind it, where it is a command alone; as it is otherwise. It is judged, recorded and
    /// started like any other program.
    #[must_use]
    pub fn paged(mut self, pager: &[&str]) -> Self {
        let argv = Argv::new(pager.iter().map(|word| word.as_bytes().to_vec()).collect());
        if let (ExpandedHead::Command(_), true, Some(argv)) = (&self.head, self.stages.is_empty(), argv) {
            self.stages.push(argv);
            self.spans.push(Vec::new());
            self.paged = true;
        }
        self
    }

    /// Whether its last program is a pager that nobody typed.
    pub fn is_paged(&self) -> bool {
        self.paged
    }

    /// Each pattern as typed, and what it became.
    pub fn expansions(&self) -> &[(Vec<u8>, Vec<Vec<u8>>)] {
        &self.expansions
    }

    /// Where a word of a stage stands in the line.
    pub fn span(&self, stage: usize, word: usize) -> Option<std::ops::Range<usize>> {
        self.spans.get(stage)?.get(word).cloned()
    }
}

impl Parsed {
    /// Puts `found`, one list for every pattern in order, in the patterns' places. A word that begins with `-`, or
    /// with `+` as some old options do, gets `./` in front, so that no file's name can be an option.
    pub fn expand(self, found: Vec<Vec<Vec<u8>>>) -> Result<Expanded, Unreadable> {
        let (line, head, programs) = self.into_parts();
        let mut found = found.into_iter();
        let (mut stages, mut spans, mut expansions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut total, mut bytes) = (0, 0);
        for stage in programs {
            let (mut argv, mut places) = (Vec::new(), Vec::new());
            for word in stage.into_words() {
                let words = match words(&word, &mut found, &mut expansions) {
                    Ok(words) => words,
                    Err(fault) => return Err(Unreadable::new(line, word.span(), fault)),
                };
                total += words.len();
                bytes += words.iter().map(Vec::len).sum::<usize>();
                if total > MAX_WORDS {
                    return Err(Unreadable::new(line, word.span(), Fault::TooManyWords));
                }
                if bytes > MAX_EXPANDED {
                    return Err(Unreadable::new(line, word.span(), Fault::ExpandedTooLong));
                }
                places.extend(words.iter().map(|_| word.span()));
                argv.extend(words);
            }
            match Argv::new(argv) {
                Some(argv) => stages.push(argv),
                None => {
                    let whole = 0..line.as_bytes().len();
                    return Err(Unreadable::new(line, whole, Fault::EmptyStage));
                }
            }
            spans.push(places);
        }
        let head = match head {
            Head::Command(command) => ExpandedHead::Command(command),
            Head::Programs => ExpandedHead::Programs,
        };
        Ok(Expanded { line, head, stages, spans, expansions, paged: false })
    }
}

type Expansions = Vec<(Vec<u8>, Vec<Vec<u8>>)>;

fn words(
    word: &Word,
    found: &mut impl Iterator<Item = Vec<Vec<u8>>>,
    expansions: &mut Expansions,
) -> Result<Vec<Vec<u8>>, Fault> {
    let Some(pattern) = word.pattern() else { return Ok(word.literal().map(<[u8]>::to_vec).into_iter().collect()) };
    let mut words = found.next().unwrap_or_default();
    if words.is_empty() {
        return Err(Fault::NoMatch(pattern.typed().to_owned()));
    }
    for word in &mut words {
        if matches!(word.first(), Some(b'-' | b'+')) {
            word.splice(0..0, *b"./");
        }
    }
    expansions.push((pattern.as_typed().to_vec(), words.clone()));
    Ok(words)
}
