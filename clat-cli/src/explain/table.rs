//! Two packets side by side, as text.

use super::rules::{Kind, Rules};
use crate::dissect::Field;
use crate::dissect::slot::Slot;
use std::fmt::Write;

/// A field in both packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    depth: u8,
    slot: Slot,
    before: Option<String>,
    after: Option<String>,
    rule: String,
}

impl Row {
    fn label(&self) -> String {
        label(self.depth, self.slot)
    }

    fn has_changed(&self) -> bool {
        self.before != self.after
    }
}

/// Colours, on a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    enabled: bool,
}

impl Paint {
    /// Colours or none.
    pub(crate) const fn new(enabled: bool) -> Self {
        Self { enabled }
    }

    /// A heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What is not as it was.
    pub(crate) fn changed(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// What is only said by the way.
    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.enabled { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Brings the fields of both packets together.
pub(super) fn align<const N: usize>(before: &[Field], after: &[Field], rules: &Rules<'_, N>) -> Vec<Row> {
    let mut places: Vec<(u8, Slot)> = before.iter().chain(after).map(|f| (f.depth, f.slot)).collect();
    places.sort_unstable();
    places.dedup();
    let value = |fields: &[Field], (depth, slot)| {
        fields.iter().find(|f| (f.depth, f.slot) == (depth, slot)).map(|f| f.value.clone())
    };
    let kind = kind_of(before, after);
    let row = |place: (u8, Slot)| {
        let (before, after) = (value(before, place), value(after, place));
        let rule = if before == after {
            String::new()
        } else {
            rules.of(place.1, place.0, before.as_deref().unwrap_or_default(), kind)
        };
        Row { depth: place.0, slot: place.1, before, after, rule }
    };
    places.into_iter().map(row).collect()
}

fn kind_of(before: &[Field], after: &[Field]) -> Kind {
    let mut outer = before.iter().chain(after).filter(|f| f.depth == 0);
    let fragment = outer.clone().any(|f| f.slot == Slot::Options && f.value.contains("fragment"));
    Kind { fragment, icmp: outer.any(|f| f.slot == Slot::IcmpType) }
}

/// The rows as a table; what has changed is marked.
pub(super) fn render(rows: &[Row], heads: [&str; 2], paint: Paint) -> String {
    const NONE: &str = "-";
    let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
    let width = |of: &dyn Fn(&Row) -> usize, least: usize| rows.iter().map(of).max().unwrap_or(0).max(least);
    let first = width(&|r| r.label().len(), 5);
    let second = width(&|r| cell(&r.before).len(), heads[0].len());
    let third = width(&|r| cell(&r.after).len(), heads[1].len());
    let head = format!("  {:first$}  {:second$}  {:third$}  {}", "field", heads[0], heads[1], "rule");
    let mut text = paint.faint(&head) + "\n";
    for row in rows {
        let mark = if row.has_changed() { '*' } else { ' ' };
        let label = row.label();
        let (before, after) = (cell(&row.before), format!("{:third$}", cell(&row.after)));
        let after = if row.has_changed() { paint.changed(&after) } else { after };
        let rule = paint.faint(&row.rule);
        let line = format!("{mark} {label:first$}  {before:second$}  {after}  {rule}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The fields of one packet.
pub(super) fn render_single(fields: &[Field], paint: Paint) -> String {
    let labels: Vec<String> = fields.iter().map(|f| label(f.depth, f.slot)).collect();
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (label, field) in labels.iter().zip(fields) {
        let label = paint.faint(&format!("{label:width$}"));
        let _ = writeln!(text, "  {label}  {}", field.value);
    }
    text
}

/// Fields of a quoted packet stand behind a `>`.
fn label(depth: u8, slot: Slot) -> String {
    format!("{}{}", "> ".repeat(depth.into()), slot.label())
}
