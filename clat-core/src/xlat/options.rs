//! IPv4 options: all are left out (RFC 7915 section 4.1), but a source route that is not used up
//! cannot be followed.

use super::refusal::{Answer, Refusal};
use crate::DropReason;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// Walks the options of a header.
pub(super) fn check(mut options: &[u8]) -> Result<(), Refusal> {
    while let [kind, rest @ ..] = options {
        options = match *kind {
            END => return Ok(()),
            NO_OPERATION => rest,
            _ => {
                let len = rest.first().map_or(0, |len| usize::from(*len));
                if len < 2 {
                    return Err(DropReason::BadOption.into());
                }
                let (option, rest) = options.split_at_checked(len).ok_or(DropReason::BadOption)?;
                check_route(option)?;
                rest
            }
        };
    }
    Ok(())
}

/// RFC 791: the pointer is greater than the length when the route is used up.
fn check_route(option: &[u8]) -> Result<(), Refusal> {
    let [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, len, rest @ ..] = option else { return Ok(()) };
    let pointer = rest.first().ok_or(DropReason::BadOption)?;
    if pointer <= len {
        return Err(Refusal::new(DropReason::SourceRoute, Answer::SourceRouteFailed));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(options: &[u8]) -> Option<DropReason> {
        check(options).err().map(|r| r.reason)
    }

    #[test]
    fn rfc7915_section_4_1_unexpired_source_routes_are_refused() {
        for kind in [LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE] {
            assert_eq!(reason(&[kind, 7, 4, 192, 0, 2, 9, 0]), Some(DropReason::SourceRoute));
            assert_eq!(reason(&[kind, 7, 7, 192, 0, 2, 9, 0]), Some(DropReason::SourceRoute));
            assert_eq!(reason(&[kind, 7, 8, 192, 0, 2, 9, 0]), None, "used up");
            assert_eq!(reason(&[NO_OPERATION, kind, 7, 4, 192, 0, 2, 9]), Some(DropReason::SourceRoute));
            assert_eq!(reason(&[END, kind, 7, 4, 192, 0, 2, 9]), None, "behind the end");
        }
    }

    #[test]
    fn malformed_lengths_end_the_walk() {
        assert_eq!(reason(&[7, 0, 0, 0]), Some(DropReason::BadOption));
        assert_eq!(reason(&[7, 1, 0, 0]), Some(DropReason::BadOption));
        assert_eq!(reason(&[7, 5, 0, 0]), Some(DropReason::BadOption));
        assert_eq!(reason(&[1, 1, 1, 7]), Some(DropReason::BadOption));
        assert_eq!(reason(&[1, 1, 131, 2]), Some(DropReason::BadOption), "a route without pointer");
        assert_eq!(reason(&[148, 4, 0, 0]), None, "router alert");
    }
}
