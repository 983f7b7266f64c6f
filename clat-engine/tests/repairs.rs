//! What becomes of steps that the host lost while they were in force.

#![allow(clippy::unwrap_used, reason = "literals and bounds that the tests themselves set")]

mod sim;

use clat_engine::{Input, Reason, State};
use sim::scene::{ETH, active, ra_link};
use sim::{World, config};

/// The identifier of the step in force whose words begin so.
fn step(world: &World, words: &str) -> clat_engine::StepId {
    world.engine.plan().find(|(_, step)| step.to_string().starts_with(words)).unwrap().0
}

#[test]
fn a_step_that_the_host_lost_is_done_again_with_all_that_followed_it() {
    let mut world = active(config(), ra_link());
    world.run(10_000);
    world.trace.clear();
    let lost = step(&world, "add-route dev device dest 2001:db8:1:1:");
    world.tell(Input::StepLost(lost));
    world.run(1000);
    assert_eq!(world.state(), State::Active);
    assert!(world.host.has_default_route());
    let lines = world.lines();
    assert!(lines.contains("undo proxy-neighbour") && lines.contains("apply proxy-neighbour"), "{lines}");
    assert!(!lines.contains("set-forwarding"), "what came before stays: {lines}");
    world.tell(Input::StepLost(lost));
    world.run(1000);
    assert_eq!(lines, world.lines(), "an old step is no loss");
}

#[test]
fn a_step_that_is_lost_again_and_again_is_done_again_after_a_pause() {
    let mut world = active(config(), ra_link());
    world.run(10_000);
    for _ in 0..9 {
        assert_eq!(world.state(), State::Active);
        world.tell(Input::StepLost(step(&world, "proxy-neighbour")));
        world.run(100);
        world.tell(Input::StepLost(step(&world, "add-route dev device dest 0.0.0.0/0")));
        world.run(100);
    }
    assert_eq!((world.state(), world.engine.status().reason), (State::Idle, Reason::StepFailed));
    world.run(8000);
    assert_eq!(world.state(), State::Active);
}

#[test]
fn what_fell_with_the_uplink_waits_for_another() {
    let mut world = active(config(), ra_link());
    world.run(10_000);
    let lost = step(&world, "add-route dev device dest 2001:db8:1:1:");
    let route = world.links[&ETH].routers[0].route(ETH);
    world.tell(Input::Default6Gone(route));
    world.run(100);
    world.trace.clear();
    world.tell(Input::StepLost(lost));
    world.run(1000);
    assert_eq!(world.state(), State::Stale);
    assert!(!world.lines().contains("apply"), "{}", world.lines());
    world.tell(Input::Default6(route));
    world.run(1000);
    assert_eq!(world.state(), State::Active);
    assert!(world.lines().contains("apply add-route dev device dest 2001:db8:1:1:"), "{}", world.lines());
}
