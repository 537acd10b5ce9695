//! What a program needs from the sandbox, as the whitelist says it.
//!
//! **Invariant:** a profile only ever adds to nothing; an unknown key or value is an error.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The sandbox of one program. Everything that is not named is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Absolute files and directories (with all below) that may be read. Libraries, the loader and the locale are
    /// always readable; directories of programs never are. What is below /run stays in the session's own.
    pub read: Vec<PathBuf>,
    /// Directories whose names may be listed, with all below, and whose files are not read: for du and find.
    pub list: Vec<PathBuf>,
    /// Device nodes that may be opened for reading, beside null, zero, urandom and tty.
    pub devices: Vec<PathBuf>,
    /// Device nodes that may be opened for writing too: drivers that are asked by ioctl on such a node want that.
    pub controls: Vec<PathBuf>,
    /// Supplementary groups by name; one that the node does not have is not given.
    pub groups: Vec<String>,
    /// Ambient capabilities.
    pub capabilities: Vec<Capability>,
    /// Unix sockets by path, bound into the session's /run.
    pub sockets: Vec<PathBuf>,
    /// Families that socket(2) may be called with.
    pub families: Vec<Family>,
    /// May read the kernel's log with syslog(2); never clear or configure it.
    pub kernel_log: bool,
    /// `NAME=value`, which this program finds in its environment whatever else there is.
    pub environment: Vec<String>,
}

/// A capability that a profile may ask for. There are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// CAP_SYSLOG: the kernel's log where `dmesg_restrict` is on.
    Syslog,
    /// CAP_NET_RAW: raw sockets, for ping.
    NetRaw,
    /// CAP_DAC_READ_SEARCH: files that only root may read; the read list is then the only bound.
    DacReadSearch,
}

/// An address family of socket(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// AF_UNIX; which sockets can be reached is the mount namespace's and landlock's business.
    Unix,
    /// AF_INET.
    Inet,
    /// AF_INET6.
    Inet6,
    /// AF_NETLINK, NETLINK_ROUTE: addresses, interfaces and routes, for ip and its like.
    Netlink,
    /// AF_NETLINK, NETLINK_SOCK_DIAG: what sockets there are, for ss. To end one needs a capability that no profile has.
    SockDiag,
}
