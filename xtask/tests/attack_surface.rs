//! Every row of docs/ATTACK-SURFACE.md names tests, and they exist.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_path_buf()
}

/// The last cell of each row of a table, headings left out.
fn last_cells(text: &str) -> Vec<&str> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| attacker"));
    rows.filter_map(|row| row.trim_end_matches(" |").rsplit("| ").next()).collect()
}

/// `path::test` or the path of a fuzz target: whether it is there.
fn exists(name: &str) -> bool {
    let (path, test) = name.split_once("::").unwrap_or((name, ""));
    let Ok(text) = std::fs::read_to_string(root().join(path)) else { return false };
    if test.is_empty() {
        return path.starts_with("fuzz/fuzz_targets/");
    }
    let behind_the_mark = text.split("#[test]").skip(1);
    behind_the_mark
        .filter_map(|rest| rest.split_once("fn ")?.1.split(['(', '<']).next())
        .any(|name| name == test)
}

#[test]
fn every_row_names_tests_that_exist() {
    let text = std::fs::read_to_string(root().join("docs/ATTACK-SURFACE.md")).expect("the document");
    let cells = last_cells(&text);
    assert!(cells.len() >= 20, "the document was not read: {} rows", cells.len());
    for cell in cells {
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "a row without a test: {cell}");
        for name in names {
            assert!(exists(name), "docs/ATTACK-SURFACE.md names {name}, which is not there");
        }
    }
}
