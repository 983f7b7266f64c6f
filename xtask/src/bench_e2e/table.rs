//! The table.

use super::{Options, Sample, cases::Case};
use std::process::Command;

/// Goal for resident memory under load.
const GOAL_RSS_KIB: u64 = 3072;
/// Goal for the time from exec to the first packet.
const GOAL_START_MS: f64 = 10.0;

/// A case with its rounds: plain IPv6, tayga, ours, and the bare loop where it was asked for.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) case: &'static Case,
    pub(super) rounds: Vec<Vec<Sample>>,
}

/// Resident memory in KiB.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) idle: u64,
    pub(super) loaded: u64,
    pub(super) tayga: u64,
}

/// The middle value.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl Row {
    fn value(&self, peer: usize) -> f64 {
        median(self.rounds.iter().map(|r| r[peer].value)).unwrap_or(f64::NAN)
    }

    /// Median of the ratios of ours to a peer within each round.
    fn ratio(&self, peer: usize) -> f64 {
        median(self.rounds.iter().map(|r| r[2].value / r[peer].value)).unwrap_or(f64::NAN)
    }

    fn cpu_a_gbit(&self, peer: usize) -> Option<f64> {
        median(self.rounds.iter().map(|r| r[peer].cpu / r[peer].gbit))
    }

    fn bare(&self) -> String {
        let cpu = self.cpu_a_gbit(3).map_or_else(String::new, |cpu| format!("; {cpu:.3}"));
        format!(" {:.2}; {:.2}{cpu} |", self.value(3), self.ratio(3))
    }

    fn goal(&self) -> String {
        let mut goals = Vec::new();
        let mut add = |word: &str, goal: f64, is: f64, met: bool| {
            let verdict = if met { "met" } else { "missed" };
            goals.push(format!("{word} {goal}: {verdict} ({is:.3})"));
        };
        if let Some(goal) = self.case.goal_plain {
            add("x plain >=", goal, self.ratio(0), self.ratio(0) >= goal);
        }
        if let Some(goal) = self.case.goal_tayga {
            add("x tayga >=", goal, self.ratio(1), self.ratio(1) >= goal);
        }
        if let (Some(goal), Some(is)) = (self.case.goal_cpu, self.cpu_a_gbit(2)) {
            add("CPU s/Gbit <=", goal, is, is <= goal);
        }
        goals.join("; ")
    }
}

/// Prints everything as Markdown.
pub(super) fn print(rows: &[Row], memory: &Memory, start: (f64, f64), options: &Options) {
    println!("{}", machine());
    println!(
        "\nMedian of {} rounds of {} s, {} queue(s). Columns 2 to 4 are absolute, of this machine at this hour; \
         ratios are medians of the ratios within a round.\n",
        options.rounds, options.seconds, options.queues
    );
    println!(
        "| | plain IPv6 | tayga | ours | ours / plain | ours / tayga | CPU s/Gbit ours (tayga) | goal |{}",
        if options.bare { " bare loop; ours / bare; CPU s/Gbit |" } else { "" }
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |{}", if options.bare { " --- |" } else { "" });
    for row in rows {
        let bare = if options.bare { row.bare() } else { String::new() };
        let cpu = match (row.cpu_a_gbit(2), row.cpu_a_gbit(1)) {
            (Some(ours), Some(tayga)) => format!("{ours:.3} ({tayga:.3})"),
            _ => String::new(),
        };
        println!(
            "| {}, {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {cpu} | {} |{bare}",
            row.case.name,
            row.case.unit,
            row.value(0),
            row.value(1),
            row.value(2),
            row.ratio(0),
            row.ratio(1),
            row.goal()
        );
    }
    let verdict = |met: bool| if met { "met" } else { "missed" };
    println!(
        "\nResident memory: {} KiB idle, {} KiB after load (goal {GOAL_RSS_KIB}: {}); tayga {} KiB.",
        memory.idle,
        memory.loaded,
        verdict(memory.loaded <= GOAL_RSS_KIB),
        memory.tayga
    );
    let (median, fastest) = start;
    println!(
        "From exec to the first echo: {median:.1} ms, the fastest {fastest:.1} ms (goal {GOAL_START_MS}: {}).",
        verdict(median <= GOAL_START_MS)
    );
}

/// Kernel, CPU, load and date.
fn machine() -> String {
    let say = |program: &str, args: &[&str]| {
        let out = Command::new(program).args(args).output().map(|o| o.stdout).unwrap_or_default();
        String::from_utf8_lossy(&out).trim().to_owned()
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{}, Linux {}, {cpus} x {}, load {}",
        say("date", &["--utc", "+%Y-%m-%d %H:%M UTC"]),
        say("uname", &["-r"]),
        model.trim_matches([':', ' ', '\t']),
        load.split_whitespace().next().unwrap_or("unknown")
    )
}
