//! What `cap` says.

use super::fold::fold;
use super::{Style, Value, escape};

/// What a node has, as its kernel knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Its name.
    pub node: String,
    /// Its processors.
    pub cpu: Cpu,
    /// Bytes of memory; 0 where it is not known.
    pub memory: u64,
    /// The parts of it that are near to some processors, by number.
    pub numa: Vec<Numa>,
    /// Its accelerators, by address.
    pub gpus: Vec<Gpu>,
    /// Its network interfaces, by name; those that are only software are none.
    pub nics: Vec<Nic>,
    /// Its disks, by name.
    pub disks: Vec<Disk>,
    /// The release of its kernel and what it is for: `6.12.0`, `x86_64`.
    pub kernel: [String; 2],
    /// Layers of the sandbox that hold.
    pub layers: Vec<String>,
    /// The first process, and how many services pact runs.
    pub supervisor: (String, u32),
}

/// Processors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Of the first; they are alike. Empty where it is not known.
    pub model: String,
    /// Packages. These three are 0 where they are not known.
    pub sockets: u64,
    /// Of all packages.
    pub cores: u64,
    /// What the kernel runs on.
    pub threads: u64,
}

/// Memory near to some processors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numa {
    /// As the kernel numbers it.
    pub number: u64,
    /// Of memory.
    pub bytes: u64,
    /// Of processors, as the kernel lists them: `0-63,128-191`.
    pub cpus: String,
}

/// An accelerator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gpu {
    /// On the PCI bus.
    pub address: String,
    /// As its driver calls it, or its vendor and device number.
    pub model: String,
    /// How it is.
    pub health: Health,
}

/// How an accelerator is, as far as the kernel knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nothing bad is known.
    #[default]
    Healthy,
    /// For these reasons, at least one.
    Degraded(Vec<String>),
    /// What would say so cannot be read.
    Unknown,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nic {
    /// As the kernel calls it.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Whether it has a link.
    pub up: bool,
    /// Megabits a second, where it is known.
    pub megabits: Option<u64>,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// As the kernel calls it.
    pub name: String,
    /// As it calls itself; may be empty.
    pub model: String,
    /// Of room, where it is known.
    pub bytes: Option<u64>,
    /// Whether it turns.
    pub turns: bool,
}

/// Rows; that of GPUs is the specification's.
pub fn cap(cap: &Capabilities, style: Style) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        text.push_str(&format!("  {name}: {}\n", fold(&escape(value.as_bytes()), name.len() + 4, style.columns)));
    };
    let Cpu { model, sockets, cores, threads } = &cap.cpu;
    let model = if model.is_empty() { "processors" } else { model };
    let cpu = match threads {
        0 => "not known".to_owned(),
        _ => format!("{sockets}x {model}, {}, {}", many(*cores, "core"), many(*threads, "thread")),
    };
    row("CPU", &cpu);
    let near = cap.numa.iter().map(|n| format!("; NUMA {}: {}, CPUs {}", n.number, size(n.bytes), n.cpus));
    let memory = if cap.memory == 0 { "not known".to_owned() } else { size(cap.memory) };
    row("Memory", &format!("{memory}{}", near.collect::<String>()));
    row("GPUs", &gpus(&cap.gpus));
    row("NICs", &list(cap.nics.iter().map(nic)));
    row("Storage", &list(cap.disks.iter().map(disk)));
    row("Kernel", &cap.kernel.join(" "));
    row("Sandbox", &list(cap.layers.iter().cloned()));
    let (first, services) = &cap.supervisor;
    row("Supervisor", &format!("pact runs {}; the first process is {first}", many((*services).into(), "service")));
    text
}

/// The same for programs.
pub fn cap_value(cap: &Capabilities) -> Value {
    let texts = |texts: &[String]| Value::List(texts.iter().map(|text| Value::text(text)).collect());
    let numa = cap.numa.iter().map(|n| {
        Value::object([("number", whole(n.number)), ("bytes", whole(n.bytes)), ("cpus", Value::text(&n.cpus))])
    });
    let gpus = cap.gpus.iter().map(|gpu| {
        let (health, reasons) = match &gpu.health {
            Health::Healthy => (Value::text("healthy"), &[][..]),
            Health::Degraded(reasons) => (Value::text("degraded"), reasons.as_slice()),
            Health::Unknown => (Value::Null, &[][..]),
        };
        Value::object([
            ("address", Value::text(&gpu.address)),
            ("model", Value::text(&gpu.model)),
            ("health", health),
            ("reasons", texts(reasons)),
        ])
    });
    let nics = cap.nics.iter().map(|nic| {
        Value::object([
            ("name", Value::text(&nic.name)),
            ("driver", known(&nic.driver)),
            ("up", Value::Bool(nic.up)),
            ("megabits", nic.megabits.map_or(Value::Null, whole)),
        ])
    });
    let disks = cap.disks.iter().map(|disk| {
        Value::object([
            ("name", Value::text(&disk.name)),
            ("model", known(&disk.model)),
            ("bytes", disk.bytes.map_or(Value::Null, whole)),
            ("turns", Value::Bool(disk.turns)),
        ])
    });
    let cpu = Value::object([
        ("model", known(&cap.cpu.model)),
        ("sockets", counted(cap.cpu.sockets)),
        ("cores", counted(cap.cpu.cores)),
        ("threads", counted(cap.cpu.threads)),
    ]);
    Value::object([
        ("node", Value::text(&cap.node)),
        ("cpu", cpu),
        ("memory_bytes", counted(cap.memory)),
        ("numa", Value::List(numa.collect())),
        ("gpus", Value::List(gpus.collect())),
        ("nics", Value::List(nics.collect())),
        ("storage", Value::List(disks.collect())),
        ("kernel", known(&cap.kernel[0])),
        ("machine", Value::text(&cap.kernel[1])),
        ("layers", texts(&cap.layers)),
        ("first_process", known(&cap.supervisor.0)),
        ("services_running", whole(cap.supervisor.1.into())),
    ])
}

