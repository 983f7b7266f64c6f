//! The plan with its journal: a process that dies at any moment leaves what the next one puts back.

mod control_common;

use clat_engine::{Step, StepError, StepErrorKind, StepId};
use clat_linux::journal::JournalError;
use clat_linux::plan::{Plan, PlanError};
use control_common::{assert_same, namespace_of_a_host, run, settled, whole_plan};
use std::path::{Path, PathBuf};

/// A folder for a journal, gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("clat-control-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The journal as a process killed now would leave it, for another process to find.
fn copy_of(folder: &Path, name: &str) -> Folder {
    let copy = Folder::new(name);
    std::fs::create_dir(&copy.0).expect("a folder");
    std::fs::copy(folder.join("journal"), copy.journal()).expect("a copy");
    copy
}

#[test]
fn a_process_killed_after_any_step_leaves_what_the_next_start_puts_back() {
    let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
    let before = settled();
    let steps = whole_plan(uplink);
    for count in 0..=steps.len() {
        let folder = Folder::new("steps");
        let (mut plan, _) = Plan::open(&folder.0).expect("open");
        plan.set_device(Some(device));
        for (id, step) in (0..).zip(&steps[..count]) {
            plan.apply(StepId(id), *step).expect("apply");
        }
        let found = copy_of(&folder.0, "steps-found");
        drop(plan);
        let (plan, recovery) = Plan::open(&found.0).expect("open again");
        assert_eq!(recovery.restored.len() + recovery.left.len(), count, "{recovery:?}");
        assert!(recovery.failed.is_empty(), "{recovery:?}");
        assert_same(&settled(), &before);
        plan.close().expect("close");
        assert!(!found.journal().exists());
    }
}

#[test]
fn a_process_killed_between_the_record_and_the_change_leaves_nothing_to_put_back() {
    let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
    let before = settled();
    let folder = Folder::new("between");
    let (mut plan, _) = Plan::open(&folder.0).expect("open");
    plan.set_device(Some(device));
    let lines: Vec<String> = whole_plan(uplink)
        .into_iter()
        .map(|s| plan.netcfg().prepare(s).expect("prepare").to_string())
        .collect();
    plan.close().expect("close");
    let identity = clat_linux::journal::Identity::here();
    let mut journal = clat_linux::journal::Journal::open(&folder.0, &identity).expect("journal");
    for line in &lines {
        journal.begin(line).expect("begin");
    }
    drop(journal);
    let (plan, recovery) = Plan::open(&folder.0).expect("open");
    assert_eq!(recovery.left.len(), lines.len(), "{recovery:?}");
    assert_same(&settled(), &before);
    plan.close().expect("close");
}

/// Until the next start the index of the uplink, and of the device, may be another interface's.
#[test]
fn another_interface_with_the_index_of_one_that_is_gone_is_left() {
    let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
    let folder = Folder::new("reused");
    let (mut plan, _) = Plan::open(&folder.0).expect("open");
    plan.set_device(Some(device));
    for (id, step) in (0..).zip(whole_plan(uplink)) {
        plan.apply(StepId(id), step).expect("apply");
    }
    let found = copy_of(&folder.0, "reused-found");
    drop(plan);
    // Somebody else's, and as ours were: up, forwarding, with the same MTU.
    for (old, index, new) in [("up0", uplink, "other0"), ("clat0", device, "other1")] {
        run(&format!("ip link del {old}"));
        run(&format!("ip link add {new} index {index} mtu 1420 type veth peer name far-{new}"));
        run(&format!("ip link set {new} up"));
        for switch in
            ["conf/*/forwarding=1", "conf/*/proxy_ndp=1", "conf/*/accept_ra=2", "neigh/*/proxy_delay=0"]
        {
            let (switch, value) = switch.split_once('=').expect("a value");
            let path = format!("/proc/sys/net/ipv6/{}", switch.replace('*', new));
            std::fs::write(&path, value).expect(&path);
        }
    }
    let of_others = || settled().lines().filter(|line| line.contains("other")).collect::<Vec<_>>().join("\n");
    let before = of_others();
    let (plan, recovery) = Plan::open(&found.0).expect("open again");
    assert!(recovery.failed.is_empty(), "{recovery:?}");
    assert_same(&of_others(), &before);
    plan.close().expect("close");
    assert!(!found.journal().exists());
}

