//! The Internet checksum (RFC 1071), to say whether one is right.

/// One's complement sum of 16-bit words; an odd last byte is padded with zero.
pub(super) fn sum(parts: &[&[u8]]) -> u16 {
    let bytes: Vec<u8> = parts.concat();
    let mut total: u64 = bytes
        .chunks(2)
        .map(|pair| (u64::from(pair[0]) << 8) | u64::from(pair.get(1).copied().unwrap_or_default()))
        .sum();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap_or(u16::MAX)
}

/// The checksum with a judgement. `parts` include the field itself.
pub(super) fn judge(field: u16, parts: Option<&[&[u8]]>) -> String {
    match parts {
        None => format!("0x{field:04x}"),
        Some(parts) if sum(parts) == 0xffff => format!("0x{field:04x} right"),
        Some(_) => format!("0x{field:04x} WRONG"),
    }
}
