//! The data path's life: swap of the translator, stop, an interface that goes away.

use crate::bed::{Bed, TUN, server_v4, server_v6, translator, wait_until};
use clat_linux::device::{OffloadRequest, OpenError, Tun};
use clat_linux::netlink::Netlink;
use clat_linux::pump::PumpError;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

#[test]
fn a_swap_of_the_translator_breaks_no_flow() {
    let Some(bed) = Bed::new("a_swap_of_the_translator_breaks_no_flow", 1, OffloadRequest::Best) else {
        return;
    };
    let listener = bed.in_server(|| TcpListener::bind(server_v6(7001)));
    let mut client = bed.in_app(|| TcpStream::connect(server_v4(7001)));
    let (mut server, _) = listener.accept().unwrap();
    let mut buf = [0; 5];
    for n in 0..50u8 {
        client.write_all(&[n; 5]).unwrap();
        bed.shared.replace(Some(translator()));
        server.read_exact(&mut buf).unwrap();
        assert_eq!(buf, [n; 5]);
    }
    bed.shared.replace(None);
    client.write_all(b"later").unwrap();
    wait_until("a packet without translator", || bed.totals().inactive > 0);
    bed.shared.replace(Some(translator()));
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    server.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"later", "TCP repeats what was dropped");
}

#[test]
fn echo_of_all_sizes_comes_back() {
    let Some(bed) = Bed::new("echo_of_all_sizes_comes_back", 1, OffloadRequest::Best) else { return };
    for size in ["0", "1", "56", "1000", "1232"] {
        bed.app.sh(&format!("ping -c 2 -i 0.05 -W 3 -s {size} 198.51.100.1")).unwrap();
    }
    bed.assert_clean();
}

#[test]
fn the_hosts_own_chatter_is_noise_and_no_drop() {
    let Some(bed) = Bed::new("the_hosts_own_chatter_is_noise_and_no_drop", 1, OffloadRequest::Best) else {
        return;
    };
    wait_until("router solicitation or MLD of the kernel", || bed.totals().noise > 0);
    assert_eq!(bed.totals().drop_reasons().count(), 0, "{:?}", bed.pump.counters().last_drops());
}

#[test]
fn a_removed_interface_ends_the_pump_and_says_so() {
    let Some(bed) = Bed::new("a_removed_interface_ends_the_pump_and_says_so", 1, OffloadRequest::Best) else {
        return;
    };
    let readable = |timeout| {
        let mut fds = [PollFd::new(&bed.pump, PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).unwrap() == 1
    };
    assert!(!readable(Timespec { tv_sec: 0, tv_nsec: 0 }), "it runs");
    bed.app.ip(&format!("link del {TUN}")).unwrap();
    assert!(readable(Timespec { tv_sec: 5, tv_nsec: 0 }), "control hears of the end");
    let error = bed.pump.stop().unwrap_err();
    assert!(matches!(error, PumpError::Gone(_)), "{error}");
}

#[test]
fn an_interface_that_is_set_down_and_up_again_goes_on() {
    let name = "an_interface_that_is_set_down_and_up_again_goes_on";
    let Some(bed) = Bed::new(name, 2, OffloadRequest::Best) else { return };
    bed.app.ip(&format!("link set {TUN} down")).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    bed.app.ip(&format!("link set {TUN} up")).unwrap();
    bed.app.ip(&format!("route add default dev {TUN} mtu 1472")).unwrap();
    bed.app.ip(&format!("-6 route replace 2001:db8:464::1/128 dev {TUN}")).unwrap();
    bed.app.sh("ping -c 2 -i 0.05 -W 3 198.51.100.1").unwrap();
    bed.pump.stop().unwrap();
}

#[test]
fn stop_ends_the_threads_and_removes_the_interface() {
    let Some(bed) = Bed::new("stop_ends_the_threads_and_removes_the_interface", 3, OffloadRequest::Best)
    else {
        return;
    };
    let Bed { app, pump, .. } = bed;
    app.ip(&format!("link show {TUN}")).unwrap();
    pump.stop().unwrap();
    assert!(app.ip(&format!("link show {TUN}")).is_err(), "the interface is gone");
}

#[test]
fn an_interface_that_is_taken_or_no_tun_is_refused_with_a_word() {
    let Some(bed) =
        Bed::new("an_interface_that_is_taken_or_no_tun_is_refused_with_a_word", 1, OffloadRequest::Best)
    else {
        return;
    };
    let open = |name: &'static str| bed.app.enter(move || Tun::open(name, 1, OffloadRequest::Best)).unwrap();
    let busy = open(TUN).unwrap_err();
    assert!(matches!(busy, OpenError::Busy(_)), "{busy}");
    let other = open("up0").unwrap_err();
    assert!(matches!(other, OpenError::OtherKind(..)), "{other}");
    bed.app.ip("tuntap add dev made mode tun multi_queue").unwrap();
    assert_eq!(open("made").unwrap().name(), "made", "made by somebody with several queues");
    bed.app.ip("tuntap add dev one mode tun").unwrap();
    assert_eq!(open("one").unwrap().name(), "one");
}

#[test]
fn the_device_is_tuned() {
    let name = "the_device_is_tuned";
    let Some(bed) = Bed::new(name, 1, OffloadRequest::Best) else { return };
    let mut ask = LinkMessage::default();
    ask.attributes.push(LinkAttribute::IfName(TUN.to_owned()));
    let answer = bed
        .app
        .enter(|| Netlink::open().and_then(|mut netlink| netlink.get(RouteNetlinkMessage::GetLink(ask))));
    let RouteNetlinkMessage::NewLink(link) = answer.unwrap().unwrap() else { panic!("no link") };
    for wanted in [LinkAttribute::GsoIpv4MaxSize(65_516), LinkAttribute::TxQueueLen(2000)] {
        assert!(link.attributes.contains(&wanted), "{:?}", link.attributes);
    }
}
