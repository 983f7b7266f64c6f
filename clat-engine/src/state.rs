//! The five states.

/// Where the engine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing to do or nothing that may be done: no uplink, native IPv4, another CLAT, stopped.
    #[default]
    Idle,
    /// There is an uplink, and no PREF64 or no prefix for an address yet.
    Discovering,
    /// The CLAT address is being claimed and the host is being changed.
    Claiming,
    /// Translating.
    Active,
    /// What translation rests on went away; the IPv4 route is withdrawn, the rest waits for it to return.
    Stale,
}

impl State {
    /// The name in `status --json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Discovering => "discovering",
            Self::Claiming => "claiming",
            Self::Active => "active",
            Self::Stale => "stale",
        }
    }
}

impl core::fmt::Display for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}
