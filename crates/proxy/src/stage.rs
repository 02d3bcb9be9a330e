//! The stages of the request path, in the order in which `pipeline` calls them.

pub(crate) mod authorize;
pub(crate) mod cors;
pub(crate) mod filter;
pub(crate) mod forward;
pub(crate) mod identify;
pub(crate) mod inject;
pub(crate) mod inspect;
pub(crate) mod limit;
pub(crate) mod redirect;
pub(crate) mod route;
pub(crate) mod session;
pub(crate) mod stream;
pub(crate) mod trust;
