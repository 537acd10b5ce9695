//! What may be named in this session, sorted: what colours, hints and completion are made from.
//!
//! **Invariant:** a look-up costs O(log names + answers), and answers are bounded: a keystroke stays cheap with ten
//! thousand names.
//! **Invariant:** it is advice. The agent judges the line, whatever is shown here.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use pact_client::Context;
use pact_proto::command::Descriptor;
use pact_proto::grammar::at_cursor;
use pact_proto::model::entry::Kind;
use pact_proto::program::Schema;
use pact_proto::view::{escape, is_plain};

/// More candidates than this help nobody.
const MOST: usize = 200;
/// Words that are answered here and stand in no table.
pub(super) const HISTORY: &str = "history";

/// What the session's context says; read when a keystroke first asks.
pub(crate) struct Shared(Mutex<State>);

struct State {
    /// `None` until the agent has said it.
    context: Option<Context>,
    read: Option<Arc<Knowledge>>,
}

impl Shared {
    /// Nothing is known yet.
    pub(super) fn empty() -> Self {
        Self(Mutex::new(State { context: None, read: None }))
    }

    pub(super) fn replace(&self, context: Context) {
        *self.lock() = State { context: Some(context), read: None };
    }

    pub(super) fn get(&self) -> Arc<Knowledge> {
        let mut state = self.lock();
        let State { context, read } = &mut *state;
        Arc::clone(read.get_or_insert_with(|| Arc::new(Knowledge::new(context.as_ref()))))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One name that can begin a stage.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) text: String,
    about: String,
    pub(super) what: What,
}

/// What a name names.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A command of pact, with the spellings of its options.
    Command(&'static Descriptor, Vec<(String, String)>),
    /// A program.
    Program(Arc<Schema>),
    /// A word of the prompt.
    Here,
}

/// Something that could be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) text: String,
    pub(super) about: String,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    names: Vec<Name>,
    /// The node and its vCluster, as they are typed.
    place: Option<(String, String)>,
    /// A program's schema could not be read, so what is not known is not known to be wrong.
    partial: bool,
}

impl Knowledge {
    fn new(context: Option<&Context>) -> Self {
        let Some(context) = context else { return Self { names: Vec::new(), place: None, partial: true } };
        let (programs, partial) = match context.programs() {
            Ok(programs) => (programs, false),
            Err(_) => (Vec::new(), true),
        };
        let commands: Vec<_> = context.commands().collect();
        let place = context.node.as_ref().map(|node| (node.to_string(), context.vcluster.clone()));
        Self { place, ..Self::of(&commands, programs, partial) }
    }

