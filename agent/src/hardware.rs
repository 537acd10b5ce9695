//! What this node has, as its kernel shows it in files: what `cap` says.
//!
//! **Invariant:** everything is read below one directory, which is `/` but for tests; what is not there is left out, and
//! nothing is waited for or written. The kernel may take its time over a file of a device that is ill, so this is never
//! done where others wait.
//! **Sources:** proc(5), and Documentation/ABI of the kernel for `/sys`.

mod gpu;
mod kmsg;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pact_proto::view::{Capabilities, Cpu, Disk, Nic, Numa};

/// What can be read; names and layers are the caller's to add. `log` is the kernel's, open at its beginning, which only
/// root can open.
pub(crate) fn read(root: &Path, log: Option<fs::File>) -> Capabilities {
    let tree = Tree(root);
    Capabilities {
        cpu: cpu(&tree),
        memory: kilobytes(&tree.text("proc/meminfo"), "MemTotal:"),
        numa: numa(&tree),
        gpus: gpu::all(&tree, log.and_then(kmsg::read).as_deref()),
        nics: nics(&tree),
        disks: disks(&tree),
        kernel: [tree.text("proc/sys/kernel/osrelease"), std::env::consts::ARCH.to_owned()],
        supervisor: (tree.text("proc/1/comm"), 0),
        ..Capabilities::default()
    }
}

/// The files of a kernel.
struct Tree<'r>(&'r Path);

