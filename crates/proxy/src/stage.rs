//! The stages of the request path, in the order in which `pipeline` calls them.

pub(crate) mod authorize;
pub(crate) mod cors;
pub(crate) mod forward;
pub(crate) mod identify;
pub(crate) mod inject;
pub(crate) mod limit;
pub(crate) mod redirect;
pub(crate) mod route;
pub(crate) mod stream;
pub(crate) mod trust;
