//! The switches under `/proc/sys/net`, and writes to them that can be taken back.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

/// A switch of the kernel's network configuration, in the network namespace of the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    /// `net.ipv6.conf.*.forwarding`
    Forwarding,
    /// `net.ipv6.conf.*.force_forwarding` (Linux 6.17): one interface forwards without all the others.
    ForceForwarding,
    /// `net.ipv6.conf.*.accept_ra`: 0 never, 1 unless forwarding, 2 always.
    AcceptRa,
    /// `net.ipv6.conf.*.proxy_ndp`
    ProxyNdp,
    /// `net.ipv6.conf.*.disable_ipv6`: some administrators set it for all interfaces to come.
    DisableIpv6,
    /// `net.ipv6.conf.*.optimistic_dad`: RFC 4429 for addresses that ask for it.
    OptimisticDad,
    /// `net.ipv6.neigh.*.proxy_delay`, in hundredths of a second: how long a proxied answer is held back.
    ProxyDelay,
}

impl Switch {
    const ALL: [Self; 7] = [
        Self::Forwarding,
        Self::ForceForwarding,
        Self::AcceptRa,
        Self::ProxyNdp,
        Self::DisableIpv6,
        Self::OptimisticDad,
        Self::ProxyDelay,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Forwarding => "forwarding",
            Self::ForceForwarding => "force_forwarding",
            Self::AcceptRa => "accept_ra",
            Self::ProxyNdp => "proxy_ndp",
            Self::DisableIpv6 => "disable_ipv6",
            Self::OptimisticDad => "optimistic_dad",
            Self::ProxyDelay => "proxy_delay",
        }
    }

    const fn table(self) -> &'static str {
        match self {
            Self::ProxyDelay => "neigh",
            Self::Forwarding
            | Self::ForceForwarding
            | Self::AcceptRa
            | Self::ProxyNdp
            | Self::DisableIpv6
            | Self::OptimisticDad => "conf",
        }
    }
}

/// Whose switch it is. An interface goes by its index, for its name may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `all`: the network namespace.
    All,
    /// `default`: interfaces to come.
    Default,
    /// One interface.
    Link(u32),
}

/// When a [`Write`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Written by the step, taken back by its undo.
    Lasting,
    /// Written by the step and taken back when the step's other writes are done.
    Meanwhile,
    /// Never written by the step: what another write of the step overwrites by the way, put back by the undo.
    Aftermath,
}

/// One write to a switch with the value before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) scope: Scope,
    pub(crate) switch: Switch,
    pub(crate) when: When,
    pub(crate) old: u32,
    pub(crate) new: u32,
}

/// A switch that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{switch}: {error}")]
pub(crate) struct Failed {
    /// Its name, as `sysctl` has it.
    pub(crate) switch: String,
    pub(crate) error: io::Error,
}

impl Failed {
    pub(crate) fn is_gone(&self) -> bool {
        self.error.kind() == io::ErrorKind::NotFound
    }
}

impl Write {
    /// Writes the new value. What only makes things better may refuse.
    fn apply(&self, names: &dyn Names) -> Result<(), Failed> {
        match write(names, self.scope, self.switch, self.new) {
            Err(_) if self.is_optional() => Ok(()),
            outcome => outcome,
        }
    }

    /// Whether the step is of use without it: time is saved, or, with `all.proxy_ndp`, routers are spared the
    /// detour of asking the group again.
    fn is_optional(&self) -> bool {
        matches!(self.switch, Switch::OptimisticDad | Switch::ProxyDelay)
            || (self.scope, self.switch) == (Scope::All, Switch::ProxyNdp)
    }

    /// Takes the write back, unless somebody changed the value in between. `true` where it was written.
    fn undo(&self, names: &dyn Names) -> Result<bool, Failed> {
        match read(names, self.scope, self.switch) {
            Ok(found) if found == self.new => write(names, self.scope, self.switch, self.old).map(|()| true),
            Ok(_) => Ok(false),
            Err(failed) if failed.is_gone() => Ok(false),
            Err(failed) => Err(failed),
        }
    }
}

/// Writes all of them in order; those for the meantime are taken back at the end, whatever happened.
pub(crate) fn apply(names: &dyn Names, writes: &[Write]) -> Result<(), Failed> {
    apply_around(names, writes, || ())
}