impl Tree<'_> {
    /// A small file without blanks around it; empty where it cannot be read.
    fn text(&self, path: impl AsRef<Path>) -> String {
        let bytes = fs::read(self.0.join(path)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    fn number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.text(path).parse().ok()
    }

    /// The names in a directory, in the order of the numbers and letters in them.
    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(directory)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        names
    }

    fn has(&self, path: impl AsRef<Path>) -> bool {
        fs::symlink_metadata(self.0.join(path)).is_ok()
    }

    /// The last name of what a link leads to.
    fn target(&self, path: impl AsRef<Path>) -> String {
        let target = fs::read_link(self.0.join(path)).unwrap_or_default();
        target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

fn cpu(tree: &Tree<'_>) -> Cpu {
    let cpus = tree.names("sys/devices/system/cpu");
    let cpus = cpus.iter().filter(|name| numbered(name, "cpu").is_some());
    let topology = |name: &String, file: &str| {
        tree.text(PathBuf::from("sys/devices/system/cpu").join(name).join("topology").join(file))
    };
    let places: Vec<_> = cpus.map(|name| [topology(name, "physical_package_id"), topology(name, "core_id")]).collect();
    // A processor that is switched off has no place.
    let places: Vec<_> = places.into_iter().filter(|place| place.iter().all(|number| !number.is_empty())).collect();
    let info = tree.text("proc/cpuinfo");
    let row = |name: &str| {
        let row = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
        row.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let count = |set: BTreeSet<&[String]>| set.len() as u64;
    Cpu {
        model: row("model name").or_else(|| row("CPU part")).unwrap_or_default(),
        sockets: count(places.iter().map(|place| &place[..1]).collect()),
        cores: count(places.iter().map(|place| &place[..]).collect()),
        threads: places.len() as u64,
    }
}

fn numa(tree: &Tree<'_>) -> Vec<Numa> {
    let folder = Path::new("sys/devices/system/node");
    let nodes = tree.names("sys/devices/system/node").into_iter();
    let nodes = nodes.filter_map(|name| Some((numbered(&name, "node")?, name)));
    let near = |(number, name): (u64, String)| Numa {
        number,
        // "Node 0 MemTotal: 32 kB"
        bytes: kilobytes(&tree.text(folder.join(&name).join("meminfo")), "MemTotal:"),
        cpus: tree.text(folder.join(&name).join("cpulist")),
    };
    nodes.map(near).collect()
}

/// Ethernet and InfiniBand; what has no device behind it is software.
fn nics(tree: &Tree<'_>) -> Vec<Nic> {
    let folder = Path::new("sys/class/net");
    let names = tree.names("sys/class/net").into_iter();
    let names = names.filter(|name| tree.has(folder.join(name).join("device")));
    let nic = |name: String| {
        let of = |file: &str| folder.join(&name).join(file);
        Nic {
            driver: tree.target(of("device/driver")),
            up: tree.text(of("carrier")) == "1",
            megabits: tree.number(of("speed")).filter(|speed| *speed > 0),
            name: name.clone(),
        }
    };
    names.map(nic).collect()
}

fn disks(tree: &Tree<'_>) -> Vec<Disk> {
    const SECTOR: u64 = 512;
    /// Of SCSI.
    const CD: &str = "5";
    let folder = Path::new("sys/block");
    // One of several ways to a disk that is there under its own name (NVMe), and what is in a drive for CDs, are none.
    let is_disk = |name: &String| {
        let of = |file: &str| folder.join(name).join(file);
        tree.has(of("device")) && tree.text(of("hidden")) != "1" && tree.text(of("device/type")) != CD
    };
    let names = tree.names("sys/block").into_iter().filter(is_disk);
    let disk = |name: String| {
        let of = |file: &str| folder.join(&name).join(file);
        Disk {
            model: tree.text(of("device/model")),
            bytes: tree.number(of("size")).map(|sectors| sectors.saturating_mul(SECTOR)),
            turns: tree.text(of("queue/rotational")) == "1",
            name: name.clone(),
        }
    };
    names.map(disk).collect()
}

/// The number of `cpu12`.
fn numbered(name: &str, kind: &str) -> Option<u64> {
    name.strip_prefix(kind)?.parse().ok()
}

/// What stands behind this word, in bytes.
fn kilobytes(text: &str, word: &str) -> u64 {
    let mut words = text.split_ascii_whitespace().skip_while(|found| *found != word);
    words.nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use pact_proto::view::{Gpu, Health};

    use super::*;

    /// A kernel's files as text: a path, a blank, and what is in it; `->` is a link.
    fn tree(files: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for row in files.lines().map(str::trim).filter(|row| !row.is_empty()) {
            let (path, text) = row.split_once(' ').unwrap();
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                None => fs::write(path, text.replace("\\n", "\n")).unwrap(),
            }
        }
        root
    }

    const FILES: &str = r"
        proc/cpuinfo processor\t: 0\nmodel name\t: AMD EPYC 7763\n
        proc/meminfo MemTotal:       1024 kB\nMemFree: 1 kB
        proc/1/comm systemd
        sys/devices/system/cpu/online 0-3
        sys/devices/system/cpu/cpu0/topology/physical_package_id 0
        sys/devices/system/cpu/cpu0/topology/core_id 0
        sys/devices/system/cpu/cpu1/topology/physical_package_id 0
        sys/devices/system/cpu/cpu1/topology/core_id 0
        sys/devices/system/cpu/cpu2/topology/physical_package_id 1
        sys/devices/system/cpu/cpu2/topology/core_id 0
        sys/devices/system/cpu/cpu3/online 0
        sys/devices/system/node/node0/meminfo Node 0 MemTotal: 512 kB
        sys/devices/system/node/node0/cpulist 0-1
        sys/class/net/lo/carrier 1
        sys/class/net/hsn0/carrier 1
        sys/class/net/hsn0/speed 200000
        sys/class/net/hsn0/device/driver -> ../../drivers/mlx5_core
        sys/class/net/eno1/carrier 0
        sys/class/net/eno1/speed -1
        sys/class/net/eno1/device/vendor x
        sys/block/loop0/size 8
        sys/block/sr0/size 2097151
        sys/block/sr0/device/type 5
        sys/block/nvme0c0n1/hidden 1
        sys/block/nvme0c0n1/device/model SAMSUNG MZ
        sys/block/nvme0n1/size 2048
        sys/block/nvme0n1/queue/rotational 0
        sys/block/nvme0n1/device/model SAMSUNG MZ   ";

    #[test]
    fn files_of_a_kernel_are_what_a_node_has() {
        let root = tree(&FILES.replace("\\t", "\t"));
        let found = read(root.path(), None);
        let cpu = Cpu { model: "AMD EPYC 7763".to_owned(), sockets: 2, cores: 2, threads: 3 };
        assert_eq!(found.cpu, cpu);
        assert_eq!((found.memory, found.supervisor), (1 << 20, ("systemd".to_owned(), 0)));
        assert_eq!(found.numa, [Numa { number: 0, bytes: 512 << 10, cpus: "0-1".to_owned() }]);
        let nic = |name: &str, driver: &str, up, megabits| Nic {
            name: name.to_owned(),
            driver: driver.to_owned(),
            up,
            megabits,
        };
        assert_eq!(found.nics, [nic("eno1", "", false, None), nic("hsn0", "mlx5_core", true, Some(200_000))]);
        let disk =
            Disk { name: "nvme0n1".to_owned(), model: "SAMSUNG MZ".to_owned(), bytes: Some(1 << 20), turns: false };
        assert_eq!(found.disks, [disk]);
    }

    #[test]
    fn where_nothing_is_there_nothing_is_said() {
        let nothing = tempfile::tempdir().unwrap();
        let found = read(nothing.path(), None);
        assert_eq!((found.cpu.threads, found.memory, found.gpus.len(), found.nics.len()), (0, 0, 0, 0));
    }

    #[test]
    fn this_machine_has_what_its_kernel_says() {
        let found = read(Path::new("/"), None);
        assert!(found.cpu.threads >= 1 && found.cpu.cores <= found.cpu.threads, "{found:?}");
        let free = std::process::Command::new("free").arg("-b").output().unwrap();
        let total = String::from_utf8_lossy(&free.stdout)
            .split_ascii_whitespace()
            .skip_while(|w| *w != "Mem:")
            .nth(1)
            .map(str::to_owned);
        assert_eq!(Some(found.memory.to_string()), total);
    }

    #[test]
    fn the_health_of_gpus_is_what_the_kernel_knows() {
        let root = tree(
            r"
            sys/bus/pci/devices/0000:01:00.0/class 0x030000
            sys/bus/pci/devices/0000:01:00.0/vendor 0x1a03
            sys/bus/pci/devices/0000:41:00.0/class 0x030200
            sys/bus/pci/devices/0000:41:00.0/vendor 0x10de
            sys/bus/pci/devices/0000:41:00.0/driver -> ../../../drivers/nvidia
            proc/driver/nvidia/gpus/0000:41:00.0/information Model: 		 NVIDIA A100-SXM4-80GB\nIRQ: 5
            sys/bus/pci/devices/0000:65:00.0/class 0x030200
            sys/bus/pci/devices/0000:65:00.0/vendor 0x10de
            sys/bus/pci/devices/0000:65:00.0/driver -> ../../../drivers/nvidia
            proc/driver/nvidia/gpus/0000:65:00.0/information Model: NVIDIA A100-SXM4-80GB
            sys/bus/pci/devices/0000:65:00.0/aer_dev_fatal Undefined 0\nTOTAL_ERR_FATAL 2
            sys/bus/pci/devices/0000:66:00.0/class 0x030200
            sys/bus/pci/devices/0000:66:00.0/vendor 0x10de
            sys/bus/pci/devices/0000:66:00.0/driver -> ../../../drivers/nvidia
            proc/driver/nvidia/gpus/0000:66:00.0/information Model: NVIDIA A100-SXM4-80GB
            sys/bus/pci/devices/0000:81:00.0/class 0x030200
            sys/bus/pci/devices/0000:81:00.0/vendor 0x10de
            sys/bus/pci/devices/0000:81:00.0/device 0x20b2
            sys/bus/pci/devices/0000:c1:00.0/class 0x038000
            sys/bus/pci/devices/0000:c1:00.0/vendor 0x1002
            sys/bus/pci/devices/0000:c1:00.0/product_name AMD Instinct MI250X
            sys/bus/pci/devices/0000:c1:00.0/driver -> ../../../drivers/amdgpu
            sys/bus/pci/devices/0000:c1:00.0/ras/umc_err_count ue: 3\nce: 9
            sys/bus/pci/devices/0000:c2:00.0/class 0x120000
            sys/bus/pci/devices/0000:c2:00.0/vendor 0x1002
            sys/bus/pci/devices/0000:c2:00.0/product_name AMD Instinct MI300X
            sys/bus/pci/devices/0000:c2:00.0/driver -> ../../../drivers/amdgpu
            sys/bus/pci/devices/0000:c3:00.0/class 0x0b4000
            sys/bus/pci/devices/0000:c3:00.0/vendor 0x8086",
        );
        let log = [
            "6,1,2,-;NVRM: Xid (PCI:0000:65:00): 94, pid=12, Contained: CE User Channel",
            "6,2,3,-;NVRM: Xid (PCI:0000:41:00): 13, pid=9, a program's own mistake",
            "6,7,2,-;NVRM: Xid (PCI:0000:66:00 GPU-I:05 GPU-CI:00): 94, pid=12, Contained: CE User Channel",
            "4,8,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/user/NVRM: Xid (PCI:0000:41:00): 79, x",
            "12,3,4,-;NVRM: Xid (PCI:0000:41:00): 48, written by somebody who is not the kernel",
        ];
        let log: Vec<_> = log.into_iter().filter_map(kmsg::of_kernel).collect();
        let shown = |gpus: &[Gpu]| {
            let one = |gpu: &Gpu| match &gpu.health {
                Health::Healthy => (gpu.model.clone(), String::new()),
                Health::Degraded(reasons) => (gpu.model.clone(), reasons.join(", ")),
                Health::Unknown => (gpu.model.clone(), "?".to_owned()),
            };
            gpus.iter().map(one).collect::<Vec<_>>()
        };
        let expected = |all: &[(&str, &str)]| {
            all.iter().map(|(model, health)| ((*model).to_owned(), (*health).to_owned())).collect::<Vec<_>>()
        };
        let a100 = "NVIDIA A100-SXM4-80GB";
        let found = gpu::all(&Tree(root.path()), Some(&log));
        assert_eq!(
            shown(&found),
            expected(&[
                (a100, ""),
                (a100, "PCI Express errors, ECC errors"),
                (a100, "ECC errors"),
                ("10de:20b2", "no driver"),
                ("AMD Instinct MI250X", "ECC errors"),
                ("AMD Instinct MI300X", ""),
            ])
        );
        let without_log = gpu::all(&Tree(root.path()), None);
        assert_eq!(shown(&without_log)[..3], expected(&[(a100, "?"), (a100, "PCI Express errors"), (a100, "?")]));
    }
}
