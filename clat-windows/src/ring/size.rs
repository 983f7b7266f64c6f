//! The ring is as large as the longest pause of the data thread at the rate we promise.

/// Rate that the ring must bridge, in bit/s.
const RATE: u64 = 1_000_000_000;

/// Longest time that the data thread is not scheduled, in microseconds. A Windows client's scheduling quantum is two
/// clock ticks, about 31 ms with the slow clock and 2 ms while anything plays sound; a thread of raised priority waits
/// for a fraction of it.
const PAUSE_US: u64 = 12_000;

/// What Wintun accepts (`WINTUN_MIN_RING_CAPACITY`, `WINTUN_MAX_RING_CAPACITY`).
const LIMITS: std::ops::RangeInclusive<u32> = 0x2_0000..=0x400_0000;

/// Capacity of each of the two rings in bytes: the next power of two that bridges the pause. Wintun commits both rings
/// in this process, so they are most of its memory.
pub const CAPACITY: u32 = capacity(RATE, PAUSE_US);

#[allow(clippy::cast_possible_truncation)]
const fn capacity(bits_per_second: u64, pause_us: u64) -> u32 {
    let bytes = bits_per_second / 8 * pause_us / 1_000_000;
    bytes.next_power_of_two() as u32
}

const _: () = assert!(CAPACITY.is_power_of_two());
const _: () = assert!(CAPACITY >= *LIMITS.start() && CAPACITY <= *LIMITS.end());
const _: () = assert!(CAPACITY as u64 * 8 * 1_000_000 / RATE >= PAUSE_US);
// Two rings and the program itself stay within 8 MiB.
const _: () = assert!(2 * CAPACITY <= 4 << 20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_times_time_rounded_up() {
        assert_eq!(CAPACITY, 2 << 20);
        assert_eq!(capacity(10_000_000_000, 10_000), 16 << 20);
        assert_eq!(capacity(8_000_000, 1_000_000), 1 << 20, "1 MB rounds up");
    }
}