/// The same, with something done while those for the meantime hold. It is not done where a write fails.
pub(crate) fn apply_around<T>(
    names: &dyn Names,
    writes: &[Write],
    work: impl FnOnce() -> T,
) -> Result<T, Failed> {
    let mut to_write = writes.iter().filter(|w| w.when != When::Aftermath);
    let outcome = to_write.try_for_each(|w| w.apply(names)).map(|()| work());
    let mut to_restore = writes.iter().rev().filter(|w| w.when == When::Meanwhile);
    let restored = to_restore.try_for_each(|w| w.undo(names).map(|_| ()));
    restored.and(outcome)
}

/// Takes all of them back in reverse, as far as they are still as written. `true` where anything was.
pub(crate) fn undo(names: &dyn Names, writes: &[Write]) -> Result<bool, Failed> {
    let mut any = false;
    let mut outcome = Ok(());
    for w in writes.iter().rev() {
        match w.undo(names) {
            Ok(written) => any |= written,
            Err(failed) => outcome = Err(failed),
        }
    }
    outcome.map(|()| any)
}

/// Names of interfaces by index.
pub(crate) trait Names {
    /// `None` where there is no such interface.
    fn name(&self, index: u32) -> Option<String>;
}

pub(crate) fn read(names: &dyn Names, scope: Scope, switch: Switch) -> Result<u32, Failed> {
    at(names, scope, switch, |path| {
        let text = fs::read_to_string(path)?;
        text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
    })
}

fn write(names: &dyn Names, scope: Scope, switch: Switch, value: u32) -> Result<(), Failed> {
    at(names, scope, switch, |path| fs::write(path, value.to_string()))
}

fn at<T>(
    names: &dyn Names,
    scope: Scope,
    switch: Switch,
    work: impl FnOnce(PathBuf) -> io::Result<T>,
) -> Result<T, Failed> {
    let link = match scope {
        Scope::All => Some("all".to_owned()),
        Scope::Default => Some("default".to_owned()),
        Scope::Link(index) => names.name(index),
    };
    let (table, switch) = (switch.table(), switch.name());
    let name = |link: &str| format!("net.ipv6.{table}.{link}.{switch}");
    let Some(link) = link else {
        return Err(Failed { switch: name("?"), error: io::ErrorKind::NotFound.into() });
    };
    let path = ["/proc/sys/net/ipv6", table, &link, switch].iter().collect();
    work(path).map_err(|error| Failed { switch: name(&link), error })
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.when {
            When::Lasting => '=',
            When::Meanwhile => '^',
            When::Aftermath => '~',
        };
        match self.scope {
            Scope::All => f.write_str("all")?,
            Scope::Default => f.write_str("default")?,
            Scope::Link(index) => write!(f, "{index}")?,
        }
        write!(f, ".{}{when}{}>{}", self.switch.name(), self.old, self.new)
    }
}

impl FromStr for Write {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (scope, rest) = text.split_once('.').ok_or(())?;
        let at = rest.find(['=', '^', '~']).ok_or(())?;
        let (name, rest) = rest.split_at_checked(at).ok_or(())?;
        let mut rest = rest.chars();
        let when = match rest.next() {
            Some('=') => When::Lasting,
            Some('^') => When::Meanwhile,
            _ => When::Aftermath,
        };
        let (old, new) = rest.as_str().split_once('>').ok_or(())?;
        let scope = match scope {
            "all" => Scope::All,
            "default" => Scope::Default,
            index => Scope::Link(index.parse().map_err(|_| ())?),
        };
        let switch = Switch::ALL.into_iter().find(|switch| switch.name() == name).ok_or(())?;
        Ok(Self { scope, switch, when, old: old.parse().map_err(|_| ())?, new: new.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_has_one_text_and_returns_from_it() {
        for text in [
            "all.forwarding=0>1",
            "default.forwarding~1>0",
            "7.accept_ra^1>2",
            "3.proxy_delay=80>0",
            "3.force_forwarding=0>1",
        ] {
            assert_eq!(text.parse::<Write>().unwrap().to_string(), text);
        }
        for text in
            ["", "all", "all.forwarding", "x.forwarding=0>1", "1.mtu=0>1", "1.accept_ra=1", "1.accept_ra=>"]
        {
            assert!(text.parse::<Write>().is_err(), "{text}");
        }
    }
}
