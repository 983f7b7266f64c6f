//! What the program is made of: the crates that end up in it, and those that only help to build it.

use crate::{process, workspace};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The systems that packages are made for.
pub(crate) const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-gnu"];

/// A crate in the dependency tree of `clat-cli`.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: String,
    pub(crate) description: String,
    /// Ours: a room of this workspace.
    pub(crate) is_room: bool,
    /// Its code is in the program; otherwise it runs while the program is built.
    pub(crate) is_linked: bool,
    /// What it names as its own dependencies, as identifiers of this tree.
    pub(crate) needs: Vec<String>,
}

/// All crates of the program for one system, by cargo's identifier.
pub(crate) fn crates(target: &str) -> Result<BTreeMap<String, Crate>> {
    let mut cargo = Command::new(workspace::cargo());
    cargo.current_dir(workspace::root());
    cargo.args(["metadata", "--format-version=1", "--locked", "--filter-platform", target]);
    let metadata: Value = serde_json::from_str(&process::output(&mut cargo)?).context("cargo metadata")?;
    let packages = by_id(&metadata["packages"])?;
    let nodes = by_id(&metadata["resolve"]["nodes"])?;
    let root = packages.iter().find(|(_, p)| p["name"] == "clat-cli").context("no clat-cli")?.0;
    let linked = reachable(root, &nodes, &packages, Reach::Linked);
    let all = reachable(root, &nodes, &packages, Reach::Everything);
    Ok(all
        .iter()
        .map(|id| {
            let text = |key: &str| packages[id][key].as_str().unwrap_or_default().to_owned();
            let needs = edges(nodes[id], Reach::Everything).map(str::to_owned).collect();
            let found = Crate {
                name: text("name"),
                version: text("version"),
                licence: text("license"),
                description: text("description"),
                is_room: packages[id]["source"].is_null(),
                is_linked: linked.contains(id),
                needs,
            };
            ((*id).to_owned(), found)
        })
        .collect())
}

fn by_id(list: &Value) -> Result<BTreeMap<&str, &Value>> {
    let list = list.as_array().context("cargo metadata has no such list")?;
    Ok(list.iter().filter_map(|entry| Some((entry["id"].as_str()?, entry))).collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Through normal dependencies, and not into procedural macros.
    Linked,
    /// Through build dependencies as well.
    Everything,
}

fn reachable<'m>(
    root: &'m str,
    nodes: &BTreeMap<&'m str, &'m Value>,
    packages: &BTreeMap<&'m str, &'m Value>,
    reach: Reach,
) -> BTreeSet<&'m str> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(id) = open.pop() {
        if (reach == Reach::Linked && is_macro(packages[id])) || !seen.insert(id) {
            continue;
        }
        open.extend(edges(nodes[id], reach));
    }
    seen
}

fn edges(node: &Value, reach: Reach) -> impl Iterator<Item = &str> {
    let wanted = move |kind: &Value| match kind["kind"].as_str() {
        None => true,
        Some("build") => reach == Reach::Everything,
        Some(_) => false,
    };
    let all = node["deps"].as_array().into_iter().flatten();
    all.filter(move |dep| dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(wanted)))
        .filter_map(|dep| dep["pkg"].as_str())
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    targets.flat_map(|target| target["kind"].as_array()).flatten().any(|kind| kind == "proc-macro")
}
