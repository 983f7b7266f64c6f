//! Of `clat-cli`'s module of this name.

#[path = "../../clat-cli/src/status/model.rs"]
pub(crate) mod model;
