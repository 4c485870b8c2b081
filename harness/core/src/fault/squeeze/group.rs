//! Moves one process into a new control group. In version 1 the group is a child of the present one. In version 2 it is
//! a sibling, because there a group with processes may not have children that are limited.

use super::{Limit, PERIOD_US};
use crate::stack::undo::{GroupUndo, MEMBERS, Undo};
use nix::unistd::{AccessFlags, access};
use procfs::process::{MountInfo, Process};
use std::path::{Path, PathBuf};

pub(crate) const CPU: &str = "cpu";
pub(crate) const MEMORY: &str = "memory";

/// The place of a process in the hierarchy of a controller.
struct ControlGroup {
    /// Folder of the present group of the process.
    from: PathBuf,
    /// Folder in which a new group can be made.
    parent: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A process that is about to be moved into a new group.
pub(super) struct Squeezed {
    undo: GroupUndo,
    version: Version,
    limit: Limit,
}

impl Squeezed {
    pub(super) fn plan(pid: u32, started: u64, limit: Limit) -> Result<Self, String> {
        let controller = match limit {
            Limit::Cpu { .. } => CPU,
            Limit::Memory { .. } => MEMORY,
        };
        let ControlGroup { from, parent, version } = place(pid, controller)?;
        let group = parent.join(format!("harness-{}", uuid::Uuid::new_v4().simple()));
        Ok(Self { undo: GroupUndo { pid, started, from, group }, version, limit })
    }

    pub(super) fn undo(&self) -> Undo {
        Undo::Group(self.undo.clone())
    }

    /// Makes the group, sets its limit, and then moves the process into it, so that the process is never in it
    /// unlimited.
    pub(super) fn enter(&self) -> Result<(), String> {
        let group = &self.undo.group;
        std::fs::create_dir(group).map_err(|error| format!("`{}` cannot be made: {error}", group.display()))?;
        let write = |file: &str, value: String| {
            let path = group.join(file);
            std::fs::write(&path, value).map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
        };
        let without_swap =
            |file: &str, value: String| if group.join(file).exists() { write(file, value) } else { Ok(()) };
        match (self.version, self.limit) {
            (Version::One, Limit::Cpu { percent }) => {
                write("cpu.cfs_period_us", PERIOD_US.to_string())?;
                write("cpu.cfs_quota_us", Limit::quota_us(percent).to_string())?;
            }
            (Version::Two, Limit::Cpu { percent }) => {
                write("cpu.max", format!("{} {PERIOD_US}", Limit::quota_us(percent)))?;
            }
            (Version::One, Limit::Memory { mebibytes }) => {
                write("memory.limit_in_bytes", Limit::bytes(mebibytes).to_string())?;
                // Memory and swap together. Equal limits forbid swap: with swap the part would become slow instead of
                // reaching its limit. The file is missing if the kernel does not count swap.
                without_swap("memory.memsw.limit_in_bytes", Limit::bytes(mebibytes).to_string())?;
            }
            (Version::Two, Limit::Memory { mebibytes }) => {
                write("memory.max", Limit::bytes(mebibytes).to_string())?;
                without_swap("memory.swap.max", "0".to_owned())?;
            }
        }
        write(MEMBERS, self.undo.pid.to_string())?;
        // Verified, because a fault without an effect proves nothing (decision 0015).
        let members = std::fs::read_to_string(group.join(MEMBERS)).unwrap_or_default();
        match members.lines().any(|line| line == self.undo.pid.to_string()) {
            true => Ok(()),
            false => Err(format!("process {} is not in `{}` after the move", self.undo.pid, group.display())),
        }
    }
}

/// Returns why a process of this machine cannot be moved into a new group; `None` if it can.
pub(crate) fn impossible(controller: &str) -> Option<String> {
    place(std::process::id(), controller).err()
}

fn place(pid: u32, controller: &str) -> Result<ControlGroup, String> {
    let read = |error: procfs::ProcError| format!("the control groups of process {pid} cannot be read: {error}");
    let process = Process::new(pid.cast_signed()).map_err(read)?;
    let groups = process.cgroups().map_err(read)?;
    let mounts = Process::myself().and_then(|myself| myself.mountinfo()).map_err(read)?;
    // A system may mount both versions at once, but each controller belongs to only one of them (cgroups(7)).
    let of_one = groups.0.iter().find(|group| group.controllers.iter().any(|name| name == controller));
    let group = match of_one {
        Some(group) => {
            let mount =
                mounts.0.iter().find(|mount| mount.fs_type == "cgroup" && mount.super_options.contains_key(controller));
            mount.map(|mount| (Version::One, folder(mount, &group.pathname), mount))
        }
        None => {
            let group = groups.0.iter().find(|group| group.hierarchy == 0);
            let mount = mounts.0.iter().find(|mount| mount.fs_type == "cgroup2");
            group.zip(mount).map(|(group, mount)| (Version::Two, folder(mount, &group.pathname), mount))
        }
    };
    let (version, from, mount) = group.ok_or_else(|| format!("there are no control groups for `{controller}`"))?;
    let parent = match version {
        Version::One => from.clone(),
        // The root has no parent, and is the only group that may have both processes and limited children.
        Version::Two if from == mount.mount_point => from.clone(),
        Version::Two => from.parent().map_or_else(|| from.clone(), Path::to_owned),
    };
    if version == Version::Two {
        // A group limits its children only by the controllers that it delegates.
        let delegated = std::fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
        if !delegated.split_whitespace().any(|name| name == controller) {
            return Err(format!("the control group `{}` does not delegate `{controller}`", parent.display()));
        }
    }
    // Only asked here, because a plan is validated with this function before anything may change. `from` must be
    // writable too: the undo moves the process back.
    for folder in [&parent, &from.join(MEMBERS)] {
        access(folder, AccessFlags::W_OK)
            .map_err(|error| format!("`{}` cannot be written: {}", folder.display(), error.desc()))?;
    }
    Ok(ControlGroup { from, parent, version })
}

/// Returns the folder of a group below a mount. In a container, a mount may show only a part of the hierarchy, so its
/// root is removed from the path of the group.
fn folder(mount: &MountInfo, group: &str) -> PathBuf {
    let below = Path::new(group).strip_prefix(&mount.root).unwrap_or_else(|_| Path::new(group.trim_start_matches('/')));
    if below.as_os_str().is_empty() { mount.mount_point.clone() } else { mount.mount_point.join(below) }
}
