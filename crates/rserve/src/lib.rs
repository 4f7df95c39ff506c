//! An async client of Rserve, the R server, over its QAP1 protocol.
//!
//! * [`Connection`] signs in and evaluates code, assigns values and moves files.
//! * [`Value`] is an R value with its attributes, and its JSON form.
//! * [`run`] runs user code in a session with live console output, plots and files.
//! * [`watch`] reads what a node says about itself.
//! * [`reclaim`] ends sessions that a dead server left behind.
//!
//! The protocol's source is Rserve 1.8 (`Rsrv.h`, `QAPencode.c`, `QAPdecode.c`); each constant here
//! carries the name it has there.

mod connection;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
pub mod packages;
mod proc_text;
mod qap;
pub mod reclaim;
pub mod run;
mod secret;
mod tls;
mod value;
pub mod watch;

pub use connection::{Connection, Credentials, Endpoint, Handshake, Options};
pub use error::Error;
pub use secret::Secret;
pub use tls::{Identity, Tls, TlsError};
pub use value::{
    Attributes, Closure, Complex, Data, DecodeError, FromJsonError, NA_REAL, Value, is_na,
};
