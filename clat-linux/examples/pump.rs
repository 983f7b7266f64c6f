//! The data path and nothing else: `pump TUN PREF64 CLAT-V4 CLAT-V6 [QUEUES]`. Addresses and routes are
//! the caller's. Ends, and prints what it counted, when its standard input does.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(target_os = "linux")]
    linux::main()?;
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use clat_core::{ClatMap, EamRow, EamTable, Policy, Translator};
    use clat_linux::device::{OffloadRequest, Tun};
    use clat_linux::pump::Pump;
    use clat_linux::shared::SharedTranslator;
    use std::io::Read;

    pub(super) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let [tun, pref64, v4, v6, rest @ ..] = args.as_slice() else {
            return Err("usage: pump TUN PREF64 CLAT-V4 CLAT-V6 [QUEUES]".into());
        };
        let queues = rest.first().map_or(Ok(1), |n| n.parse())?;
        let mut local = EamTable::new();
        local.insert(EamRow::host(v4.parse()?, v6.parse()?)).map_err(|e| e.to_string())?;
        let map = ClatMap::from_parts(pref64.parse().map_err(|_| "no PREF64")?, local);
        let tun = Tun::open(tun, queues, OffloadRequest::Best)?;
        eprintln!("{} is open, offload: {}", tun.name(), tun.features());
        let shared = SharedTranslator::new(Some(Translator::new(map, Policy::new())));
        let pump = Pump::spawn(tun.into_queues(), &shared)?;
        std::io::stdin().read_to_end(&mut Vec::new())?;
        eprintln!("{:#?}", pump.counters().totals());
        for dropped in pump.counters().last_drops() {
            eprintln!("dropped, {}: {dropped}", dropped.reason());
        }
        Ok(pump.stop()?)
    }
}
