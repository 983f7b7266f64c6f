//! The crate interproto, called as its own program does: addresses first, then the packet.

use clat_benches::{Case, LOCAL_V4, LOCAL_V6, SERVER_V4, server_v6};
use interproto::protocols::ip::{translate_ipv4_to_ipv6, translate_ipv6_to_ipv4};

/// Length of the translated packet; `None` where it cannot translate: it knows neither fragments nor extension headers,
/// and has no table.
pub(crate) fn interproto(case: &Case) -> Option<usize> {
    if !case.has_floor() && !case.name.ends_with("error") {
        return None;
    }
    let packet = if case.is_v4() {
        translate_ipv4_to_ipv6(&case.packet, LOCAL_V6, server_v6())
    } else {
        translate_ipv6_to_ipv4(&case.packet, SERVER_V4, LOCAL_V4)
    };
    packet.ok().map(|packet| packet.len())
}
