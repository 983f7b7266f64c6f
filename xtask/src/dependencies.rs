//! `cargo xtask dependencies`: the crates in the program are those of `xtask/dependencies.txt`, and no more.
//!
//! A crate that comes with an update is seen in review, since this file has to change with it.

use crate::shipped::{self, TARGETS};
use crate::workspace;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::collections::BTreeSet;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write the list as it is; say in the commit why a crate came
    #[arg(long)]
    save: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let path = workspace::root().join("xtask").join("dependencies.txt");
    let mut lines = BTreeSet::new();
    for target in TARGETS {
        let crates = shipped::crates(target)?;
        let foreign = crates.values().filter(|c| !c.is_room && c.is_linked);
        let names: BTreeSet<String> = foreign.map(|c| format!("{target} {}", c.name)).collect();
        let helpers = crates.values().filter(|c| !c.is_room && !c.is_linked).count();
        println!("{target}: {} crates of others in the program, {helpers} to build it", names.len());
        lines.extend(names);
    }
    if options.save {
        let text = lines.iter().fold(String::new(), |text, line| text + line + "\n");
        std::fs::write(&path, text)?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let known: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let new: Vec<&String> = lines.difference(&known).collect();
    let gone: Vec<&String> = known.difference(&lines).collect();
    ensure!(
        new.is_empty() && gone.is_empty(),
        "the crates in the program are not those of {}: new {new:?}, gone {gone:?}. `cargo xtask dependencies \
         --save`, and say in the commit why",
        path.display()
    );
    Ok(())
}
