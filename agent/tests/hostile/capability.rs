//! Becoming somebody: uids, groups, capabilities.

use crate::sys::{self, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, Verdict, judge, needed};

const PR_CAPBSET_READ: usize = 23;
const PR_GET_SECUREBITS: usize = 27;
const PR_SET_SECUREBITS: usize = 28;
const PR_CAP_AMBIENT: usize = 47;
const CAP_CHOWN: usize = 0;
const LAST_CAPABILITY: usize = 63;

pub fn add(tries: &mut Tries) {
    for (name, number, arguments) in [
        ("setuid", nr::SETUID, [0, 0, 0]),
        ("setgid", nr::SETGID, [0, 0, 0]),
        ("setresuid", nr::SETRESUID, [0, 0, 0]),
        ("setresgid", nr::SETRESGID, [0, 0, 0]),
        ("setreuid", 113, [0, 0, 0]),
        ("setregid", 114, [0, 0, 0]),
    ] {
        tries.add(format!("cap-{name}"), move |_| Ok(judge(sys::call(number, &arguments), &[], "became root")));
    }
    tries.add("cap-setgroups", |_| {
        let groups = [0_u32];
        Ok(judge(sys::call(nr::SETGROUPS, &[1, groups.as_ptr() as usize]), &[], "in root's group"))
    });
    tries.add("cap-setfsuid", |_| file_identity(nr::SETFSUID));
    tries.add("cap-setfsgid", |_| file_identity(nr::SETFSGID));
    tries.add("cap-capset", |_| Ok(judge(set_chown(false), &[], "capset")));
    tries.add("cap-ambient", |_| {
        const RAISE: usize = 2;
        needed(set_chown(true), &[], "capset")?;
        Ok(judge(sys::call(nr::PRCTL, &[PR_CAP_AMBIENT, RAISE, CAP_CHOWN, 0, 0]), &[], "ambient"))
    });
    tries.add("cap-bounding", |_| {
        let has = |cap: &usize| sys::call(nr::PRCTL, &[PR_CAPBSET_READ, *cap, 0, 0, 0]) == Ok(1);
        Ok(match (0..=LAST_CAPABILITY).find(has) {
            Some(capability) => Verdict::Succeeded(format!("capability {capability} is in the bounding set")),
            None => Verdict::Refused("the bounding set is empty".to_owned()),
        })
    });
    tries.add("cap-securebits", |_| {
        let bits = needed(sys::call(nr::PRCTL, &[PR_GET_SECUREBITS, 0, 0, 0, 0]), &[], "PR_GET_SECUREBITS")?;
        Ok(judge(sys::call(nr::PRCTL, &[PR_SET_SECUREBITS, bits, 0, 0, 0]), &[], "securebits"))
    });
}

/// These two never fail; they answer what was before.
fn file_identity(number: usize) -> Tried {
    needed(sys::call(number, &[0]), &[], "set")?;
    Ok(match sys::call(number, &[usize::MAX]) {
        Ok(0) => Verdict::Succeeded("files see root".to_owned()),
        Ok(id) => Verdict::Refused(format!("still {id}")),
        Err(error) => judge(Err(error), &[], "set"),
    })
}

/// Effective, permitted and, where asked, inheritable: CAP_CHOWN alone.
fn set_chown(inheritable: bool) -> sys::Answer {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let chown = 1_u32 << CAP_CHOWN;
    let sets = [chown, chown, if inheritable { chown } else { 0 }, 0, 0, 0];
    sys::call(nr::CAPSET, &[header.as_ptr() as usize, sets.as_ptr() as usize])
}
