//! Every file in examples/ is used: by a test, or by the demo, which a test of its own plays.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let examples = tree.files.iter().filter(|file| file.path.starts_with("examples/"));
    examples
        .filter(|example| !is_used(tree, &example.path))
        .map(|example| {
            Finding::new(&example.path, 0, "no test and no task uses it", "run or parse it in a test, or remove it")
        })
        .collect()
}

/// Some Rust file names it, or the folder below examples/ that it lies in.
fn is_used(tree: &Tree, path: &str) -> bool {
    let folder = path.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| *folder != "examples");
    tree.rust().any(|file| file.text.contains(path) || folder.is_some_and(|folder| file.text.contains(folder)))
}

#[cfg(test)]
mod tests {
    use super::super::tree::of;
    use super::*;

    #[test]
    fn an_example_that_nothing_uses() {
        let uses = ("agent/tests/it/a.rs", "\"../examples/agent.toml\", \"../examples/programs\"");
        let named = |files: &[(&str, &str)]| check(&of(files)).iter().map(|f| f.path.clone()).collect::<Vec<_>>();
        let files = [("examples/agent.toml", ""), ("examples/programs/ip.toml", ""), ("examples/old.toml", ""), uses];
        assert_eq!(named(&files), ["examples/old.toml"]);
    }
}
