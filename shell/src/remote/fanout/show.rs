//! What many nodes answered, for people and for programs.
//!
//! **Invariant:** a line of output is of one node; what a node wrote without an end of line gets one.

use std::collections::BTreeMap;

use pact_proto::exit::ExitCode;
use pact_proto::model::NodeName;
use pact_proto::nodeset::fold;
use pact_proto::view::{Value, escape, json, yaml_item};

use super::{Ended, Said};
use crate::error::ShellError;
use crate::streams::Output;

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
            Said::Stdout(bytes) => answer.stdout.extend(bytes),
            Said::Stderr(bytes) => answer.stderr.extend(bytes),
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

/// Takes the lines that are whole; at the end, what is left too.
fn whole_lines(bytes: &mut Vec<u8>, is_over: bool) -> Vec<u8> {
    let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
        _ if is_over => bytes.len(),
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