    pub(super) fn of(commands: &[&'static Descriptor], programs: Vec<Schema>, partial: bool) -> Self {
        let here = Name { text: HISTORY.into(), about: "show the lines of this prompt".into(), what: What::Here };
        let mut names = vec![here];
        for descriptor in commands {
            let spellings = std::iter::once(&descriptor.name).chain(descriptor.aliases);
            let name = |text: &&str| Name {
                text: (*text).to_owned(),
                about: descriptor.about.to_owned(),
                what: What::Command(descriptor, descriptor.options()),
            };
            names.extend(spellings.map(name));
        }
        names.extend(programs.into_iter().map(|schema| Name {
            text: schema.name().to_string(),
            about: schema.about().to_owned(),
            what: What::Program(Arc::new(schema)),
        }));
        names.sort_by(|one, other| one.text.cmp(&other.text));
        Self { names, place: None, partial }
    }

    /// Beginnings of names that can only be meant for one, of three characters or more: `sh` is what people type for
    /// something else.
    pub(super) fn abbreviations(&self) -> HashMap<String, String> {
        const MOST_NAMES: usize = 1000;
        let mut found = HashMap::new();
        for name in self.names.iter().filter(|name| name.is_word() && self.names.len() <= MOST_NAMES) {
            let ends = name.text.char_indices().map(|(at, _)| at).skip(3);
            for prefix in ends.map(|end| &name.text[..end]) {
                let mut meant = self.beginning(prefix).map(Name::meant);
                let first = meant.next();
                if first.is_some() && meant.all(|other| Some(other) == first) && self.find(prefix).is_none() {
                    found.insert(prefix.to_owned(), name.text.clone());
                }
            }
        }
        found
    }

    /// Whether what is not here is wrong.
    pub(super) fn is_whole(&self) -> bool {
        !self.partial
    }

    /// The name, if it is one.
    pub(super) fn find(&self, name: &str) -> Option<&Name> {
        let at = self.names.binary_search_by(|known| known.text.as_str().cmp(name)).ok()?;
        self.names.get(at)
    }

    /// The names that begin so.
    pub(super) fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Name> {
        let from = self.names.partition_point(|known| known.text.as_str() < prefix);
        self.names[from..].iter().take_while(move |known| known.text.starts_with(prefix))
    }

    /// What could stand at `cursor`, and which bytes of the line it would take the place of.
    pub(super) fn candidates(&self, line: &str, cursor: usize) -> Option<(Range<usize>, Vec<Candidate>)> {
        let here = at_cursor(line, cursor)?;
        let before: Vec<&[u8]> = here.before.iter().map(Vec::as_slice).collect();
        let found = match before.as_slice() {
            [] => self.names(&here.partial, here.first_stage),
            [b"pact"] if here.first_stage => self.names(&here.partial, true),
            [b"pact", name, ..] if here.first_stage => self.arguments(name, &[], &here.partial),
            [name, ..] => self.arguments(name, &here.before[1..], &here.partial),
        };
        let mut found: Vec<_> = found.into_iter().filter(|candidate| candidate.text.chars().all(is_plain)).collect();
        found.truncate(MOST);
        Some((here.span, found))
    }

    /// Whether a file could be meant at `cursor`: then the node knows more.
    pub(super) fn may_be_path(&self, line: &str, cursor: usize) -> bool {
        let Some(here) = at_cursor(line, cursor) else { return false };
        let Some((name, before)) = here.before.split_first() else { return false };
        let name = std::str::from_utf8(name).ok().and_then(|name| self.find(name));
        name.is_some_and(|name| match &name.what {
            What::Program(schema) => schema.path(before, &here.partial).is_some(),
            What::Command(..) | What::Here => false,
        })
    }

    fn names(&self, prefix: &str, first_stage: bool) -> Vec<Candidate> {
        let fits = |name: &&Name| name.is_word() && (first_stage || matches!(name.what, What::Program(_)));
        self.beginning(prefix).filter(fits).take(MOST).map(Name::candidate).collect()
    }

    fn arguments(&self, name: &[u8], before: &[Vec<u8>], partial: &str) -> Vec<Candidate> {
        let name = std::str::from_utf8(name).ok().and_then(|name| self.find(name));
        match name.map(|name| &name.what) {
            Some(What::Command(descriptor, _)) if descriptor.name == "help" && !partial.starts_with('-') => {
                let is_topic = |name: &&Name| name.is_word() && !matches!(name.what, What::Here);
                let topics = self.beginning(partial).filter(is_topic);
                topics.take(MOST).map(Name::candidate).collect()
            }
            Some(What::Command(_, options)) if partial.starts_with('-') && !partial.contains('=') => {
                options.iter().filter(|(text, _)| text.starts_with(partial)).map(Candidate::of).collect()
            }
            Some(What::Command(descriptor, _)) => self.values(descriptor, before, partial),
            Some(What::Program(schema)) => schema.completions(before, partial).iter().map(Candidate::of).collect(),
            Some(What::Here) | None => Vec::new(),
        }
    }

    /// Of a command's option or operand: the words that it may be, or the names that this session knows.
    fn values(&self, descriptor: &Descriptor, before: &[Vec<u8>], partial: &str) -> Vec<Candidate> {
        let Some((words, name)) = descriptor.value(before, partial) else { return Vec::new() };
        let (node, vcluster) = self.place.clone().unwrap_or_default();
        let known = match name.as_str() {
            _ if !words.is_empty() => words,
            "NODE" | "NODES" => vec![node],
            "VCLUSTER" => vec![vcluster],
            "KIND" => Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
            "SCOPE" => vec!["global".to_owned(), format!("node:{node}"), format!("vc:{vcluster}")],
            _ => Vec::new(),
        };
        let typed = partial.rsplit_once('=').map_or("", |(option, _)| &partial[..=option.len()]);
        let fits = known.into_iter().filter(|word| !word.is_empty()).map(|word| format!("{typed}{word}"));
        fits.filter(|word| word.starts_with(partial)).map(|text| Candidate { text, about: String::new() }).collect()
    }
}

impl Name {
    /// Spellings of one command mean the same.
    fn meant(&self) -> &str {
        match &self.what {
            What::Command(descriptor, _) => descriptor.name,
            What::Program(_) | What::Here => &self.text,
        }
    }

