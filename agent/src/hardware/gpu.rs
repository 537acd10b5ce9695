//! GPUs and how they are.
//!
//! **Why so:** a library of each vendor would be more code in a process of root than all of pact, and could wait for a
//! device that is ill. What the kernel and the drivers have said already is enough to tell that one is.
//! **Sources:** "Xid errors", NVIDIA's documentation of its driver; Documentation/PCI/pcieaer-howto and
//! Documentation/gpu/amdgpu/ras of the kernel.

use std::path::{Path, PathBuf};

use pact_proto::view::{Gpu, Health};

use super::Tree;

const NVIDIA: &str = "0x10de";
const AMD: &str = "0x1002";
const INTEL: &str = "0x8086";
/// Of PCI: a screen is driven, by whatever.
const DISPLAY: &str = "0x03";
/// Of PCI: a processing accelerator. Of the vendors here only AMD's GPUs call themselves so: Intel's cards for
/// compression do too.
const ACCELERATOR: &str = "0x1200";

/// Those of vendors that make accelerators: the chip that shows a server's console is none.
pub(super) fn all(tree: &Tree<'_>, log: Option<&[String]>) -> Vec<Gpu> {
    let devices = tree.names("sys/bus/pci/devices").into_iter();
    devices.filter_map(|address| gpu(tree, &address, log)).collect()
}

fn gpu(tree: &Tree<'_>, address: &str, log: Option<&[String]>) -> Option<Gpu> {
    let device = Path::new("sys/bus/pci/devices").join(address);
    let vendor = tree.text(device.join("vendor"));
    let class = tree.text(device.join("class"));
    let is_gpu = match vendor.as_str() {
        AMD => class.starts_with(DISPLAY) || class.starts_with(ACCELERATOR),
        NVIDIA | INTEL => class.starts_with(DISPLAY),
        _ => false,
    };
    if !is_gpu {
        return None;
    }
    let number = || {
        let number = |text: &str| text.trim_start_matches("0x").to_owned();
        format!("{}:{}", number(&vendor), number(&tree.text(device.join("device"))))
    };
    let model = model(tree, address, &device).unwrap_or_else(number);
    let mut reasons = Vec::new();
    if !tree.has(device.join("driver")) {
        reasons.push("no driver".to_owned());
    }
    let uncorrected = |file: &str| counted(&tree.text(device.join(file)), "TOTAL_ERR_");
    if uncorrected("aer_dev_fatal") + uncorrected("aer_dev_nonfatal") > 0 {
        reasons.push("PCI Express errors".to_owned());
    }
    if uncorrectable(tree, &device) > 0 {
        reasons.push("ECC errors".to_owned());
    }
    for reason in log.unwrap_or_default().iter().filter_map(|line| reported(line, address)) {
        if !reasons.iter().any(|known| known == reason) {
            reasons.push(reason.to_owned());
        }
    }
    let health = match reasons.as_slice() {
        [_, ..] => Health::Degraded(reasons),
        // Its driver speaks of it in the log alone.
        [] if log.is_none() && vendor == NVIDIA => Health::Unknown,
        [] => Health::Healthy,
    };
    Some(Gpu { address: address.to_owned(), model, health })
}

fn model(tree: &Tree<'_>, address: &str, device: &Path) -> Option<String> {
    let information = tree.text(PathBuf::from("proc/driver/nvidia/gpus").join(address).join("information"));
    let nvidia = information.lines().find_map(|line| line.strip_prefix("Model:")).map(|model| model.trim().to_owned());
    nvidia.or_else(|| Some(tree.text(device.join("product_name")))).filter(|model| !model.is_empty())
}

/// The number behind the word that begins so.
fn counted(text: &str, word: &str) -> u64 {
    let row = text.lines().find(|line| line.starts_with(word));
    row.and_then(|line| line.split_ascii_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What an AMD GPU could not correct, in all of its blocks.
fn uncorrectable(tree: &Tree<'_>, device: &Path) -> u64 {
    let folder = device.join("ras");
    let files = tree.names(&folder.to_string_lossy()).into_iter().filter(|name| name.ends_with("_err_count"));
    files.map(|name| counted(&tree.text(folder.join(name)), "ue:")).sum()
}

/// What NVIDIA's driver said of the GPU at this address that the GPU is to blame for: most Xids are a program's.
fn reported(line: &str, address: &str) -> Option<&'static str> {
    let (place, said) = line.strip_prefix("NVRM: Xid (PCI:")?.split_once("): ")?;
    // A part of a GPU that is divided stands behind its address, and the driver leaves the function out.
    let place = place.split(' ').next()?;
    if !address.strip_prefix(place)?.starts_with('.') {
        return None;
    }
    match said.split(',').next()?.trim().parse::<u32>().ok()? {
        48 | 63 | 64 | 92 | 94 | 95 => Some("ECC errors"),
        74 => Some("NVLink errors"),
        79 => Some("off the bus"),
        119 | 120 => Some("its firmware does not answer"),
        _ => None,
    }
}
