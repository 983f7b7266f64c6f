//! How other processes speak to a running instance: one line of JSON a request, one line an answer,
//! over a Unix socket or a named pipe.
//!
//! There are two doors. One is for root only and takes every request; the other is for everybody and
//! takes those that change nothing.

#[cfg_attr(windows, path = "windows/client.rs")]
pub(crate) mod client;
#[cfg_attr(windows, path = "windows/paths.rs")]
pub(crate) mod paths;
pub(crate) mod protocol;
#[cfg_attr(windows, path = "windows/server.rs")]
pub(crate) mod server;

/// Somebody who asked, as long as they wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallerId(pub(crate) u64);
