//! The log of a service goes to the event log.

use clat_windows::eventlog::{EventLog, Grade};
use std::fmt::Write;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// A layer that writes warnings, errors and changes of state to the event log.
#[derive(Debug)]
pub(crate) struct EventLogLayer(EventLog);

impl EventLogLayer {
    /// The layer, where this process is the service.
    pub(crate) fn for_service() -> Option<Self> {
        clat_windows::service::is_service().then(EventLog::open)?.ok().map(Self)
    }
}

impl<S: Subscriber> Layer<S> for EventLogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let grade = match *event.metadata().level() {
            Level::ERROR => Grade::Error,
            Level::WARN => Grade::Warning,
            Level::INFO => Grade::Information,
            _ => return,
        };
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.write(grade, &text.0);
    }
}

/// The message, then the other fields.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
