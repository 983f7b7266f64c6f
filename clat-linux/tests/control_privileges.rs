//! Each wall is built in a process of its own, and something runs against it.

mod control_common;

use clat_engine::{Iface, Step, StepId};
use clat_linux::dns::Dns;
use clat_linux::icmp6::Icmp6;
use clat_linux::plan::Plan;
use clat_linux::privileges::{Needs, give_up};
use clat_linux::resolvers::Resolvers;
use clat_linux::watch::Watch;
use control_common::{cannot_run, namespace_of_a_host};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output};

const CHILD: &str = "CLAT_TEST_CHILD";

/// Runs a test of this file again in a process of its own, as its child's part.
fn child(test: &str, part: &str) -> Output {
    let this = std::env::current_exe().expect("this program");
    let mut command = Command::new(this);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, part);
    let output = command.output().expect("the child runs");
    remove_orphaned_namespaces();
    output
}

/// A child behind its walls cannot remove its namespace: `ip` would be the end of it.
fn remove_orphaned_namespaces() {
    let Ok(shown) = Command::new("ip").arg("netns").output() else { return };
    for line in String::from_utf8_lossy(&shown.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let owner = name.strip_prefix("control-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn part() -> Option<String> {
    std::env::var(CHILD).ok()
}

fn is_root() -> bool {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if !root {
        cannot_run("root");
    }
    root
}

fn status(key: &str) -> String {
    let text = std::fs::read_to_string("/proc/thread-self/status").expect("status");
    let line = text.lines().find(|line| line.starts_with(key)).expect(key);
    line.split_whitespace().nth(1).expect("a value").to_owned()
}

#[test]
fn only_two_capabilities_are_left_and_none_comes_back() {
    if part().is_some() {
        // Read before /proc is closed.
        let missing = give_up(&Needs { write: vec![], read: vec!["/proc".into()], ..Needs::default() });
        assert_eq!(missing, Vec::<String>::new());
        for set in ["CapEff", "CapPrm", "CapBnd"] {
            // CAP_NET_ADMIN is 12, CAP_NET_RAW is 13.
            assert_eq!(status(set).trim_start_matches('0'), "3000", "{set}");
        }
        assert_eq!((status("CapInh").trim_matches('0'), status("CapAmb").trim_matches('0')), ("", ""));
        assert_eq!((status("NoNewPrivs"), status("Seccomp")), ("1".into(), "2".into()));
        return;
    }
    if is_root() {
        let output = child("only_two_capabilities_are_left_and_none_comes_back", "caps");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn landlock_refuses_every_file_but_those_needed() {
    if let Some(folder) = part() {
        let folder = Path::new(&folder);
        assert_eq!(
            give_up(&Needs {
                write: vec![folder.join("state")],
                read: vec![folder.join("config")],
                ..Needs::default()
            }),
            Vec::<String>::new()
        );
        let refused = |result: std::io::Result<()>| {
            let kind = result.expect_err("refused").kind();
            assert_eq!(kind, std::io::ErrorKind::PermissionDenied);
        };
        refused(std::fs::read(folder.join("secret")).map(|_| ()));
        refused(std::fs::write(folder.join("new"), "x"));
        refused(std::fs::write(folder.join("config"), "x"));
        refused(std::fs::remove_file(folder.join("secret")));
        refused(std::fs::read("/proc/self/environ").map(|_| ()));
        refused(std::fs::read_dir("/").map(|_| ()));
        refused(std::net::TcpStream::connect("127.0.0.1:9").map(|_| ()));
        assert_eq!(std::fs::read_to_string(folder.join("config")).expect("read"), "config");
        std::fs::write(folder.join("state/journal.new"), "x").expect("written");
        std::fs::rename(folder.join("state/journal.new"), folder.join("state/journal")).expect("renamed");
        std::fs::remove_file(folder.join("state/journal")).expect("removed");
        drop(std::os::unix::net::UnixListener::bind(folder.join("state/socket")).expect("bound"));
        std::fs::remove_file(folder.join("state/socket")).expect("removed");
        return;
    }
    if !is_root() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("clat-control-landlock-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("state")).expect("a folder");
    std::fs::write(folder.join("secret"), "secret").expect("a file");
    std::fs::write(folder.join("config"), "config").expect("a file");
    let output = child("landlock_refuses_every_file_but_those_needed", &folder.display().to_string());
    std::fs::remove_dir_all(folder).expect("removed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_deadly_system_call_kills_and_an_unlisted_one_is_refused() {
    match part().as_deref() {
        Some("exec") => {
            assert_eq!(give_up(&Needs { write: vec!["/".into()], ..Needs::default() }), Vec::<String>::new());
            let _ = Command::new("/bin/true").exec();
            println!("SURVIVED");
            return;
        }
        Some("refused") => {
            assert_eq!(give_up(&Needs::default()), Vec::<String>::new());
            // AF_PACKET sockets and changes of the user are not on the list.
            let packet =
                rustix::net::socket(rustix::net::AddressFamily::PACKET, rustix::net::SocketType::RAW, None);
            assert_eq!(packet.expect_err("refused"), rustix::io::Errno::PERM);
            let nice = rustix::process::setpriority_process(None, 5);
            assert_eq!(nice.expect_err("refused"), rustix::io::Errno::PERM);
            println!("SURVIVED");
            return;
        }
        Some("setns") => {
            let own = std::fs::File::open("/proc/self/ns/net").expect("opened");
            assert_eq!(give_up(&Needs::default()), Vec::<String>::new());
            let kind = rustix::thread::LinkNameSpaceType::Network;
            let _ = rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&own), Some(kind));
            println!("SURVIVED");
            return;
        }
        _ => {}
    }
    if !is_root() {
        return;
    }
    let test = "a_deadly_system_call_kills_and_an_unlisted_one_is_refused";
    for part in ["exec", "setns"] {
        let output = child(test, part);
        let killed = output.status.signal() == Some(31);
        let printed = String::from_utf8_lossy(&output.stdout).contains("SURVIVED");
        assert!(killed && !printed, "{part}: {output:?}");
    }
    let output = child(test, "refused");
    assert!(String::from_utf8_lossy(&output.stdout).contains("SURVIVED"), "{output:?}");
}

#[test]
fn a_running_clat_goes_on_behind_all_walls() {
    if let Some(folder) = part() {
        let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
        let folder = Path::new(&folder);
        let (mut plan, _) = Plan::open(&folder.join("journal")).expect("open");
        plan.set_device(Some(device));
        let mut watch = Watch::open().expect("netlink");
        let mut icmp6 = Icmp6::open().expect("raw socket");
        let mut resolvers = Resolvers::watch();
        assert_eq!(give_up(&Needs { write: vec![folder.into()], ..Needs::default() }), Vec::<String>::new());
        std::thread::spawn(move || {
            for (id, step) in (0..).zip(control_common::whole_plan(uplink)) {
                plan.apply(StepId(id), step).unwrap_or_else(|error| panic!("{error}"));
            }
            watch.list(&mut |_| {}).expect("list");
            watch.read(&mut |_| {}).expect("read");
            icmp6.read(&mut |_| {}).expect("read");
            resolvers.changed();
            let _ = resolvers.of_link(uplink, "up0");
            assert!(
                std::fs::read_to_string("/etc/resolv.conf").is_ok()
                    || !Path::new("/etc/resolv.conf").exists()
            );
            let query = clat_engine::DnsQuery {
                ifindex: uplink,
                server: "2001:db8::1".parse().expect("address"),
                id: 1,
                message: Default::default(),
            };
            Dns::new().ask("up0", &query).expect("asked");
            Icmp6::open().expect("a raw socket again");
            Watch::open().expect("netlink again");
            plan.close().unwrap_or_else(|error| panic!("{error}"));
        })
        .join()
        .expect("the thread goes through");
        println!("WENT ON");
        std::mem::forget(_namespace);
        return;
    }
    if !is_root() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("clat-control-walls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let output = child("a_running_clat_goes_on_behind_all_walls", &folder.display().to_string());
    std::fs::remove_dir_all(folder).expect("removed");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("WENT ON"), "{out}{err}");
}

#[test]
fn a_step_that_needs_the_given_up_is_an_error_and_no_end() {
    if part().is_some() {
        let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
        let folder = std::env::temp_dir().join(format!("clat-control-denied-{}", std::process::id()));
        let (mut plan, _) = Plan::open(&folder).expect("open");
        plan.set_device(Some(device));
        // The folder of the journal was forgotten: a journal that grows too long cannot be written anew.
        assert_eq!(give_up(&Needs::default()), Vec::<String>::new());
        let step = Step::SetForwarding { iface: Iface::Index(uplink) };
        let refused = (0..2000).find_map(|id| plan.apply(StepId(id), step).err());
        let error = refused.expect("refused at last").to_string();
        assert!(error.contains("Permission denied") && error.contains("journal"), "{error}");
        println!("WENT ON");
        std::mem::forget(_namespace);
        return;
    }
    if !is_root() {
        return;
    }
    let output = child("a_step_that_needs_the_given_up_is_an_error_and_no_end", "denied");
    assert!(String::from_utf8_lossy(&output.stdout).contains("WENT ON"), "{output:?}");
}
