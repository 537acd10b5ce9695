//! The files that the rules look at.
//!
//! **Why:** read from the directories of the workspace, not from version control, so that an unpacked archive can be
//! checked too, and so that nothing depends on who owns the checkout.

use std::fs;
use std::path::Path;

use super::code;
use crate::error::{Error, Result};

/// Folders beside the crates.
const ROOMS: [&str; 4] = ["examples", "fuzz", ".ci", ".cargo"];
/// Built, or found by fuzzing: nobody wrote them.
const PASSED_OVER: [&str; 4] = ["target", "corpus", "artifacts", "proptest-regressions"];

/// Every file that somebody wrote, by its path from the top.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

/// A text file.
pub(crate) struct File {
    /// From the top, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// For Rust: the text with comments and literals blanked, so that a line and a column mean the same in both.
    pub(crate) code: String,
}

impl Tree {
    pub(crate) fn load(top: &Path) -> Result<Self> {
        let mut tree = Self { files: Vec::new() };
        let manifest = fs::read_to_string(top.join("Cargo.toml"))?;
        let members = members(&manifest).ok_or_else(|| Error::failed("Cargo.toml: no workspace.members"))?;
        for room in members.iter().map(String::as_str).chain(ROOMS) {
            tree.walk(top, room)?;
        }
        for entry in fs::read_dir(top)? {
            let entry = entry?;
            // A file of that name is how version control marks a second checkout.
            if entry.file_type()?.is_file() && entry.file_name() != ".git" {
                tree.read(top, &entry.file_name().to_string_lossy())?;
            }
        }
        tree.files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(tree)
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Rust that people wrote.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| is_rust(&file.path) && !file.path.contains("/gen/"))
    }

    fn walk(&mut self, top: &Path, room: &str) -> Result<()> {
        for entry in fs::read_dir(top.join(room))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{room}/{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() && !PASSED_OVER.contains(&name.as_str()) {
                self.walk(top, &path)?;
            } else if kind.is_file() {
                self.read(top, &path)?;
            }
        }
        Ok(())
    }

    /// What is not text is nobody's prose.
    fn read(&mut self, top: &Path, path: &str) -> Result<()> {
        if let Ok(text) = String::from_utf8(fs::read(top.join(path))?) {
            self.files.push(File::new(path, text));
        }
        Ok(())
    }
}

impl File {
    pub(crate) fn new(path: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        let code = if is_rust(path) { code::only(&text) } else { String::new() };
        Self { path: path.to_owned(), text, code }
    }

    /// Code that only tests have: it may do what what is shipped may not.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.starts_with("fuzz/") || self.path.ends_with("/tests.rs")
    }

    /// The code without its test modules.
    pub(crate) fn shipped(&self) -> String {
        code::without_tests(&self.code)
    }
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

fn members(manifest: &str) -> Option<Vec<String>> {
    let document: toml_edit::DocumentMut = manifest.parse().ok()?;
    let members = document.get("workspace")?.get("members")?.as_array()?;
    Some(members.iter().filter_map(|member| member.as_str().map(str::to_owned)).collect())
}

#[cfg(test)]
pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
    Tree { files: files.iter().map(|(path, text)| File::new(path, *text)).collect() }
}
