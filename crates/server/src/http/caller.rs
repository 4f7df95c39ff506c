//! Who is on the other end of a request: its id and its address.

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Set at the edge for every request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The request's id: in the log, the audit, problems and the header `x-request-id`.
    pub(crate) request_id: Arc<str>,
    /// The client's address; of a relayed request the address that the relaying server saw.
    pub(crate) address: IpAddr,
    /// The program that the client says it is, cut to 200 characters; what is no letter or sign is left out.
    pub(crate) agent: Arc<str>,
    /// Whether another server relayed it: it is not relayed again.
    pub(crate) relayed: bool,
    /// Whether its requests count against its address: not where the address is a proxy's, nor where the server that
    /// relays has counted them.
    pub(crate) counted: bool,
}

impl Caller {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_else(|| Self {
            request_id: "UID-0".into(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            agent: "".into(),
            relayed: false,
            counted: true,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}
