//! What lies in a node's directory: programs, accounts, configuration, all of it root's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use tempfile::TempDir;
use toml_edit::{DocumentMut, value};

use super::Account;
use crate::error::{Error, Result};
use crate::root;

/// The group whose members may reach the agent.
pub(super) const GROUP: u32 = 61_000;
/// Not /tmp, which is memory on many machines, where a spool that keeps its promises refuses to stand.
const BELOW: &str = "/var/tmp";

/// Writes the directory.
pub(super) fn write(built: &Path, programs: &Path) -> Result<TempDir> {
    let place = tempfile::Builder::new().prefix("pact-node-").tempdir_in(BELOW)?;
    let at = |name: &str| place.path().join(name);
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755))?;
    for folder in ["bin", "etc", "etc/programs", "root"] {
        fs::create_dir(at(folder))?;
    }
    // Copies: the accounts may not be able to walk to where these were built, and the agent trusts root's files only.
    for program in ["pact", "pact-agent"] {
        fs::copy(built.join(program), at("bin").join(program))?;
    }
    for schema in fs::read_dir(programs)? {
        let schema = schema?;
        fs::write(at("etc/programs").join(schema.file_name()), fs::read(schema.path())?)?;
    }
    fs::copy(root().join("examples/policy.toml"), at("etc/policy.toml"))?;
    let example = fs::read_to_string(root().join("examples/agent.toml"))?;
    fs::write(at("etc/agent.toml"), moved(&example, place.path())?)?;
    write_accounts(place.path())?;
    Ok(place)
}

/// The example's configuration with its files in this directory.
fn moved(example: &str, place: &Path) -> Result<String> {
    let wrong = |error: toml_edit::TomlError| Error::failed(format!("examples/agent.toml: {error}"));
    let mut document: DocumentMut = example.parse().map_err(wrong)?;
    for (key, name) in [("spool", "spool"), ("policy", "etc/policy.toml"), ("programs", "etc/programs")] {
        document[key] = value(place.join(name).to_string_lossy().into_owned());
    }
    Ok(document.to_string())
}

/// The machine's accounts, and those of the node.
fn write_accounts(place: &Path) -> Result<()> {
    let mut passwd = without(&fs::read_to_string("/etc/passwd")?, &Account::PERSONS.map(Account::name));
    let mut group = without(&fs::read_to_string("/etc/group")?, &["pact"]);
    for account in Account::PERSONS {
        let ((uid, gid), name) = (account.ids(), account.name());
        let home = place.join(name);
        fs::create_dir(&home)?;
        chown(&home, Some(uid), Some(gid))?;
        passwd.push_str(&format!("{name}:x:{uid}:{gid}::{}:{}/bin/pact\n", home.display(), place.display()));
    }
    let members = Account::PERSONS.map(Account::name).join(",");
    group.push_str(&format!("pact:x:{GROUP}:{members}\n"));
    fs::write(place.join("passwd"), passwd)?;
    fs::write(place.join("group"), group)?;
    Ok(())
}

/// A file of accounts without the ones of these names.
fn without(accounts: &str, names: &[&str]) -> String {
    let is_other = |line: &&str| line.split(':').next().is_some_and(|name| !names.contains(&name));
    accounts.lines().filter(is_other).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_moves_with_its_files() {
        let example = fs::read_to_string(root().join("examples/agent.toml")).unwrap();
        let moved = moved(&example, Path::new("/x")).unwrap();
        for line in ["spool = \"/x/spool\"", "policy = \"/x/etc/policy.toml\"", "programs = \"/x/etc/programs\""] {
            assert!(moved.lines().any(|found| found == line), "{moved}");
        }
        assert!(moved.contains("node = \"node042\""), "{moved}");
    }

    #[test]
    fn accounts_of_the_same_name_give_way() {
        assert_eq!(without("root:x:0\nalice:x:7\nalices:x:8\n", &["alice"]), "root:x:0\nalices:x:8\n");
    }
}
