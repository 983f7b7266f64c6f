//! docs/RFC7915-TRACE.md names tests that exist, and leaves no statement without a test or a reason.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn trace() -> String {
    std::fs::read_to_string(root().join("docs/RFC7915-TRACE.md")).unwrap()
}

/// Rows of the tables: number and the cell that says what holds the statement.
fn rows(text: &str) -> Vec<(String, String)> {
    let cells = text.lines().filter(|l| l.starts_with("| ")).map(|l| {
        let cells: Vec<String> = l.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
        (cells[0].clone(), cells.last().cloned().unwrap_or_default())
    });
    cells.filter(|(number, _)| number.starts_with(|c: char| c.is_ascii_digit())).collect()
}

/// Every `file::test` of a text.
fn named(text: &str) -> BTreeSet<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|q| q.split_once("::")).filter(|(file, _)| !file.contains(' ')).fold(
        BTreeSet::new(),
        |mut set, (file, test)| {
            if file != "file" && !file.starts_with(char::is_uppercase) {
                set.insert((file.to_owned(), test.to_owned()));
            }
            set
        },
    )
}

/// The tests of clat-core/tests, by file: functions right behind a `#[test]`.
fn existing() -> BTreeMap<String, BTreeSet<String>> {
    let dir = std::fs::read_dir(root().join("clat-core/tests")).unwrap();
    let files = dir.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "rs"));
    files
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let tests = text.split("#[test]").skip(1).filter_map(|t| t.trim_start().strip_prefix("fn "));
            let names = tests.filter_map(|t| t.split('(').next()).map(str::to_owned).collect();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), names)
        })
        .collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let existing = existing();
    let named = named(&trace());
    assert!(named.len() > 80, "the document was not read: {} tests", named.len());
    let missing: Vec<String> = named
        .iter()
        .filter(|(file, test)| !existing.get(file).is_some_and(|tests| tests.contains(test)))
        .map(|(file, test)| format!("{file}::{test}"))
        .collect();
    assert!(missing.is_empty(), "named in docs/RFC7915-TRACE.md but not there: {missing:#?}");
}

#[test]
fn every_statement_has_a_test_or_a_reason() {
    let rows = rows(&trace());
    assert!(rows.len() > 100, "the document was not read: {} statements", rows.len());
    for (number, holds) in &rows {
        let reason = ["not a requirement", "not applicable", "elsewhere"].iter().any(|r| holds.contains(r));
        assert!(reason || !named(holds).is_empty(), "{number}: {holds}");
    }
    let numbers: BTreeSet<&String> = rows.iter().map(|(number, _)| number).collect();
    assert_eq!(numbers.len(), rows.len(), "a number twice");
}

/// A table test that no statement refers to is either missing from the document or named after the wrong thing.
#[test]
fn every_table_test_is_referred_to() {
    let named = named(&trace());
    let tables =
        existing().into_iter().filter(|(file, _)| file.starts_with("rfc") || file == "native_source");
    let unnamed: Vec<String> = tables
        .flat_map(|(file, tests)| tests.into_iter().map(move |test| (file.clone(), test)))
        .filter(|pair| !named.contains(pair))
        .map(|(file, test)| format!("{file}::{test}"))
        .collect();
    assert!(unnamed.is_empty(), "not in docs/RFC7915-TRACE.md: {unnamed:#?}");
}