    /// `?` is shorter than any key that would complete it.
    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphanumeric())
    }

    fn candidate(&self) -> Candidate {
        Candidate { text: self.text.clone(), about: escape(self.about.as_bytes()) }
    }
}

impl Candidate {
    /// One that can be shown, and typed.
    pub(super) fn of_file(text: String) -> Option<Self> {
        text.chars().all(is_plain).then(|| Self { text, about: String::new() })
    }

    fn of((text, about): &(String, String)) -> Self {
        Self { text: text.clone(), about: escape(about.as_bytes()) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use pact_proto::command::TABLE;
    use pact_proto::program::Program;

    use super::*;

    /// Every command, and programs from the examples.
    pub(in crate::repl) fn knowledge() -> Knowledge {
        let programs = ["dmesg", "grep", "ip", "df", "tail", "uname"].map(|name| {
            let path = format!("{}/../examples/programs/{name}.toml", env!("CARGO_MANIFEST_DIR"));
            Program::from_toml(&std::fs::read_to_string(path).unwrap()).unwrap().schema().clone()
        });
        let place = Some(("node042".to_owned(), "ml-training".to_owned()));
        Knowledge { place, ..Knowledge::of(&TABLE.iter().collect::<Vec<_>>(), programs.to_vec(), false) }
    }

    pub(in crate::repl) fn shared() -> Arc<Shared> {
        let shared = Shared::empty();
        shared.lock().read = Some(Arc::new(knowledge()));
        Arc::new(shared)
    }

    fn texts(line: &str) -> Vec<String> {
        let found = knowledge().candidates(line, line.len());
        found.map_or_else(Vec::new, |(_, found)| found.into_iter().map(|candidate| candidate.text).collect())
    }

    #[test]
    fn what_could_be_typed_is_found() {
        for (line, wanted) in [
            ("dm", &["dmesg"][..]),
            ("h", &["health", "help", "history"]),
            ("?", &[]),
            ("help ?", &[]),
            ("pact st", &["status"]),
            ("log --s", &["--scope", "--since"]),
            ("log -n 5 | g", &["grep"]),
            ("uname | h", &[]),
            ("help dm", &["dmesg"]),
            ("grep --line-n", &["--line-number"]),
            ("grep --color=al", &["--color=always"]),
            ("log --scope ", &["global", "node:node042", "vc:ml-training"]),
            ("log --scope=n", &["--scope=node:node042"]),
            ("log --kind REF", &["REFUSED"]),
            ("log -n 5 --kind=OUTP", &["--kind=OUTPUT"]),
            ("status ", &["node042"]),
            ("status --vcluster ", &["ml-training"]),
            ("cap n", &["node042"]),
            ("cap node042 n", &[]),
            ("nothing -", &[]),
            ("uname; d", &[]),
        ] {
            assert_eq!(texts(line), wanted, "{line}");
        }
    }

    #[test]
    fn what_can_only_mean_one_is_an_abbreviation() {
        let known = knowledge().abbreviations();
        let meant = |short: &str| known.get(short).map(String::as_str);
        for (short, long) in [
            ("dme", Some("dmesg")),
            ("una", Some("uname")),
            ("hel", Some("help")),
            ("hea", Some("health")),
            ("sh", None),
            ("d", None),
        ] {
            assert_eq!(meant(short), long, "{short}");
        }
        // What is a name is not short for another one, and is itself.
        assert_eq!((meant("ip"), meant("df")), (None, None));
    }

    #[test]
    fn a_keystroke_is_cheap_with_ten_thousand_names() {
        let names =
            (0..10_000).map(|n| Name { text: format!("program-{n:05}"), about: String::new(), what: What::Here });
        let many = Knowledge { names: names.collect(), place: None, partial: false };
        assert_eq!(many.names("program-0", true).len(), MOST);
        assert!(many.find("program-09999").is_some());
        assert_eq!(many.beginning("program-0999").count(), 10);
    }
}