#[test]
fn a_process_killed_while_undoing_leaves_what_the_next_start_puts_back() {
    let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
    let before = settled();
    let steps = whole_plan(uplink);
    for kept in 0..steps.len() {
        let folder = Folder::new("undoing");
        let (mut plan, _) = Plan::open(&folder.0).expect("open");
        plan.set_device(Some(device));
        for (id, step) in (0..).zip(&steps) {
            plan.apply(StepId(id), *step).expect("apply");
        }
        for id in (kept..steps.len()).rev() {
            plan.undo(StepId(id as u32)).expect("undo");
        }
        let found = copy_of(&folder.0, "undoing-found");
        drop(plan);
        let (plan, recovery) = Plan::open(&found.0).expect("open again");
        assert!(recovery.failed.is_empty(), "{recovery:?}");
        assert_same(&settled(), &before);
        plan.close().expect("close");
    }
}

#[test]
fn closing_undoes_everything_in_reverse() {
    let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
    let before = settled();
    let folder = Folder::new("close");
    let (mut plan, recovery) = Plan::open(&folder.0).expect("open");
    assert!(recovery.is_empty());
    plan.set_device(Some(device));
    let steps = whole_plan(uplink);
    for (id, step) in (0..).zip(&steps) {
        plan.apply(StepId(id), *step).expect("apply");
    }
    assert_eq!(plan.in_force().count(), steps.len());
    plan.close().expect("close");
    assert_same(&settled(), &before);
    assert!(!folder.journal().exists());
}

#[test]
fn a_step_that_fails_is_not_in_force() {
    let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
    let folder = Folder::new("fails");
    let (mut plan, _) = Plan::open(&folder.0).expect("open");
    plan.set_device(Some(device));
    // The device is down: the kernel takes no route to it.
    let route = whole_plan(uplink).into_iter().find(Step::is_default_route).expect("a default route");
    let error = plan.apply(StepId(0), route).expect_err("the device is down");
    assert_eq!(StepError::from(&error).kind, StepErrorKind::Transient, "{error}");
    assert_eq!(plan.in_force().count(), 0);
    plan.close().expect("close");
    assert!(!folder.journal().exists());
}

#[test]
fn two_instances_at_once_and_the_second_refuses() {
    let Some((_namespace, ..)) = namespace_of_a_host() else { return };
    let folder = Folder::new("two");
    let (plan, _) = Plan::open(&folder.0).expect("open");
    assert!(matches!(Plan::open(&folder.0), Err(PlanError::Journal(JournalError::Busy(_)))));
    plan.close().expect("close");
}

#[test]
fn a_full_disk_stops_the_change_and_not_the_undo() {
    let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
    let before = settled();
    let folder = Folder::new("full");
    std::fs::create_dir(&folder.0).expect("a folder");
    let mount = folder.0.display().to_string();
    run(&format!("mount -t tmpfs -o size=16k,mode=0700 tmpfs {mount}"));
    let (mut plan, _) = Plan::open(&folder.0).expect("open");
    plan.set_device(Some(device));
    let mut steps = whole_plan(uplink).into_iter();
    for id in 0..6 {
        plan.apply(StepId(id), steps.next().expect("a step")).expect("apply");
    }
    let _ = std::fs::write(folder.0.join("ballast"), vec![0; 64 * 1024]);
    let mut refused = None;
    for id in 6..200 {
        // Any step will do; this one changes nothing more the second time.
        if let Err(error) = plan.apply(StepId(id), whole_plan(uplink)[4]) {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("the disk is full");
    assert_eq!(StepError::from(&error).code, 28, "{error}");
    assert!(error.to_string().contains("Nothing is changed"), "{error}");
    let _ = plan.close();
    assert_same(&settled(), &before);
    run(&format!("umount {mount}"));
}

#[test]
fn a_read_only_file_system_is_said_clearly() {
    let Some((_namespace, ..)) = namespace_of_a_host() else { return };
    let folder = Folder::new("read-only");
    std::fs::create_dir(&folder.0).expect("a folder");
    let mount = folder.0.display().to_string();
    run(&format!("mount -t tmpfs -o ro,mode=0700 tmpfs {mount}"));
    let error = Plan::open(&folder.0.join("state")).expect_err("nothing can be written");
    run(&format!("umount {mount}"));
    let text = error.to_string();
    assert!(text.contains("Read-only file system") && text.contains(&mount), "{text}");
}
