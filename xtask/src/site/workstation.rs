//! A workstation of the site: no node's agent, the settings and the token of a person, and a shell that has `pact`.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Site;
use crate::error::Result;
use crate::node::{Account, without};

/// Without the settings of the machine, which may print something or change the prompt.
const SHELL: &[&str] = &["bash", "--norc", "--noprofile", "-i"];

/// Where somebody sits.
pub struct Workstation {
    account: Account,
    home: PathBuf,
    /// The accounts of the machine and this one, whose shell is not pact.
    passwd: PathBuf,
    /// The directory of `pact`.
    programs: PathBuf,
}

impl Workstation {
    /// Makes the home of an account, with its token. `programs` is where every account finds `pact`.
    pub fn new(site: &Site, account: Account, programs: &Path) -> Result<Self> {
        let home = site.path(&format!("{}-home", account.name()));
        let settings = home.join(".config/pact");
        fs::create_dir_all(&settings)?;
        let token = settings.join("token");
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&token)?;
        file.write_all(site.provider.token(&account.principal(), account.roles())?.as_bytes())?;
        let (endpoint, ca) = (site.endpoint(), site.path("ca.pem"));
        let (ca, token_file) = (ca.display(), token.display());
        let text = format!("endpoint = \"{endpoint}\"\nca = \"{ca}\"\ntoken_file = \"{token_file}\"\n");
        fs::write(settings.join("cli.toml"), text)?;
        let (uid, gid) = account.ids();
        let mut accounts = without(&fs::read_to_string("/etc/passwd")?, &[account.name()]);
        accounts.push_str(&format!("{}:*:{uid}:{gid}::{}:/bin/bash\n", account.name(), home.display()));
        for path in [&home, &home.join(".config"), &settings, &settings.join("cli.toml"), &token] {
            chown(path, Some(uid), Some(gid))?;
        }
        let passwd = site.path(&format!("{}-passwd", account.name()));
        fs::write(&passwd, accounts)?;
        Ok(Self { account, home, passwd, programs: programs.to_owned() })
    }

    /// What its shell shows when it waits for a line.
    pub fn prompt(&self) -> String {
        format!("{}@workstation$ ", self.account.name())
    }

    /// Its shell, which takes its standard input as its terminal; not started yet.
    pub fn shell_on_terminal(&self) -> Command {
        self.within(&["setsid", "--ctty"], SHELL)
    }

    /// Its shell on the terminal of whoever starts it; not started yet.
    pub fn shell(&self) -> Command {
        self.within(&[], SHELL)
    }

    /// `pact` there; not started yet.
    pub fn pact(&self, words: &[&str]) -> Command {
        self.within(&[], &[&["pact"], words].concat())
    }

    /// The same, with a terminal of its own.
    pub(crate) fn on_terminal(&self, words: &[&str]) -> Command {
        self.within(&["setsid", "--ctty"], &[&["pact"], words].concat())
    }

    /// `pact` alone, by whoever runs this with the person's token: what is measured begins with it.
    pub(crate) fn alone(&self, words: &[&str]) -> Result<Command> {
        let token = fs::read_to_string(self.home.join(".config/pact/token"))?;
        let mut command = Command::new(self.programs.join("pact"));
        command.args(words).env_clear().env("HOME", &self.home).env("PACT_TOKEN", token).current_dir("/");
        Ok(command)
    }

    fn within(&self, first: &[&str], words: &[&str]) -> Command {
        let (uid, gid) = self.account.ids();
        let mut command = Command::new("unshare");
        // No agent of this machine, if it has one, is the workstation's.
        command.args(["--mount", "--propagation", "slave", "sh", "-c"]);
        let script = "mount -t tmpfs -o mode=755 tmpfs /run && mount --bind \"$1\" /etc/passwd && shift && exec \"$@\"";
        command.args([script, "sh"]).arg(&self.passwd).args(first);
        command.arg("setpriv").arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
        command.args(words).env_clear().current_dir(&self.home);
        command.env("HOME", &self.home).env("USER", self.account.name()).env("PS1", self.prompt());
        command.env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", self.programs.display()));
        command.env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        command
    }
}
