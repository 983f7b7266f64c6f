//! A router's entry for the CLAT address is kept without one question: no proxy entry, no answer, only the
//! engine's advertisements (the return path of systems without a proxy; RFC 4861 section 7.2.5).

mod control_common;

use clat_engine::{Action, Config, Engine, Input, Instant, ReturnPath, State, StepError};
use clat_linux::icmp6::Icmp6;
use clat_linux::plan::Plan;
use clat_linux::watch::Watch;
use control_common::{Namespace, index, run};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

const NEIGHBOUR_SOLICITATION: u8 = 135;

/// The engine and what it needs of this host.
struct Shell {
    engine: Engine,
    plan: Plan,
    watch: Watch,
    icmp6: Icmp6,
    start: std::time::Instant,
}

impl Shell {
    fn new(config: Config, state: &std::path::Path) -> Self {
        let (mut plan, _) = Plan::open(state).expect("a journal");
        let mut watch = Watch::open().expect("netlink");
        plan.set_device(Some(index("clat0")));
        watch.set_device(Some(index("clat0")));
        let (engine, icmp6) = (Engine::new(config), Icmp6::open().expect("raw socket"));
        let mut shell = Self { engine, plan, watch, icmp6, start: std::time::Instant::now() };
        let now = shell.now();
        let engine = &mut shell.engine;
        shell.watch.list(&mut |input| engine.handle_input(now, input)).expect("the tables");
        shell
    }

    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).expect("no such age"))
    }

    /// Hears all but questions, and does what the engine says.
    fn turn(&mut self) {
        let now = self.now();
        let engine = &mut self.engine;
        self.watch.read(&mut |input| engine.handle_input(now, input)).expect("netlink");
        let mut deaf = |input: Input<'_>| {
            if !matches!(input, Input::Icmpv6(heard) if heard.message.first() == Some(&NEIGHBOUR_SOLICITATION))
            {
                engine.handle_input(now, input);
            }
        };
        self.icmp6.read(&mut deaf).expect("raw socket");
        engine.handle_input(now, Input::Timer);
        while let Some(action) = self.engine.poll_action() {
            self.act(action);
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest has nothing to do with neighbours")]
    fn act(&mut self, action: Action) {
        let (id, done) = match action {
            Action::Apply(id, step) => (id, self.plan.apply(id, step).map_err(|e| StepError::from(&e))),
            Action::Undo(id, _) => (id, self.plan.undo(id).map(drop).map_err(|e| StepError::from(&e))),
            Action::SendIcmpv6(message) => return self.icmp6.send(&message).expect("sent"),
            _ => return,
        };
        let answer = done.map_or_else(|error| Input::StepFailed(id, error), |()| Input::StepDone(id));
        self.engine.handle_input(self.now(), answer);
    }
}

/// The router's namespace behind `up0`, with its reachable time in milliseconds.
fn connect(reachable_ms: u32) -> Option<(Namespace, Namespace)> {
    let (host, router) = (Namespace::enter_new()?, Namespace::new()?);
    let r = &router.name;
    for line in [
        "ip link set lo up".to_owned(),
        format!("ip link add up0 type veth peer name lan0 netns {r}"),
        format!("ip -n {r} link set lan0 up"),
        format!("ip -n {r} addr add fe80::1/64 dev lan0 nodad"),
        format!("ip -n {r} addr add 2001:db8::1/64 dev lan0 nodad"),
        format!("ip netns exec {r} sysctl -qw net.ipv6.neigh.lan0.base_reachable_time_ms={reachable_ms}"),
        "ip link set up0 up".to_owned(),
        "ip -6 addr add 2001:db8::10/64 dev up0 nodad".to_owned(),
        "ip -6 route add default via fe80::1 dev up0".to_owned(),
        "ip tuntap add dev clat0 mode tun".to_owned(),
    ] {
        run(&line);
    }
    control_common::settled();
    Some((host, router))
}

/// A program in the router's namespace that ends with the value, and what it writes.
struct Beside {
    child: Child,
    said: PathBuf,
}

impl Beside {
    fn start(router: &Namespace, line: &str) -> Self {
        let said = std::env::temp_dir().join(format!("{}-{}", router.name, line.len()));
        let out = File::create(&said).expect("a file");
        let err = out.try_clone().expect("its twin");
        let words = ["netns", "exec", &router.name].into_iter().chain(line.split_whitespace());
        let child = Command::new("ip").args(words).stdout(out).stderr(err).spawn().expect("ip");
        Self { child, said }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("text")
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.said);
    }
}

/// Half a minute with a router that forgets after 5.5 s, or, with `CLAT_LONG_SCENES=1`, ten minutes with
/// one as it comes.
#[test]
fn advertisements_alone_keep_a_routers_entry_reachable() {
    let long = std::env::var_os("CLAT_LONG_SCENES").is_some();
    // The kernel draws between half and one and a half of it (RFC 4861 section 6.3.2).
    let (reachable_ms, lasting) = if long { (30_000, 600) } else { (11_000, 30) };
    if Command::new("tcpdump").arg("--version").output().is_err() {
        return control_common::cannot_run("tcpdump");
    }
    let Some((host, router)) = connect(reachable_ms) else { return };
    let mut config = Config::new(*b"0123456789abcdef", 7);
    config.return_path = ReturnPath::Announce;
    config.pref64 = Some(clat_core::Pref64::WELL_KNOWN);
    (config.self_test, config.ask_dns) = (false, false);
    let state = std::env::temp_dir().join(&host.name);
    let mut shell = Shell::new(config, &state);
    control_common::wait_for("the claim to end", || {
        shell.turn();
        shell.engine.state() == State::Active
    });
    assert!(run("ip -6 neigh show proxy").is_empty(), "no proxy entry");
    let addr = shell.engine.status().clat_v6.expect("an address");
    let questions = Beside::start(&router, "tcpdump -n -l -i lan0 icmp6");
    control_common::wait_for("tcpdump to listen", || questions.said().contains("listening on"));
    let traffic = Beside::start(&router, &format!("ping -6 -q -i 0.5 {addr}"));
    let end = std::time::Instant::now() + Duration::from_secs(lasting);
    let mut looks = 0_u32;
    while std::time::Instant::now() < end {
        shell.turn();
        if looks.is_multiple_of(50) {
            let entry = run(&format!("ip -n {} -6 neigh show {addr} dev lan0", router.name));
            assert!(entry.contains("REACHABLE"), "after {:?}: {entry}", shell.start.elapsed());
        }
        looks += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    let told = questions.said();
    assert!(told.contains(&format!("tgt is {addr}")), "what was said was not heard:\n{told}");
    let asked: Vec<&str> = told.lines().filter(|line| line.contains(&format!("who has {addr}"))).collect();
    assert!(asked.is_empty(), "the router asked: {asked:#?}");
    drop((traffic, questions));
    shell.engine.handle_input(shell.now(), Input::Stop);
    control_common::wait_for("the end", || {
        shell.turn();
        shell.engine.poll_timeout().is_none()
    });
    shell.plan.close().expect("undone");
    let _ = std::fs::remove_dir_all(state);
    eprintln!("{addr} was REACHABLE for {lasting} s without a question");
}
