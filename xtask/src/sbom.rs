//! `cargo xtask sbom`: what each program is made of, as a CycloneDX 1.5 document.
//!
//! Written from `cargo metadata`, without a date or a random number: the same sources give the same bytes.
//! cargo-cyclonedx writes one document a workspace member, for all systems together; a package is for one
//! system, and names a DLL that is no crate.

use crate::shipped::{self, Crate, TARGETS};
use crate::workspace;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write the documents to this folder [default: target/sbom]
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = options.out.clone().unwrap_or_else(|| workspace::root().join("target").join("sbom"));
    for target in TARGETS {
        println!("{}", write(target, &folder)?.display());
    }
    Ok(())
}

/// Writes the document of one system into the folder.
pub(crate) fn write(target: &str, folder: &Path) -> Result<PathBuf> {
    let crates = shipped::crates(target)?;
    let checksums = checksums()?;
    let root = crates.iter().find(|(_, c)| c.name == "clat-cli").context("no clat-cli")?;
    let others = crates.iter().filter(|(id, _)| *id != root.0);
    let mut components: Vec<Value> = others.map(|(_, c)| component(c, &checksums)).collect();
    if target.contains("windows") {
        components.push(wintun(target)?);
    }
    let reference = |id: &String| crates.get(id).map(reference);
    let dependencies: Vec<Value> = crates
        .values()
        .map(|c| {
            let needs: Vec<String> = c.needs.iter().filter_map(reference).collect();
            json!({ "ref": self::reference(c), "dependsOn": needs })
        })
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": { "type": "application", "name": "clat-cli", "version": root.1.version,
                "bom-ref": self::reference(root.1), "licenses": [{ "expression": root.1.licence }] },
            "properties": [{ "name": "cdx:rustc:target", "value": target }],
        },
        "components": components,
        "dependencies": dependencies,
    });
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(format!("clat-{}-{target}.cdx.json", workspace::version()));
    std::fs::write(&path, serde_json::to_string_pretty(&document)? + "\n")?;
    Ok(path)
}

fn reference(c: &Crate) -> String {
    format!("pkg:cargo/{}@{}", c.name, c.version)
}

fn component(c: &Crate, checksums: &BTreeMap<(String, String), String>) -> Value {
    let mut value = json!({
        "type": "library",
        "bom-ref": reference(c),
        "name": c.name,
        "version": c.version,
        "description": c.description,
        // What only helps to build the program is not in it.
        "scope": if c.is_linked { "required" } else { "excluded" },
        "purl": reference(c),
        // The old way to write a choice of licences.
        "licenses": [{ "expression": c.licence.replace('/', " OR ") }],
    });
    if let Some(sum) = checksums.get(&(c.name.clone(), c.version.clone())) {
        value["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    value
}

/// The DLL that the package holds beside the program.
fn wintun(target: &str) -> Result<Value> {
    let processor = target.split('-').next().unwrap_or_default();
    let digest = clat_windows::dll::expected_sha256(processor).context("no wintun.dll for this processor")?;
    Ok(json!({
        "type": "library",
        "bom-ref": "wintun.dll",
        "name": "wintun.dll",
        "version": "0.14.1",
        "supplier": { "name": "WireGuard LLC" },
        "scope": "required",
        "hashes": [{ "alg": "SHA-256", "content": digest }],
        "licenses": [{ "license": { "name": "Wintun Prebuilt Binaries License" } }],
    }))
}

/// The SHA-256 of each crate as Cargo.lock holds it.
fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let text = std::fs::read_to_string(workspace::root().join("Cargo.lock")).context("Cargo.lock")?;
    let field = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let blocks = text.split("[[package]]");
    Ok(blocks
        .filter_map(|b| Some(((field(b, "name")?, field(b, "version")?), field(b, "checksum")?)))
        .collect())
}
