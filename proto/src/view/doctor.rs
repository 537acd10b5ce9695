//! What `doctor` says: what is wrong with how a node is set up, the worst first.

use nu_ansi_term::Style as Paint;

use super::fold::fold;
use super::{Style, Value, escape};
use crate::model::{Finding, Severity};

/// What stands before the second and further lines of a finding.
const INDENT: usize = 10;

/// For people: what is serious, then what is worth knowing, and how much of each.
pub fn doctor(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    for (severity, name) in [(Severity::Serious, "Serious"), (Severity::Note, "Notes")] {
        let of: Vec<_> = findings.iter().filter(|finding| finding.severity == severity).collect();
        if of.is_empty() {
            continue;
        }
        text.push_str(&format!("{}\n", title(name, style)));
        text.extend(of.into_iter().map(|finding| one(finding, style)));
        text.push('\n');
    }
    text + &format!("{}\n", summary(findings))
}

/// The same for programs.
pub fn doctor_value(findings: &[Finding]) -> Value {
    let finding = |finding: &Finding| {
        Value::object([
            ("check", Value::text(finding.check.name())),
            ("place", Value::text(&finding.place)),
            ("what", Value::text(&finding.what)),
            ("fix", Value::text(&finding.fix)),
            ("severity", Value::text(finding.severity.name())),
        ])
    };
    let serious = i64::try_from(count(findings, Severity::Serious)).unwrap_or(i64::MAX);
    Value::object([
        ("findings", Value::List(findings.iter().map(finding).collect())),
        ("serious", Value::number(serious)),
    ])
}

fn title(text: &str, style: Style) -> String {
    if style.colour { Paint::new().bold().paint(text).to_string() } else { text.to_owned() }
}

fn one(finding: &Finding, style: Style) -> String {
    let Finding { check, place, what, fix, .. } = finding;
    let shown = escape(format!("{place}: {what}").as_bytes());
    let mut text = format!("{:<INDENT$}{}\n", check.name(), fold(&shown, INDENT, style.columns));
    if !fix.is_empty() {
        let shown = format!("fix: {}", escape(fix.as_bytes()));
        text.push_str(&format!("{:INDENT$}{}\n", "", fold(&shown, INDENT, style.columns)));
    }
    text
}

fn summary(findings: &[Finding]) -> String {
    let serious = match count(findings, Severity::Serious) {
        0 => String::new(),
        1 => "1 serious finding".to_owned(),
        many => format!("{many} serious findings"),
    };
    let notes = match count(findings, Severity::Note) {
        0 => String::new(),
        1 => "1 note".to_owned(),
        many => format!("{many} notes"),
    };
    match (serious.is_empty(), notes.is_empty()) {
        (true, true) => "Nothing found.".to_owned(),
        (false, false) => format!("{serious}, {notes}"),
        (true, false) | (false, true) => serious + &notes,
    }
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}
