//! What a Win32 error code asks us to do.

/// ERROR_FILE_NOT_FOUND
pub const FILE_NOT_FOUND: u32 = 2;
/// ERROR_ACCESS_DENIED
pub const ACCESS_DENIED: u32 = 5;
/// ERROR_INVALID_DATA
pub const INVALID_DATA: u32 = 13;
/// ERROR_HANDLE_EOF
pub const HANDLE_EOF: u32 = 38;
/// ERROR_NOT_SUPPORTED
pub const NOT_SUPPORTED: u32 = 50;
/// ERROR_INVALID_PARAMETER
pub const INVALID_PARAMETER: u32 = 87;
/// ERROR_BUFFER_OVERFLOW
pub const BUFFER_OVERFLOW: u32 = 111;
/// ERROR_INVALID_LEVEL
pub const INVALID_LEVEL: u32 = 124;
/// ERROR_NOT_FOUND
pub const NOT_FOUND: u32 = 1168;
/// ERROR_OBJECT_ALREADY_EXISTS
pub const OBJECT_ALREADY_EXISTS: u32 = 5010;
/// ERROR_SERVICE_DOES_NOT_EXIST
pub const SERVICE_DOES_NOT_EXIST: u32 = 1060;
/// ERROR_SERVICE_EXISTS
pub const SERVICE_EXISTS: u32 = 1073;

/// WSAEMSGSIZE, as `std` gives it
pub const WSAEMSGSIZE: i32 = 10_040;
/// WSAENETRESET, as `std` gives it
pub const WSAENETRESET: i32 = 10_052;

/// What to do about the failure of a call that changes the host's network configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// What was asked for is the case already.
    AlreadySo,
    /// The object is gone; for an undo that is as good as done.
    Gone,
    /// The stack is not up yet, as in the first seconds after boot: try again in a second.
    Later,
    /// The program does not run as an administrator.
    NotPermitted,
    /// This Windows has no such facility: say so once and go on.
    Missing,
    /// Nothing helps.
    Fail,
}

/// Classifies the result of an IP Helper call.
///
/// `booting` is true in the first minute after the machine came up, when interfaces appear one by one and a missing
/// one is a reason to wait (ERROR_NOT_FOUND, ERROR_FILE_NOT_FOUND).
#[must_use]
pub const fn advice(code: u32, booting: bool) -> Advice {
    match code {
        OBJECT_ALREADY_EXISTS => Advice::AlreadySo,
        NOT_FOUND | FILE_NOT_FOUND if booting => Advice::Later,
        NOT_FOUND | FILE_NOT_FOUND => Advice::Gone,
        ACCESS_DENIED => Advice::NotPermitted,
        NOT_SUPPORTED | INVALID_LEVEL => Advice::Missing,
        _ => Advice::Fail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_object_is_worth_waiting_for_at_boot_only() {
        assert_eq!(advice(NOT_FOUND, true), Advice::Later);
        assert_eq!(advice(NOT_FOUND, false), Advice::Gone);
        assert_eq!(advice(FILE_NOT_FOUND, false), Advice::Gone);
    }

    #[test]
    fn the_other_classes() {
        assert_eq!(advice(OBJECT_ALREADY_EXISTS, true), Advice::AlreadySo);
        assert_eq!(advice(ACCESS_DENIED, true), Advice::NotPermitted);
        assert_eq!(advice(NOT_SUPPORTED, false), Advice::Missing);
        assert_eq!(advice(INVALID_LEVEL, false), Advice::Missing, "Wine answers newer service settings so");
        assert_eq!(advice(INVALID_PARAMETER, false), Advice::Fail);
    }
}
