//! Help: what there is, and how one command or program is used. All of it comes from the two tables.

use nu_ansi_term::Style as Paint;

use super::fold::fold;
use super::{Style, escape, near};
use crate::command::{self, Descriptor, HelpArguments};
use crate::program::{Form, Option_, Schema, Stdin, Value};

/// The text, or one sentence on why there is none. `commands` and `programs` are what the reader may use.
pub fn help(
    asked: &HelpArguments,
    commands: &[&'static str],
    programs: &[&Schema],
    style: Style,
) -> Result<String, String> {
    let Some(topic) = asked.topic.as_deref() else { return Ok(overview(commands, programs, style)) };
    if let Some(descriptor) = command::find(topic).filter(|d| commands.contains(&d.name)) {
        return Ok(of_command(descriptor, style));
    }
    if let Some(schema) = programs.iter().find(|schema| schema.name().as_str() == topic) {
        return Ok(of_program(schema, style));
    }
    let names = commands.iter().copied().chain(programs.iter().map(|schema| schema.name().as_str()));
    let message = format!("help: there is no command or program `{}` for you", escape(topic.as_bytes()));
    Err(match near(topic, names).as_slice() {
        [] => message,
        found => format!("{message}; near: {}", found.join(", ")),
    })
}

fn title(text: &str, style: Style) -> String {
    if style.colour { Paint::new().bold().paint(text).to_string() } else { text.to_owned() }
}

const LINES: [&str; 3] = [
    "A line is a command, or programs joined by `|`; a command may come first in a pipeline.",
    "Words may be in quotes; `*`, `?` and `[…]` outside quotes match files.",
    "`help NAME` shows how one of them is used. Every line is on record before it runs.",
];

fn overview(commands: &[&'static str], programs: &[&Schema], style: Style) -> String {
    let mut text = format!("{}\n", title("Commands of pact", style));
    for descriptor in command::TABLE.iter().filter(|descriptor| commands.contains(&descriptor.name)) {
        let names = std::iter::once(descriptor.name).chain(descriptor.aliases.iter().copied());
        row(&mut text, &names.collect::<Vec<_>>().join(", "), descriptor.about, style);
    }
    if !programs.is_empty() {
        text.push_str(&format!("\n{}\n", title("Programs", style)));
    }
    for schema in programs {
        row(&mut text, schema.name().as_str(), schema.about(), style);
    }
    text.push_str(&format!("\n{}\n", title("Lines", style)));
    for sentence in LINES {
        text.push_str(&paragraph(sentence, style));
    }
    text
}

fn of_command(descriptor: &Descriptor, style: Style) -> String {
    let mut text = format!("{} - {}\n\n  {}\n", descriptor.name, descriptor.about, descriptor.usage());
    text.push_str(&format!("\n{}", paragraph(descriptor.long, style)));
    let arguments = descriptor.arguments();
    if !arguments.is_empty() {
        text.push_str(&format!("\n{}\n", title("Arguments", style)));
    }
    for (spelling, about) in arguments {
        row(&mut text, &spelling, &about, style);
    }
    text.push_str(&format!("\n{}\n", title("Examples", style)));
    for (line, what) in descriptor.examples {
        row(&mut text, line, what, style);
    }
    text
}

fn of_program(schema: &Schema, style: Style) -> String {
    let mut text = format!("{} - {}\n", schema.name(), schema.about());
    let shared = shared(schema.forms());
    for form in schema.forms() {
        text.push_str(&format!("\n  {}\n", usage(schema, form)));
        if !form.about.is_empty() {
            text.push_str(&paragraph(&form.about, style));
        }
        for option in form.options.iter().filter(|option| !shared.contains(option)) {
            option_row(&mut text, option, style);
        }
        if form.stdin == Stdin::WithoutFiles {
            text.push_str(&paragraph("Without a file it reads what comes through the pipe.", style));
        }
    }
    if !shared.is_empty() {
        text.push_str(&format!("\n{}\n", title("Options of every form", style)));
        for option in shared {
            option_row(&mut text, option, style);
        }
    }
    for (name, words) in long_lists(schema) {
        text.push_str(&format!("\n{}", paragraph(&format!("{name}: {}", words.join(", ")), style)));
    }
    text.push_str(&format!("\n{}", paragraph("What is not listed is refused; spellings are exact.", style)));
    text
}

fn option_row(text: &mut String, option: &Option_, style: Style) {
    let value = option.value.as_ref().map(|value| if is_long(value) { "LIST".to_owned() } else { value.shown() });
    let value = value.map(|v| if option.optional { format!("[={v}]") } else { format!(" {v}") });
    row(text, &format!("{}{}", option.names.join(", "), value.unwrap_or_default()), &option.about, style);
}

/// Options that every one of several forms has.
fn shared(forms: &[Form]) -> Vec<&Option_> {
    match forms {
        [] | [_] => Vec::new(),
        [first, rest @ ..] => {
            let everywhere = |option: &&Option_| rest.iter().all(|form| form.options.contains(option));
            first.options.iter().filter(everywhere).collect()
        }
    }
}

/// More words than fit beside an option are listed once, below.
fn is_long(value: &Value) -> bool {
    value.words().len() > 12
}

/// Each long list of words, and which options or operands take it.
fn long_lists(schema: &Schema) -> Vec<(String, &[String])> {
    let mut lists: Vec<(Vec<String>, &[String])> = Vec::new();
    let options = schema.forms().iter().flat_map(|form| &form.options);
    let options = options.filter_map(|option| Some((format!("LIST of {}", option.names[0]), option.value.as_ref()?)));
    let operands = schema.forms().iter().flat_map(|form| &form.operands);
    let operands = operands.map(|operand| (operand.name.clone(), &operand.value));
    for (name, value) in options.chain(operands).filter(|(_, value)| is_long(value)) {
        match lists.iter_mut().find(|(_, words)| *words == value.words()) {
            Some((names, _)) if names.contains(&name) => {}
            Some((names, _)) => names.push(name),
            None => lists.push((vec![name], value.words())),
        }
    }
    lists.into_iter().map(|(names, words)| (names.join(" and "), words)).collect()
}

fn usage(schema: &Schema, form: &Form) -> String {
    let mut words = vec![schema.name().to_string()];
    words.extend(form.words.iter().map(|word| word.split('|').next().unwrap_or_default().to_owned()));
    if !form.needs.is_empty() {
        words.push(form.needs.join("|"));
    }
    if !form.options.is_empty() {
        words.push("[OPTIONS]".to_owned());
    }
    for operand in &form.operands {
        let many = if operand.many { "…" } else { "" };
        let name = format!("{}{many}", operand.name);
        words.push(if operand.optional { format!("[{name}]") } else { name });
    }
    words.join(" ")
}

/// A terminal that is narrower has no room for two columns.
const TWO_COLUMNS: u16 = 60;

fn row(text: &mut String, left: &str, right: &str, style: Style) {
    let below = style.columns < TWO_COLUMNS;
    let indent = if below { 6 } else { 30 };
    let right = fold(right, indent, style.columns);
    if below || left.chars().count() > 26 {
        text.push_str(&format!("  {left}\n{:indent$}{right}\n", ""));
    } else {
        text.push_str(&format!("  {left:26}  {right}\n"));
    }
}

fn paragraph(text: &str, style: Style) -> String {
    format!("  {}\n", fold(text, 2, style.columns))
}
