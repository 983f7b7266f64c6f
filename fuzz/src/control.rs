//! Of `clat-cli`'s module of this name.

#[path = "../../clat-cli/src/control/protocol.rs"]
pub(crate) mod protocol;
