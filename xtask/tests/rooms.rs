//! Dependencies point one way: core <- engine <- platform <- cli.

use serde_json::Value;
use std::process::Command;

/// What each room of the program may depend on, of the rooms of the workspace.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("clat-core", &[]),
    ("clat-engine", &["clat-core"]),
    ("clat-offload", &["clat-core"]),
    ("clat-linux", &["clat-core", "clat-engine", "clat-offload"]),
    ("clat-windows", &["clat-core", "clat-engine", "clat-offload"]),
    ("clat-cli", &["clat-core", "clat-engine", "clat-offload", "clat-linux", "clat-windows", "clat-sim"]),
];

fn packages() -> Vec<Value> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    for (room, allowed) in ALLOWED {
        let package = packages.iter().find(|p| p["name"] == room).unwrap_or_else(|| panic!("no room {room}"));
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        for dependency in dependencies.iter().filter(|d| d["kind"].is_null() && !d["path"].is_null()) {
            let name = dependency["name"].as_str().expect("a name");
            assert!(allowed.contains(&name), "{room} must not depend on {name}");
        }
    }
}
