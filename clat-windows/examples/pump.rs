//! The data path alone: `pump NAME PREF64 CLAT_V4 CLAT_V6`. Opens the adapter, translates until standard input ends.

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use clat_core::{ClatMap, Policy, Translator};
    use clat_windows::data::DataPath;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, pref64, v4, v6] = words.as_slice() else {
        return Err("pump NAME PREF64 CLAT_V4 CLAT_V6".into());
    };
    let data = DataPath::open(name, || eprintln!("the adapter is gone"))?;
    data.set_translator(Some(Translator::new(
        ClatMap::host(pref64.parse()?, v4.parse()?, v6.parse()?),
        Policy::new(),
    )));
    println!("ready on {name}");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    println!("{:?}", data.counters());
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows (or Wine: cargo xtask windows)");
}
