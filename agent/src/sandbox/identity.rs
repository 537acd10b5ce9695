//! Who a stage is: a uid that no account has, and no capability that its profile does not name.
//!
//! **Invariant:** after `assume` there is no way back: real, effective and saved ids are the session's, the bounding
//! set is empty, and only the profile's capabilities are left.

use std::io;

use pact_proto::program::{Capability, Profile};
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// What a host keeps: enough to become the session's user, to end its processes, and to hand out what profiles name.
pub(crate) const HOST: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SYSLOG)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::DAC_READ_SEARCH);

/// Ids and capabilities of a stage.
#[derive(Clone, Debug)]
pub struct Identity {
    id: u32,
    groups: Vec<u32>,
    capabilities: CapabilitySet,
}

impl Identity {
    /// `id` is uid and gid; `groups` are those of the profile that the node has.
    pub fn new(id: u32, groups: Vec<u32>, profile: &Profile) -> Self {
        let one = |capability: &Capability| match capability {
            Capability::Syslog => CapabilitySet::SYSLOG,
            Capability::NetRaw => CapabilitySet::NET_RAW,
            Capability::DacReadSearch => CapabilitySet::DAC_READ_SEARCH,
        };
        let capabilities = profile.capabilities.iter().map(one).fold(CapabilitySet::empty(), CapabilitySet::union);
        Self { id, groups, capabilities }
    }

    /// Becomes it, in this process. Before landlock and seccomp, because after them we may not.
    pub fn assume(&self) -> io::Result<()> {
        let kept = self.capabilities;
        // Before the bounding set is emptied, because nothing can become inheritable that is not in it.
        let before = capabilities(None)?;
        set_capabilities(None, CapabilitySets { inheritable: kept, ..before })?;
        empty_bounding_set(CapabilitySet::empty())?;
        let groups: Vec<Gid> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        set_thread_groups(&groups)?;
        let (uid, gid) = (Uid::from_raw(self.id), Gid::from_raw(self.id));
        set_thread_res_gid(gid, gid, gid)?;
        // Without this, leaving uid 0 would take the profile's capabilities too.
        set_keep_capabilities(true)?;
        set_thread_res_uid(uid, uid, uid)?;
        set_keep_capabilities(false)?;
        set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: kept })?;
        clear_ambient_capability_set()?;
        for capability in kept.iter() {
            configure_capability_in_ambient_set(capability, true)?;
        }
        Ok(())
    }
}

/// Gives up every capability but these, in this process and whatever it executes.
pub(crate) fn keep_only(kept: CapabilitySet) -> io::Result<()> {
    empty_bounding_set(kept)?;
    let inheritable = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })?)
}

/// Removes all but `kept` from the bounding set; needs CAP_SETPCAP.
pub(super) fn empty_bounding_set(kept: CapabilitySet) -> io::Result<()> {
    for bit in 0..64u32 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if kept.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel has no capability of this number, nor any above it.
            Err(rustix::io::Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
