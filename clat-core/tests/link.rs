//! No panic, no allocation: a release library of everything the no_std crates offer, linked without
//! standard library and allocator, has no symbol of either (`link-test/`).

// It runs cargo, and nm over an archive for this machine.
#![cfg(not(windows))]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn build() -> PathBuf {
    let target = root().join("target").join("link-test");
    let done = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--manifest-path"])
        .arg(root().join("link-test").join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(done.success(), "link-test does not build: something in it needs the standard library");
    target.join("release").join("libclat_link_test.a")
}

#[test]
fn no_symbol_of_a_panic_or_an_allocator() {
    let library = build();
    let Ok(nm) = Command::new("nm").arg(&library).output() else {
        assert!(std::env::var_os("CI").is_none(), "nm is missing: apt-get install binutils");
        eprintln!("NOT RUN: no_symbol_of_a_panic_or_an_allocator needs nm (binutils)");
        return;
    };
    let symbols = String::from_utf8_lossy(&nm.stdout);
    for looked_at in ["clat_everything", "clat_engine_everything"] {
        assert!(symbols.contains(looked_at), "{looked_at} is missing: the library is not the one to look at");
    }
    let forbidden = ["panick", "panic_is_reachable", "slice_index_fail", "unwrap_failed", "expect_failed"];
    let allocators = ["__rust_alloc", "__rdl_alloc", "malloc", "realloc", "calloc"];
    let found: Vec<&str> = symbols
        .lines()
        .filter(|line| forbidden.iter().chain(&allocators).any(|word| line.contains(word)))
        .collect();
    assert!(found.is_empty(), "reachable from a public function:\n{}", found.join("\n"));
}
