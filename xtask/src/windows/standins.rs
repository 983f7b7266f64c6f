//! DLLs for tests under Wine that stand in for what Wine lacks: built from `clat-windows/standins`.
//!
//! A Winelib DLL is an ELF library that may call Linux; Wine finds it through a placeholder beside the program.

use super::toolchain::{self, MINGW, WINEBUILD, WINEGCC};
use crate::process::{output, run};
use crate::workspace::{root, windows_dir};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Wine keeps the DLLs that are Windows programs.
const WINE_DLLS: &str = "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows";

/// Reads the tables of a DLL.
const OBJDUMP: &str = "x86_64-w64-mingw32-objdump";

/// Makes import libraries.
const DLLTOOL: &str = "x86_64-w64-mingw32-dlltool";

/// The copy of Wine's own iphlpapi.dll that the stand-in passes calls on to.
const WINES_OWN: &str = "iphlpap0";

/// The folder with the built stand-ins: `*.dll` for beside the program, `so/` for `WINEDLLPATH`.
pub(crate) fn ensure() -> Result<PathBuf> {
    toolchain::require(&[toolchain::BUILD, toolchain::TEST])?;
    let out = windows_dir().join("standins");
    fs::create_dir_all(out.join("so/x86_64-unix"))
        .with_context(|| format!("cannot make {}", out.display()))?;
    winelib(&out, "wintun", &["wintun.c", "ring.c", "contract.c"], &["tun.c"])?;
    winelib(&out, "clatlinux", &["clatlinux.c"], &["linux.c"])?;
    winelib(&out, "clatwire", &["clatwire.c"], &["wire.c"])?;
    iphlpapi(&out)?;
    wpcap(&out)?;
    Ok(out)
}

/// Compiles the stand-in for iphlpapi.dll: a Windows DLL that defines what Wine lacks and forwards the rest.
fn iphlpapi(out: &Path) -> Result<()> {
    let source = root().join("clat-windows/standins/iphlpapi");
    let wines = Path::new(WINE_DLLS).join("iphlpapi.dll");
    fs::copy(&wines, out.join(format!("{WINES_OWN}.dll"))).context("Wine has no iphlpapi.dll")?;
    let ours = own_functions(&source)?;
    let mut exports: String = ours.iter().map(|name| format!("{name}=x{name}\n")).collect();
    let tables = output(Command::new(OBJDUMP).arg("-p").arg(&wines))?;
    for name in exported(&tables).filter(|name| !ours.iter().any(|o| o == name)) {
        exports.push_str(&format!("{name}={WINES_OWN}.{name}\n"));
    }
    let objects = out.join("objects");
    let def = objects.join("iphlpapi.def");
    fs::write(&def, format!("LIBRARY iphlpapi\nEXPORTS\n{exports}"))?;
    let wine_part = "ConvertInterfaceIndexToLuid\nConvertInterfaceLuidToAlias\nConvertInterfaceLuidToIndex\n\
                     ConvertInterfaceAliasToLuid\nwine_GetIpForwardTable2==GetIpForwardTable2\n";
    import_library(&objects, WINES_OWN, wine_part)?;
    import_library(&objects, "clatlinux", "linux_run\nlinux_wait_change\n")?;
    run(Command::new(MINGW)
        .args(["-O2", "-Wall", "-shared", "-o"])
        .arg(out.join("iphlpapi.dll"))
        .args(["common.c", "interface.c", "address.c", "route.c", "notify.c"].map(|f| source.join(f)))
        .arg(&def)
        .arg("-L")
        .arg(&objects)
        .args([&format!("-l{WINES_OWN}"), "-lclatlinux"]))
}

/// Compiles the stand-in for Npcap's wpcap.dll: a Windows DLL, since Wine has one of its own that would go first.
fn wpcap(out: &Path) -> Result<()> {
    let objects = out.join("objects");
    let calls = ["open", "close", "ethernet", "filter", "next", "send", "readable", "name", "log"];
    import_library(&objects, "clatwire", &calls.map(|c| format!("wire_{c}\n")).concat())?;
    run(Command::new(MINGW)
        .args(["-O2", "-Wall", "-Werror", "-shared", "-o"])
        .arg(out.join("wpcap.dll"))
        .arg(root().join("clat-windows/standins/wpcap/wpcap.c"))
        .arg("-L")
        .arg(&objects)
        .arg("-lclatwire"))
}

/// The functions that the stand-in defines: `xNAME` for NAME.
fn own_functions(source: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(source)? {
        let text = fs::read_to_string(entry?.path())?;
        let names =
            text.lines().filter_map(|l| l.split_once("WINAPI x")).filter_map(|(_, l)| l.split_once('('));
        found.extend(names.map(|(name, _)| name.to_owned()));
    }
    Ok(found)
}

/// The names in objdump's listing of an export table.
fn exported(tables: &str) -> impl Iterator<Item = &str> {
    let names = tables.lines().skip_while(|l| !l.contains("Ordinal/Name Pointer")).skip(1);
    names.take_while(|l| !l.trim().is_empty()).filter_map(|l| l.split_whitespace().last())
}

fn import_library(objects: &Path, dll: &str, exports: &str) -> Result<()> {
    let def = objects.join(format!("{dll}.def"));
    fs::write(&def, format!("LIBRARY {dll}.dll\nEXPORTS\n{exports}"))?;
    run(Command::new(DLLTOOL).arg("-d").arg(&def).arg("-l").arg(objects.join(format!("lib{dll}.a"))))
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
