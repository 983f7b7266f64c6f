//! Forwarding of IPv6 on an interface without losing the routers that its network announces.
//!
//! Three habits of the kernel (`addrconf_fixup_forwarding`, `ip6_forward`, `ndisc_recv_ns`) decide:
//!
//! - an interface that forwards ignores Router Advertisements unless its `accept_ra` is 2;
//! - switching forwarding on anywhere throws away the default routes learnt from advertisements on *every*
//!   interface whose `accept_ra` is not 2 at that moment;
//! - a packet is forwarded where `all.forwarding` is on or, since Linux 6.17, where the interface it came in
//!   by has `force_forwarding`; solicitations are answered by proxy where the interface's own `forwarding` is on.

use super::sysctl::{Failed, Names, Scope, Switch, When, Write, read};
use crate::netlink::Link;

/// The writes that make the interface forward. `answers` asks for the interface's own `forwarding`, which
/// proxied Neighbour Discovery depends on: so for every interface but our own device.
pub(super) fn plan(links: &[Link], ifindex: u32, answers: bool) -> Result<Vec<Write>, Failed> {
    let names: &dyn Names = &links;
    let others: Vec<u32> = links.iter().filter(|l| !l.loopback).map(|l| l.index).collect();
    writes(&others, ifindex, answers, |scope, switch| read(names, scope, switch))
}

/// The same, with the switches as `get` reads them.
fn writes(
    links: &[u32],
    ifindex: u32,
    answers: bool,
    get: impl Fn(Scope, Switch) -> Result<u32, Failed>,
) -> Result<Vec<Write>, Failed> {
    let link = Scope::Link(ifindex);
    let everywhere = get(Scope::All, Switch::Forwarding)? != 0;
    let forced = match get(link, Switch::ForceForwarding) {
        Ok(value) => Some(value),
        Err(failed) if failed.is_gone() => None,
        Err(failed) => return Err(failed),
    };
    let on = get(link, Switch::Forwarding)? != 0;
    let turn_all = !everywhere && forced.is_none();
    let turn_own = !turn_all && !on && (answers || forced.is_none());

    let mut writes = Vec::new();
    if !answers && get(link, Switch::DisableIpv6).is_ok_and(|value| value == 1) {
        // Our own device is of no use without IPv6; it is never switched on for another interface.
        let (switch, when) = (Switch::DisableIpv6, When::Lasting);
        writes.push(Write { scope: link, switch, when, old: 1, new: 0 });
    }
    let mut put = |scope, switch, when, old, new| writes.push(Write { scope, switch, when, old, new });
    if turn_all || turn_own {
        for scope in links.iter().map(|index| Scope::Link(*index)).chain([Scope::Default]) {
            // An interface that vanishes while we look needs nothing.
            let (Ok(ra), Ok(forwards)) = (get(scope, Switch::AcceptRa), get(scope, Switch::Forwarding))
            else {
                continue;
            };
            if turn_all && forwards != 0 {
                put(scope, Switch::Forwarding, When::Aftermath, 1, 0);
            }
            if ra == 1 && forwards == 0 {
                let lasting = turn_all || scope == link;
                let when = if lasting { When::Lasting } else { When::Meanwhile };
                put(scope, Switch::AcceptRa, when, 1, 2);
            }
        }
    }
    if turn_all {
        put(Scope::All, Switch::Forwarding, When::Lasting, 0, 1);
    }
    if turn_own {
        put(link, Switch::Forwarding, When::Lasting, 0, 1);
    }
    if !everywhere && forced == Some(0) {
        put(link, Switch::ForceForwarding, When::Lasting, 0, 1);
    }
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The uplink is 2, another interface 3. Values: (scope, switch, value).
    fn plan_with(force: bool, answers: bool, values: &[(Scope, Switch, u32)]) -> String {
        let get = |scope, switch| {
            let set = values.iter().find(|(s, w, _)| (*s, *w) == (scope, switch));
            match (set, switch) {
                (Some((.., value)), _) => Ok(*value),
                (None, Switch::ForceForwarding) if !force => {
                    Err(Failed { switch: String::new(), error: std::io::ErrorKind::NotFound.into() })
                }
                (None, Switch::AcceptRa) => Ok(1),
                (None, _) => Ok(0),
            }
        };
        let writes = writes(&[2, 3], 2, answers, get).unwrap();
        writes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_new_kernel_forwards_on_one_interface_and_keeps_the_routers_of_the_others() {
        assert_eq!(
            plan_with(true, true, &[]),
            "2.accept_ra=1>2 3.accept_ra^1>2 default.accept_ra^1>2 2.forwarding=0>1 2.force_forwarding=0>1"
        );
        assert_eq!(plan_with(true, false, &[]), "2.force_forwarding=0>1");
    }

    #[test]
    fn ipv6_is_switched_on_for_our_own_device_only() {
        let off = [(Scope::Link(2), Switch::DisableIpv6, 1)];
        assert_eq!(plan_with(true, false, &off), "2.disable_ipv6=1>0 2.force_forwarding=0>1");
        assert!(!plan_with(true, true, &off).contains("disable_ipv6"));
    }

    #[test]
    fn an_old_kernel_forwards_everywhere_and_every_interface_keeps_its_routers() {
        assert_eq!(
            plan_with(false, true, &[]),
            "2.accept_ra=1>2 3.accept_ra=1>2 default.accept_ra=1>2 all.forwarding=0>1"
        );
    }

    #[test]
    fn an_old_kernel_resets_the_forwarding_of_single_interfaces_and_the_undo_restores_it() {
        let on = [(Scope::Link(3), Switch::Forwarding, 1)];
        assert_eq!(
            plan_with(false, true, &on),
            "2.accept_ra=1>2 3.forwarding~1>0 default.accept_ra=1>2 all.forwarding=0>1"
        );
    }

    #[test]
    fn where_everything_forwards_already_nothing_is_written() {
        let all = [Scope::All, Scope::Default, Scope::Link(2), Scope::Link(3)];
        let on = all.map(|scope| (scope, Switch::Forwarding, 1));
        assert_eq!(plan_with(true, true, &on), "");
        assert_eq!(plan_with(false, true, &on), "");
    }

    #[test]
    fn an_uplink_whose_advertisements_the_administrator_refuses_stays_deaf() {
        let deaf = [(Scope::Link(2), Switch::AcceptRa, 0), (Scope::Link(3), Switch::AcceptRa, 2)];
        assert_eq!(
            plan_with(true, true, &deaf),
            "default.accept_ra^1>2 2.forwarding=0>1 2.force_forwarding=0>1"
        );
    }
}
