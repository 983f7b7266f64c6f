//! Forwarding of IPv6 on an interface without losing the routers that its network announces.
//!
//! Three habits of the kernel (`addrconf_fixup_forwarding`, `ip6_forward`, `ndisc_recv_ns`) decide:
//!
//! - an interface that forwards ignores Router Advertisements unless its `accept_ra` is 2;
//! - switching forwarding on anywhere throws away the default routes learnt from advertisements on *every*
//!   interface whose `accept_ra` is not 2 at that moment;
//! - a packet is forwarded where `all.forwarding` is on or, since Linux 6.17, where the interface it came in
//!   by has `force_forwarding`; solicitations are answered by proxy where the interface's own `forwarding` is on.

use super::sysctl::{Names, Scope, Switch, When, Write, read};
use crate::netlink::Link;
use std::io;

/// The writes that make the interface forward. `answers` asks for the interface's own `forwarding`, which
/// proxied Neighbour Discovery depends on.
pub(super) fn plan(links: &[Link], ifindex: u32, answers: bool) -> io::Result<Vec<Write>> {
    let names: &dyn Names = &links;
    let get = |scope, switch| read(names, scope, switch);
    let link = Scope::Link(ifindex);
    let everywhere = get(Scope::All, Switch::Forwarding)? != 0;
    let forced = match get(link, Switch::ForceForwarding) {
        Ok(value) => Some(value),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let on = get(link, Switch::Forwarding)? != 0;
    let turn_all = !everywhere && forced.is_none();
    let turn_own = !turn_all && !on && (answers || forced.is_none());

    let mut writes = Vec::new();
    let mut put = |scope, switch, when, old, new| writes.push(Write { scope, switch, when, old, new });
    if turn_all || turn_own {
        let others = links.iter().filter(|l| !l.loopback).map(|l| Scope::Link(l.index));
        for scope in others.chain([Scope::Default]) {
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
