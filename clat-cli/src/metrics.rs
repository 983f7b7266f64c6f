//! OpenMetrics over HTTP, for whoever scrapes.

use crate::control::protocol::{Answer, Request};
use crate::status::model::Status;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

const STATES: [&str; 5] = ["idle", "discovering", "claiming", "active", "stale"];

/// Where the head of an HTTP request ends.
pub(crate) fn request_end(input: &[u8]) -> Option<usize> {
    input.windows(4).position(|w| w == b"\r\n\r\n").or_else(|| input.windows(2).position(|w| w == b"\n\n"))
}

/// What a scraper wants: there is one document.
pub(crate) fn request(input: &[u8]) -> Result<Request, Answer> {
    match input.starts_with(b"GET / ") || input.starts_with(b"GET /metrics ") {
        true => Ok(Request::Status),
        false => Err(Answer::Error("GET /metrics is all there is".to_owned())),
    }
}

/// An HTTP response with the metrics, or with the error.
pub(crate) fn response(answer: &Answer) -> Vec<u8> {
    let body = match answer {
        Answer::Status(status) => encode(status),
        Answer::Ok(text) | Answer::Error(text) => return http("404 Not Found", "text/plain", text),
    };
    http("200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8", &body)
}

fn http(code: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.0 {code}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn encode(status: &Status) -> String {
    let mut registry = Registry::with_prefix("clat");
    registry.register_collector(Box::new(Snapshot(status.clone())));
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = text::encode(&mut out, &registry);
    out
}

#[derive(Debug)]
struct Snapshot(Status);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let s = &self.0;
        let flows = [("v4_to_v6", s.counters.v4_to_v6), ("v6_to_v4", s.counters.v6_to_v4)];
        let label = |(name, value): (&str, u64)| ([("direction", name.to_owned())], value);
        let packets = flows.map(|(name, f)| label((name, f.packets)));
        family(&mut encoder, "packets", "Packets received, by direction", None, packets)?;
        let bytes = flows.map(|(name, f)| label((name, f.bytes)));
        family(&mut encoder, "received", "Bytes received, by direction", Some(&Unit::Bytes), bytes)?;
        let drops = s.counters.drops.iter().map(|(reason, n)| ([("reason", reason.clone())], *n));
        family(&mut encoder, "drops", "Packets dropped, by reason", None, drops)?;
        counter(
            &mut encoder,
            "returned_packets",
            "Packets from beyond the NAT64 but ICMP",
            s.counters.returned,
        )?;
        counter(&mut encoder, "icmp_errors", "ICMP errors made by the translator", s.counters.replies)?;
        counter(&mut encoder, "inactive_packets", "Packets that came while not active", s.counters.inactive)?;
        counter(&mut encoder, "lost_frames", "Frames that came faster than they were read", s.counters.lost)?;
        states(&mut encoder, &s.state)?;
        gauge(&mut encoder, "uptime", "Time since the start", Some(&Unit::Seconds), s.uptime_s)?;
        if let Some(left) = s.pref64.as_ref().and_then(|p| p.expires_in_s) {
            gauge(&mut encoder, "pref64_left", "Time until the prefix ends", Some(&Unit::Seconds), left)?;
        }
        match &s.self_test {
            Some(test) => {
                gauge(&mut encoder, "self_test_ok", "Last self-test passed", None, u64::from(test.ok))
            }
            None => Ok(()),
        }
    }
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    values: impl IntoIterator<Item = ([(&'static str, String); 1], u64)>,
) -> fmt::Result {
    let kind = prometheus_client::metrics::MetricType::Counter;
    let mut metric = encoder.encode_descriptor(name, help, unit, kind)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let kind = prometheus_client::metrics::MetricType::Counter;
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, kind)?)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: u64,
) -> fmt::Result {
    let kind = prometheus_client::metrics::MetricType::Gauge;
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, unit, kind)?)
}

fn states(encoder: &mut DescriptorEncoder<'_>, current: &str) -> fmt::Result {
    let kind = prometheus_client::metrics::MetricType::Gauge;
    let mut metric = encoder.encode_descriptor("state", "1 for the state it is in", None, kind)?;
    for state in STATES {
        let value = i64::from(state == current);
        ConstGauge::new(value).encode(metric.encode_family(&[("state", state)])?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::model::tests::sample;

    #[test]
    fn every_counter_is_there_in_open_metrics() {
        let text = encode(&sample());
        for line in [
            "clat_packets_total{direction=\"v4_to_v6\"} 10",
            "clat_received_bytes_total{direction=\"v6_to_v4\"} 900",
            "clat_drops_total{reason=\"hop_limit\"} 3",
            "clat_icmp_errors_total 3",
            "clat_state{state=\"active\"} 1",
            "clat_state{state=\"stale\"} 0",
            "clat_pref64_left_seconds 1740",
            "clat_self_test_ok 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_request_is_complete_with_its_empty_line() {
        assert_eq!(request_end(b"GET / HTTP/1.0\r\n"), None);
        assert!(request_end(b"GET / HTTP/1.0\r\n\r\n").is_some());
        assert_eq!(request(b"GET /metrics HTTP/1.1\r\n\r\n"), Ok(Request::Status));
        assert!(request(b"POST / HTTP/1.1\r\n\r\n").is_err());
    }

    #[test]
    fn a_response_tells_its_length() {
        let bytes = response(&Answer::Error("no".to_owned()));
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.starts_with("HTTP/1.0 404 ")
                && text.ends_with("Content-Length: 2\r\nConnection: close\r\n\r\nno")
        );
    }
}
