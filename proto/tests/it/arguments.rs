//! The argv that is judged is the argv that is executed: arguments for every program that is shipped, made of its
//! schema's own spellings and values, and of words that are nearly these.

use pact_proto::program::{Form, Option_, Schema, Value};

use crate::{corpus, fuzzed, programs};

/// Words in which one might lose or gain something on the way.
const ODD: [&str; 16] =
    ["", " ", "-", "--", "-x", "*", "a*b", "~", "$HOME", "a'b", "\"", "\\", "|", "a b", "\u{e9}\u{6f22}", "#"];

struct Words<R>(R);

impl<R: FnMut(usize) -> usize> Words<R> {
    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[(self.0)(all.len())]
    }

    /// What the form allows, more often than not.
    fn argv(&mut self, schema: &Schema) -> Vec<Vec<u8>> {
        let form = self.one_of(schema.forms());
        let mut argv = vec![schema.name().to_string()];
        let mut behind: Vec<String> = Vec::new();
        let needed = form.options.iter().filter(|option| option.names.iter().any(|name| form.needs.contains(name)));
        let needed: Vec<&Option_> = needed.take(1).collect();
        let options = if form.options.is_empty() { 0 } else { (self.0)(4) };
        let said: Vec<&Option_> = (0..options).map(|_| self.one_of(&form.options)).chain(needed).collect();
        for option in said {
            let words = self.option(option, form.bundle);
            if form.options_first && words[0].starts_with('-') { argv.extend(words) } else { behind.extend(words) }
        }
        for word in &form.words {
            let spellings: Vec<&str> = word.split('|').collect();
            argv.push((*self.one_of(&spellings)).to_owned());
        }
        argv.extend(behind);
        argv.extend(self.operands(form));
        if (self.0)(4) == 0 {
            self.mutate(&mut argv);
        }
        argv.into_iter().map(String::into_bytes).collect()
    }

    fn option(&mut self, option: &Option_, bundle: bool) -> Vec<String> {
        let name = self.one_of(&option.names).clone();
        let Some(value) = &option.value else { return vec![name] };
        let said = self.value(value);
        match (option.optional, (self.0)(2)) {
            (true, 0) => vec![name],
            (false, 0) => vec![name, said],
            _ if name.starts_with("--") => vec![format!("{name}={said}")],
            _ if bundle => vec![format!("{name}{said}")],
            (true, _) => vec![name],
            (false, _) => vec![name, said],
        }
    }

    fn operands(&mut self, form: &Form) -> Vec<String> {
        let mut words = Vec::new();
        for operand in &form.operands {
            let least = usize::from(!operand.optional);
            let most = if operand.many { 3 } else { 1 };
            let times = least + (self.0)(most - least + 1);
            words.extend((0..times).map(|_| self.value(&operand.value)));
        }
        words
    }

    fn value(&mut self, value: &Value) -> String {
        match value {
            Value::Text | Value::Path => (*self.one_of(&ODD)).to_owned(),
            Value::Name => "name".to_owned(),
            Value::Count | Value::Numbers => (self.0)(100).to_string(),
            Value::Size => "+5K".to_owned(),
            Value::Seconds => "0.5".to_owned(),
            Value::Key => "net.ipv4.ip_forward".to_owned(),
            Value::Format => "+%F %T".to_owned(),
            Value::Interface => "eth0".to_owned(),
            Value::Address => "10.0.0.0/8".to_owned(),
            Value::OneOf(words) => self.one_of(words).clone(),
            Value::ListOf(words) | Value::SignedListOf(words) => {
                format!("{},{}", self.one_of(words), self.one_of(words))
            }
        }
    }

    fn mutate(&mut self, argv: &mut Vec<String>) {
        let at = 1 + (self.0)(argv.len());
        match (self.0)(3) {
            0 if at < argv.len() => drop(argv.remove(at)),
            1 if at < argv.len() => argv[at] += self.one_of::<&str>(&ODD),
            _ => argv.insert(at, (*self.one_of(&ODD)).to_owned()),
        }
    }
}

#[test]
fn what_is_allowed_is_passed_on_as_it_is() {
    let mut words = Words(corpus::random());
    for program in programs() {
        let schema = program.schema();
        let mut allowed = 0;
        for _ in 0..300 {
            let argv = words.argv(schema);
            if schema.match_argv(&argv).is_ok() {
                allowed += 1;
                fuzzed::assert_is_passed_on(schema, &argv);
            }
            fuzzed::program(&argv.join(&0));
        }
        assert!(allowed > 50, "{}: {allowed} of 300 are allowed", program.name());
    }
}
