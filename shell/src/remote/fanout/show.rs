//! What many nodes answered, for people and for programs.
//!
//! **Invariant:** a line of output is of one node; what a node wrote without an end of line gets one. What one node can
//! make this process hold is bounded, and what is left out is said.

use std::collections::BTreeMap;

use pact_proto::exit::ExitCode;
use pact_proto::model::NodeName;
use pact_proto::nodeset::fold;
use pact_proto::view::{Value, escape, json, yaml_item};

use super::{Ended, Said};
use crate::error::ShellError;
use crate::streams::Output;

/// Of one node, until it has answered.
const MOST_KEPT: usize = 16 << 20;
/// Longer than this, a line is shown in parts.
const LONGEST_LINE: usize = 64 << 10;

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::remote) enum Show {
    /// Each line when it is there, with the name of its node.
    AsItComes,
    /// When all have answered, equal answers once.
    Folded,
    /// One object a node, when it has answered.
    Json,
    /// The same, as items of a YAML list.
    Yaml,
}

/// What has come so far.
pub(super) struct Shown<'a> {
    nodes: &'a [NodeName],
    show: Show,
    out: Output,
    err: Output,
    answers: Vec<Answer>,
}

/// Of one node: what was not shown yet.
#[derive(Default)]
struct Answer {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    is_cut: bool,
    ended: Option<Ended>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(nodes: &'a [NodeName], show: Show, out: Output, err: Output) -> Self {
        let answers = nodes.iter().map(|_| Answer::default()).collect();
        Self { nodes, show, out, err, answers }
    }

    /// Whether nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    pub(super) fn take(&mut self, index: usize, said: Said) {
        let (Some(answer), Some(node)) = (self.answers.get_mut(index), self.nodes.get(index)) else { return };
        match said {
            Said::Note(text) => return self.err.say(&format!("pact: {node}: {}\n", escape(text.as_bytes()))),
            Said::Stdout(bytes) => answer.is_cut |= !keep(&mut answer.stdout, &bytes),
            Said::Stderr(bytes) => answer.is_cut |= !keep(&mut answer.stderr, &bytes),
            Said::Ended(ended) if answer.is_cut => answer.ended = Some(cut(&ended)),
            Said::Ended(ended) => answer.ended = Some(ended),
        }
        match self.show {
            Show::AsItComes => {
                let is_over = answer.ended.is_some();
                prefixed(node, &whole_lines(&mut answer.stdout, is_over), &mut self.out);
                prefixed(node, &whole_lines(&mut answer.stderr, is_over), &mut self.err);
                if let Some(Ended { failure, is_away: false, .. }) = &answer.ended
                    && !failure.is_empty()
                {
                    self.err.say(&format!("[{node}] pact: {}\n", escape(failure.as_bytes())));
                }
            }
            Show::Folded => {}
            Show::Json | Show::Yaml => {
                if let Some(ended) = &answer.ended {
                    let value = object(node, answer, ended);
                    let text = if self.show == Show::Json { json(&value) } else { yaml_item(&value) };
                    self.out.say(&text);
                    (answer.stdout, answer.stderr) = Default::default();
                }
            }
        }
    }

    pub(super) async fn flush(&mut self) -> Result<(), ShellError> {
        self.out.flush().await.map_err(ShellError::io("standard output"))?;
        self.err.flush().await.map_err(ShellError::io("standard error"))
    }

    /// What is left to say, and the worst status.
    pub(super) async fn finish(mut self) -> Result<u8, ShellError> {
        match self.show {
            Show::Folded => self.folded(),
            Show::AsItComes | Show::Json | Show::Yaml => {}
        }
        self.away();
        self.flush().await?;
        let code = |answer: &Answer| answer.ended.as_ref().map_or(ExitCode::Unreachable.number(), |ended| ended.code);
        Ok(self.answers.iter().map(code).max().unwrap_or(0))
    }

    /// Equal answers once, under the set of their nodes, in the order of the first.
    fn folded(&mut self) {
        let mut groups: Vec<(&Answer, Vec<&NodeName>)> = Vec::new();
        for (answer, node) in self.answers.iter().zip(self.nodes) {
            if answer.ended.as_ref().is_none_or(|ended| ended.is_away) {
                continue;
            }
            let equal = |(known, _): &(&Answer, Vec<&NodeName>)| {
                (&known.stdout, &known.stderr, &known.ended) == (&answer.stdout, &answer.stderr, &answer.ended)
            };
            match groups.iter().position(equal) {
                Some(at) => groups[at].1.push(node),
                None => groups.push((answer, vec![node])),
            }
        }
        for (answer, nodes) in groups {
            let set = fold(nodes);
            self.out.say(&format!("{set}:\n"));
            passed(&answer.stdout, &mut self.out);
            passed(&answer.stderr, &mut self.out);
            match &answer.ended {
                Some(Ended { failure, .. }) if !failure.is_empty() => {
                    self.out.say(&format!("pact: {}\n", escape(failure.as_bytes())));
                }
                Some(Ended { code: 0, .. }) | None => {}
                Some(Ended { code, .. }) => self.out.say(&format!("(exit {code})\n")),
            }
        }
    }

    /// Who did not answer, and why; those with the same reason together.
    fn away(&mut self) {
        let mut reasons: BTreeMap<&str, Vec<&NodeName>> = BTreeMap::new();
        for (answer, node) in self.answers.iter().zip(self.nodes) {
            if let Some(Ended { failure, is_away: true, .. }) = &answer.ended {
                reasons.entry(failure).or_default().push(node);
            }
        }
        for (why, nodes) in reasons {
            self.err.say(&format!("pact: {}: {}\n", fold(nodes), escape(why.as_bytes())));
        }
    }
}

