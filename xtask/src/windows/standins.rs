//! DLLs for tests under Wine that stand in for what Wine lacks: built from `clat-windows/standins`.
//!
//! A Winelib DLL is an ELF library that may call Linux; Wine finds it through a placeholder beside the program.

use super::toolchain::{self, MINGW, WINEBUILD, WINEGCC};
use crate::process::run;
use crate::workspace::{root, windows_dir};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with the built stand-ins: `*.dll` for beside the program, `so/` for `WINEDLLPATH`.
pub(crate) fn ensure() -> Result<PathBuf> {
    toolchain::require(&[toolchain::BUILD, toolchain::TEST])?;
    let out = windows_dir().join("standins");
    fs::create_dir_all(out.join("so/x86_64-unix"))
        .with_context(|| format!("cannot make {}", out.display()))?;
    winelib(&out, "wintun", &["wintun.c", "ring.c", "contract.c"], &["tun.c"])?;
    Ok(out)
}

/// Compiles one Winelib DLL: `windows` with Wine's headers, `linux` with the system's.
fn winelib(out: &Path, name: &str, windows: &[&str], linux: &[&str]) -> Result<()> {
    let source = root().join("clat-windows/standins").join(name);
    let objects = out.join("objects");
    fs::create_dir_all(&objects)?;
    let mut link = Command::new(WINEGCC);
    link.args(["-m64", "-O2", "-Wall", "-Werror", "-shared", "-fshort-wchar", "-o"])
        .arg(out.join("so/x86_64-unix").join(format!("{name}.dll.so")))
        .args(windows.iter().map(|f| source.join(f)));
    for file in linux {
        let object = objects.join(file).with_extension("o");
        run(Command::new("cc")
            .args(["-O2", "-Wall", "-Werror", "-fPIC", "-c", "-o"])
            .arg(&object)
            .arg(source.join(file)))?;
        link.arg(object);
    }
    let spec = source.join(format!("{name}.spec"));
    run(link.arg(&spec))?;
    run(Command::new(WINEBUILD)
        .args(["--fake-module", "-m64", "--dll", "-E"])
        .arg(&spec)
        .arg("-o")
        .arg(out.join("so/x86_64-unix").join(format!("{name}.dll"))))
}
