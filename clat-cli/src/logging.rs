//! The log on standard error.
//!
//! Levels: ERROR - translation cannot go on; WARN - it goes on with a loss, or somebody should look;
//! INFO - changes of state, a few lines a day; DEBUG - each input and each change to the host;
//! TRACE - single packets.

use crate::exit::usage;
use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts the log. `filter` is a level, or `module=level` pairs with commas.
pub(crate) fn start(filter: Option<&str>) -> anyhow::Result<()> {
    let targets = parse(filter.unwrap_or("info"))?;
    // The journal of systemd adds time and level itself.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let layer = if journal { layer.without_time().boxed() } else { layer.boxed() };
    // A second start (a test, a reload) keeps the first.
    #[cfg(windows)]
    let layer = layer.and_then(crate::platform::windows::eventlog::EventLogLayer::for_service());
    let _ = tracing_subscriber::registry().with(layer).with(targets).try_init();
    Ok(())
}

fn parse(filter: &str) -> anyhow::Result<Targets> {
    if let Ok(level) = filter.parse::<LevelFilter>()
        && !filter.is_empty()
    {
        return Ok(Targets::new().with_default(level));
    }
    // A bare word would be a module at its loudest, and everything else silent: a level written wrongly.
    let known = |part: &str| part.contains('=') || !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let targets = filter.parse().ok().filter(|_| filter.split(',').all(known));
    targets.ok_or_else(|| {
        usage(format!("log filter {filter:?}: write error, warn, info, debug, trace, or module=level pairs"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_pairs_are_taken_and_nonsense_is_not() {
        for good in ["error", "INFO", "trace", "warn,clat_linux=debug", "off"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["warn,clat_linux=loud", "debgu", "verbose", "clat_linux", "warn,clat_linux", ""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