/// Whether there was room for all of it.
fn keep(kept: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let room = MOST_KEPT.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..room]);
    room == bytes.len()
}

/// An answer that is not whole is none that worked.
fn cut(ended: &Ended) -> Ended {
    let why = format!("it wrote more than {MOST_KEPT} bytes, and the rest is left out");
    let failure = if ended.failure.is_empty() { why } else { format!("{}; {why}", ended.failure) };
    Ended { code: ended.code.max(ExitCode::General.number()), failure, is_away: ended.is_away }
}

/// Takes the lines that are whole; at the end, what is left too.
fn whole_lines(bytes: &mut Vec<u8>, is_over: bool) -> Vec<u8> {
    let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
        _ if is_over || bytes.len() > LONGEST_LINE => bytes.len(),
        Some(last) => last + 1,
        None => 0,
    };
    let rest = bytes.split_off(end);
    std::mem::replace(bytes, rest)
}

fn prefixed(node: &NodeName, lines: &[u8], to: &mut Output) {
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        to.say(&format!("[{node}] "));
        passed(line, to);
    }
}

/// What a program wrote, and an end of line.
fn passed(bytes: &[u8], to: &mut Output) {
    to.pass(bytes);
    to.end_line();
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        to.say("\n");
    }
}

fn object(node: &NodeName, answer: &Answer, ended: &Ended) -> Value {
    let failure = (!ended.failure.is_empty()).then(|| ended.failure.clone());
    Value::object([
        ("node", Value::text(node.as_str())),
        ("exit_code", Value::number(ended.code.into())),
        ("failure", failure.map_or(Value::Null, |why| Value::text(&why))),
        ("stdout", Value::bytes(&answer.stdout)),
        ("stderr", Value::bytes(&answer.stderr)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_of_one_node_is_bounded_and_said() {
        let mut kept = Vec::new();
        assert!(keep(&mut kept, &vec![b'x'; MOST_KEPT]));
        assert!(!keep(&mut kept, b"y"));
        assert_eq!(kept.len(), MOST_KEPT);
        let ended = cut(&Ended { code: 0, failure: String::new(), is_away: false });
        assert!(ended.code == 1 && ended.failure.contains("the rest is left out"));
    }

    #[test]
    fn lines_are_shown_when_they_are_whole() {
        let mut bytes = b"one\ntwo\nthr".to_vec();
        assert_eq!(whole_lines(&mut bytes, false), b"one\ntwo\n");
        assert_eq!((whole_lines(&mut bytes, false), bytes.as_slice()), (Vec::new(), &b"thr"[..]));
        assert_eq!((whole_lines(&mut bytes, true), bytes.len()), (b"thr".to_vec(), 0));
        let mut long = vec![b'x'; LONGEST_LINE + 1];
        assert_eq!(whole_lines(&mut long, false).len(), LONGEST_LINE + 1);
    }
}
