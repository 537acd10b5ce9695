//! System calls that no administrator's program needs, and the kernel's other two doors: x32 and int 0x80.
//!
//! **Invariant:** a call that would change the machine has an argument that is refused after permission was given:
//! a name of no file, a size of -1, an unknown flag, a magic number that is none.

use crate::exec_tricks::X32;
use crate::sys::{self, AT_FDCWD, Answer, Errno, at, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, Verdict, judge};

const NOWHERE: &std::ffi::CStr = c"/hostile/no/such/file";
/// Looked at after permission.
const LOOKED: [Errno; 10] = [
    sys::EINVAL,
    sys::EFAULT,
    sys::ENOENT,
    sys::EBADF,
    sys::ENOEXEC,
    sys::ENODEV,
    sys::ESTALE,
    sys::ESRCH,
    sys::ENOKEY,
    sys::E2BIG,
];

/// One call, with arguments that make it harmless.
type Call = fn() -> Answer;

const CALLS: [(&str, Call); 42] = [
    ("x32-getpid", || sys::call(nr::GETPID | X32, &[])),
    ("int80-getpid", || sys::call_int80(20, 0, 0, 0)),
    ("int80-open", || sys::call_int80(5, 0, 0, 0)),
    ("io-uring", || {
        let parameters = [0_u64; 15];
        sys::call(nr::IO_URING_SETUP, &[1, parameters.as_ptr() as usize])
    }),
    ("bpf-map", || sys::call(nr::BPF, &[0, (&[0_u64; 16]).as_ptr() as usize, 72])),
    ("bpf-program", || sys::call(nr::BPF, &[5, (&[0_u64; 16]).as_ptr() as usize, 72])),
    ("perf", || sys::call(nr::PERF_EVENT_OPEN, &[0, 0, 0, usize::MAX, 0])),
    ("userfaultfd", || sys::call(nr::USERFAULTFD, &[1])),
    ("memfd", || sys::call(nr::MEMFD_CREATE, &[at(c"hostile"), 0])),
    ("memfd-secret", || sys::call(nr::MEMFD_SECRET, &[0])),
    ("name-to-handle", || {
        let handle = [8_u32, 0, 0, 0];
        let mount = [0_u32];
        sys::call(nr::NAME_TO_HANDLE_AT, &[AT_FDCWD, at(c"/"), address(&handle), address(&mount), 0])
    }),
    ("keyctl", || sys::call(nr::KEYCTL, &[0, -3_isize as usize, 0])),
    ("add-key", || sys::call(nr::ADD_KEY, &[at(c"user"), at(c"hostile"), at(c"x"), 1, usize::MAX])),
    ("request-key", || sys::call(nr::REQUEST_KEY, &[at(c"user"), at(c"hostile-none"), 0, 0])),
    ("kexec", || sys::call(nr::KEXEC_LOAD, &[0, 0, 0, 0xffff])),
    ("kexec-file", || sys::call(nr::KEXEC_FILE_LOAD, &[usize::MAX, usize::MAX, 0, 0, 0xffff])),
    ("init-module", || sys::call(nr::INIT_MODULE, &[0, 0, at(c"")])),
    ("finit-module", || sys::call(nr::FINIT_MODULE, &[usize::MAX, at(c""), 0])),
    ("delete-module", || sys::call(nr::DELETE_MODULE, &[at(c"hostile_no_such_module"), 0])),
    ("reboot", || sys::call(nr::REBOOT, &[0, 0, 0, 0])),
    ("swapon", || sys::call(nr::SWAPON, &[at(NOWHERE), 0])),
    ("swapoff", || sys::call(nr::SWAPOFF, &[at(NOWHERE)])),
    ("acct", || sys::call(nr::ACCT, &[at(NOWHERE)])),
    ("clock-settime", || sys::call(nr::CLOCK_SETTIME, &[0, address(&[0_u64, u64::MAX])])),
    ("adjtimex", || {
        const TICK: u64 = 0x4000;
        // A tick of no length.
        let mut parameters = [0_u64; 26];
        parameters[0] = TICK;
        sys::call(nr::ADJTIMEX, &[parameters.as_mut_ptr() as usize])
    }),
    ("sethostname", || sys::call(nr::SETHOSTNAME, &[at(c"hostile"), usize::MAX])),
    ("setdomainname", || sys::call(nr::SETDOMAINNAME, &[at(c"hostile"), usize::MAX])),
    ("modify-ldt", || sys::call(nr::MODIFY_LDT, &[0, 0, 0])),
    ("iopl", || sys::call(nr::IOPL, &[3])),
    ("ioperm", || sys::call(nr::IOPERM, &[0x80, 1, 1])),
    ("syslog-size", || sys::call(nr::SYSLOG, &[10, 0, 0])),
    ("syslog-unknown", || sys::call(nr::SYSLOG, &[99, 0, 0])),
    ("quotactl", || sys::call(nr::QUOTACTL, &[usize::MAX, at(NOWHERE), 0, 0])),
    ("fanotify", || sys::call(nr::FANOTIFY_INIT, &[0x200, 0])),
    ("mrelease", || sys::call(nr::PROCESS_MRELEASE, &[usize::MAX, 0])),
    ("ipc-shared-memory", || owned(nr::SHMGET, nr::SHMCTL, &[0, 4096, 0o600])),
    ("ipc-semaphores", || owned(nr::SEMGET, nr::SEMCTL, &[0, 1, 0o600])),
    ("ipc-messages", || owned(nr::MSGGET, nr::MSGCTL, &[0, 0o600])),
    ("ipc-queue", || {
        let name = sys::c(&sys::fresh_name());
        let queue = sys::call(nr::MQ_OPEN, &[at(&name), 0o102, 0o600, 0]);
        let _gone = sys::call(nr::MQ_UNLINK, &[at(&name)]);
        queue
    }),
    ("personality", || sys::call(nr::PERSONALITY, &[0x0004_0000])),
    ("chroot", || sys::call(nr::CHROOT, &[at(NOWHERE)])),
    ("open-by-handle", || sys::call(nr::OPEN_BY_HANDLE_AT, &[AT_FDCWD, address(&[8_u32, 1, 2, 0]), 0])),
];

pub fn add(tries: &mut Tries) {
    for (name, call) in CALLS {
        tries.add(format!("abi-{name}"), move |_| Ok(judge(call(), &LOOKED, "allowed")));
    }
    tries.add("abi-vhangup", |_| hang_up());
}

fn address<T>(values: &[T]) -> usize {
    values.as_ptr() as usize
}

/// Makes a thing of System V that would outlive this process, and removes it.
fn owned(make: usize, control: usize, arguments: &[usize]) -> Answer {
    let made = sys::call(make, arguments)?;
    // semctl has the command third, the others second; removal is 0 in all three.
    sys::call(control, &[made, 0, 0])
}

/// Hangs up the terminal of whoever started this; so it is only tried where it cannot be allowed.
fn hang_up() -> Tried {
    const GETEUID: usize = 107;
    if sys::call(GETEUID, &[]) == Ok(0) {
        return Err(Verdict::Unclear("not tried as root".to_owned()));
    }
    Ok(judge(sys::call(nr::VHANGUP, &[]), &[], "hung up"))
}
