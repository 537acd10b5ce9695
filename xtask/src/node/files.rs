//! What lies in a node's directory: programs, accounts, configuration, all of it root's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use tempfile::TempDir;
use toml_edit::{DocumentMut, value};

use super::{Account, Setup};
use crate::error::{Error, Result};
use crate::root;

/// The group whose members may reach the agent.
pub(super) const GROUP: u32 = 61_000;
/// The account that the example's configuration has agents run as, and its group.
const AGENT: (&str, u32) = ("pact-agent", 61_010);
/// Not /tmp, which is memory on many machines, where a spool that keeps its promises refuses to stand.
pub(crate) const BELOW: &str = "/var/tmp";

/// Writes the directory.
pub(super) fn write(setup: &Setup<'_>) -> Result<TempDir> {
    let place = tempfile::Builder::new().prefix("pact-node-").tempdir_in(BELOW)?;
    let at = |name: &str| place.path().join(name);
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755))?;
    for folder in ["bin", "etc", "etc/programs", "root"] {
        fs::create_dir(at(folder))?;
    }
    for program in ["pact", "pact-agent"] {
        bring(&setup.built.join(program), &at("bin").join(program))?;
    }
    for schema in fs::read_dir(setup.programs)? {
        let schema = schema?;
        fs::write(at("etc/programs").join(schema.file_name()), fs::read(schema.path())?)?;
    }
    let example = |path: &str| fs::read_to_string(root().join(path));
    fs::write(at("etc/policy.toml"), with(&example("examples/policy.toml")?, setup.policy)?)?;
    let agent = with(&example("examples/agent.toml")?, setup.agent)?;
    fs::write(at("etc/agent.toml"), moved(&agent, place.path())?)?;
    write_accounts(place.path())?;
    Ok(place)
}

/// Puts a program where every account can walk to; a second name costs no time and no room, where that is possible.
fn bring(from: &Path, to: &Path) -> Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))?;
    Ok(())
}

/// An example with more keys: a table's are added to it, whatever else is there gives way.
fn with(example: &str, more: &str) -> Result<String> {
    let mut document = read(example)?;
    for (name, item) in read(more)?.iter() {
        match (document[name].as_table_mut(), item.as_table()) {
            (Some(table), Some(more)) => table.extend(more.iter().map(|(key, item)| (key.to_owned(), item.clone()))),
            (Some(_) | None, Some(_) | None) => document[name] = item.clone(),
        }
    }
    Ok(document.to_string())
}

/// The configuration with its files in this directory.
fn moved(configuration: &str, place: &Path) -> Result<String> {
    let mut document = read(configuration)?;
    for (key, name) in [
        ("shell", "bin/pact"),
        ("spool", "spool"),
        ("recordings", "recordings"),
        ("policy", "etc/policy.toml"),
        ("programs", "etc/programs"),
    ] {
        document[key] = value(place.join(name).to_string_lossy().into_owned());
    }
    Ok(document.to_string())
}

fn read(text: &str) -> Result<DocumentMut> {
    text.parse().map_err(|error: toml_edit::TomlError| Error::failed(format!("configuration of a node: {error}")))
}

/// The machine's accounts, and those of the node.
fn write_accounts(place: &Path) -> Result<()> {
    let (agent, id) = AGENT;
    let persons = Account::PERSONS.map(Account::name);
    let mut passwd = without(&fs::read_to_string("/etc/passwd")?, &[&persons[..], &[agent]].concat());
    let mut group = without(&fs::read_to_string("/etc/group")?, &["pact", agent]);
    passwd.push_str(&format!("{agent}:*:{id}:{id}::/nonexistent:/usr/sbin/nologin\n"));
    group.push_str(&format!("{agent}:x:{id}:\n"));
    for account in Account::PERSONS {
        let ((uid, gid), name) = (account.ids(), account.name());
        let home = place.join(name);
        fs::create_dir(&home)?;
        chown(&home, Some(uid), Some(gid))?;
        // No password, here or in a shadow file: who is root may become them, nobody else.
        passwd.push_str(&format!("{name}:*:{uid}:{gid}::{}:{}/bin/pact\n", home.display(), place.display()));
    }
    let members = persons.join(",");
    group.push_str(&format!("pact:x:{GROUP}:{members}\n"));
    fs::write(place.join("passwd"), passwd)?;
    fs::write(place.join("group"), group)?;
    Ok(())
}

/// A file of accounts without the ones of these names.
pub(crate) fn without(accounts: &str, names: &[&str]) -> String {
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
    fn what_is_added_joins_its_table_or_takes_the_place() {
        let example = "a = 1\nb = 2\n\n[limits]\nx = 1\ny = 2\n";
        let expected = "a = 1\nb = 3\n\n[limits]\nx = 1\ny = 5\nz = 6\n";
        assert_eq!(with(example, "b = 3\n[limits]\ny = 5\nz = 6\n").unwrap(), expected);
        assert_eq!(with(example, "").unwrap(), example);
        assert!(with(example, "b =").is_err());
    }

    #[test]
    fn accounts_of_the_same_name_give_way() {
        assert_eq!(without("root:x:0\nalice:x:7\nalices:x:8\n", &["alice"]), "root:x:0\nalices:x:8\n");
    }
}
