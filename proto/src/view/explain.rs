//! Why a line would run or not, and what people miss.

use super::{Style, Value, escape, fold::fold};

/// How a line would be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// As it was typed.
    pub line: Vec<u8>,
    /// Its stages in order; none where it cannot be read.
    pub stages: Vec<ExplainedStage>,
    /// Of pact's table; 0 where it would run.
    pub code: u8,
    /// One sentence; to the person who would type it.
    pub verdict: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedStage {
    /// As it is typed.
    pub name: Vec<u8>,
    /// The schema and the role let it.
    pub is_allowed: bool,
    /// By which rule.
    pub why: String,
}

/// For people.
pub fn explanation(of: &Explanation, style: Style) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| text.push_str(&format!("{name:<10}{}\n", fold(value, 10, style.columns)));
    row("Line:", &escape(&of.line));
    for (number, stage) in of.stages.iter().enumerate() {
        let verdict = if stage.is_allowed { "allowed" } else { "refused" };
        let why = escape(stage.why.as_bytes());
        row(&format!("Stage {}:", number + 1), &format!("{}: {verdict}: {why}", escape(&stage.name)));
    }
    row("Verdict:", &escape(of.verdict.as_bytes()));
    if !of.hint.is_empty() {
        row("Hint:", &escape(of.hint.as_bytes()));
    }
    text
}

/// The same for programs.
pub fn explanation_value(of: &Explanation) -> Value {
    let stage = |stage: &ExplainedStage| {
        Value::object([
            ("name", Value::bytes(&stage.name)),
            ("allowed", Value::Bool(stage.is_allowed)),
            ("why", Value::text(&stage.why)),
        ])
    };
    Value::object([
        ("line", Value::bytes(&of.line)),
        ("stages", Value::List(of.stages.iter().map(stage).collect())),
        ("exit_code", Value::number(of.code.into())),
        ("verdict", Value::text(&of.verdict)),
        ("hint", Value::text(&of.hint)),
    ])
}

/// Names that were refused, and how often.
pub fn suggestions(names: &[(String, u64)]) -> String {
    if names.is_empty() {
        return "Nothing was refused for its name.\n".to_owned();
    }
    names.iter().map(|(name, times)| format!("{times:>6}  {}\n", escape(name.as_bytes()))).collect()
}

/// The same for programs.
pub fn suggestions_value(names: &[(String, u64)]) -> Value {
    let one = |(name, times): &(String, u64)| {
        let times = i64::try_from(*times).unwrap_or(i64::MAX);
        Value::object([("name", Value::text(name)), ("refused", Value::number(times))])
    };
    Value::List(names.iter().map(one).collect())
}