/// Of what every node has: none means that it is not known.
fn counted(number: u64) -> Value {
    if number == 0 { Value::Null } else { whole(number) }
}

fn known(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::text(text) }
}

fn whole(number: u64) -> Value {
    Value::number(i64::try_from(number).unwrap_or(i64::MAX))
}

/// `3x A100 (healthy), 1x A100 (DEGRADED - ECC errors)`: alike ones once, in the order of the first of them.
fn gpus(gpus: &[Gpu]) -> String {
    let mut kinds: Vec<(usize, String)> = Vec::new();
    for gpu in gpus {
        let model = short(&gpu.model);
        let kind = match &gpu.health {
            Health::Healthy => format!("{model} (healthy)"),
            Health::Degraded(reasons) => format!("{model} (DEGRADED - {})", reasons.join(", ")),
            Health::Unknown => format!("{model} (health not known)"),
        };
        match kinds.iter_mut().find(|(_, known)| *known == kind) {
            Some((count, _)) => *count += 1,
            None => kinds.push((1, kind)),
        }
    }
    // Those with nothing to say about come first.
    kinds.sort_by_key(|(_, kind)| !kind.ends_with("(healthy)"));
    list(kinds.iter().map(|(count, kind)| format!("{count}x {kind}")))
}

/// `NVIDIA A100-SXM4-80GB` is an A100 to everybody who asks.
fn short(model: &str) -> String {
    let is_name = |word: &&str| !["NVIDIA", "Tesla", "AMD", "Instinct", "Intel"].contains(word);
    let is_size = |word: &&str| word.ends_with("GB") || ["HBM", "PCIe", "SXM"].iter().any(|it| word.starts_with(it));
    let words: Vec<_> = model.split(['-', ' ']).filter(is_name).take_while(|word| !is_size(word)).collect();
    if words.is_empty() { model.to_owned() } else { words.join(" ") }
}

fn nic(nic: &Nic) -> String {
    let speed = match nic.megabits {
        Some(megabits) if megabits >= 1000 && megabits % 1000 == 0 => format!(" {} Gb/s", megabits / 1000),
        Some(megabits) => format!(" {megabits} Mb/s"),
        None => String::new(),
    };
    let link = if nic.up { "up" } else { "no link" };
    let driver = if nic.driver.is_empty() { String::new() } else { format!(" ({})", nic.driver) };
    format!("{} {link}{speed}{driver}", nic.name)
}

fn disk(disk: &Disk) -> String {
    let kind = if disk.turns { " (turns)" } else { "" };
    let model = if disk.model.is_empty() { String::new() } else { format!(" {}", disk.model) };
    let size = disk.bytes.map_or_else(|| "of unknown size".to_owned(), size);
    format!("{} {size}{model}{kind}", disk.name)
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn many(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// In the largest unit of which there is one or more.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let unit = units.iter().enumerate().rev().find(|(at, _)| bytes >> (10 * (at + 1)) > 0);
    let Some((at, unit)) = unit else { return format!("{bytes} B") };
    let tenths = u128::from(bytes) * 10 / (1 << (10 * (at + 1)));
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_that_are_alike_are_counted() {
        let gpu = |model: &str, reasons: &[&str]| Gpu {
            address: "0000:65:00.0".to_owned(),
            model: model.to_owned(),
            health: match reasons {
                [] => Health::Healthy,
                ["?"] => Health::Unknown,
                reasons => Health::Degraded(reasons.iter().map(|reason| (*reason).to_owned()).collect()),
            },
        };
        let a100 = "NVIDIA A100-SXM4-80GB";
        let all = [gpu(a100, &[]), gpu(a100, &["ECC errors"]), gpu(a100, &[]), gpu(a100, &[])];
        assert_eq!(gpus(&all), "3x A100 (healthy), 1x A100 (DEGRADED - ECC errors)");
        assert_eq!(gpus(&all[1..3]), "1x A100 (healthy), 1x A100 (DEGRADED - ECC errors)");
        assert_eq!(gpus(&[gpu(a100, &["?"])]), "1x A100 (health not known)");
        assert_eq!(gpus(&[]), "none");
    }

    #[test]
    fn models_have_their_usual_names() {
        for (model, expected) in [
            ("NVIDIA A100-SXM4-80GB", "A100"),
            ("NVIDIA H100 80GB HBM3", "H100"),
            ("NVIDIA H100 PCIe", "H100"),
            ("Tesla V100-SXM2-32GB", "V100"),
            ("AMD Instinct MI250X", "MI250X"),
            ("NVIDIA GeForce RTX 3090", "GeForce RTX 3090"),
            ("10de:20b2", "10de:20b2"),
            ("NVIDIA", "NVIDIA"),
        ] {
            assert_eq!(short(model), expected, "{model}");
        }
    }

    #[test]
    fn sizes_are_in_the_unit_that_fits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1 << 20, "1.0 MiB"),
            (540_563_636_224, "503.4 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
