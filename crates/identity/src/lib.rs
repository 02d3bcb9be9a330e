//! Who is calling.
//!
//! [`Authenticators`] holds everything the configuration says about who may vouch for a caller: the keys of each provider, kept
//! fresh in the background, and one bounded cache of what verified credentials mean. A route asks its [`RouteAuthenticator`], which
//! answers with a [`Caller`] or a [`Failure`] and never with HTTP.
//!
//! An API key is looked up first, because that costs least. For tokens the order of the checks is the security design: shape, then
//! the header, then the issuer that selects the authenticator, then that issuer's keys and no others, then the signature, then the
//! claims. A credential that is present and bad is never treated as absent, and never handed to the next authenticator.

mod api_keys;
mod authenticators;
mod back_channel;
mod bearer;
mod cache;
mod caller;
mod claims;
mod credential;
mod deny;
mod discovery;
mod evidence;
mod explain;
mod failure;
mod fetching;
mod introspection;
mod json;
mod jws;
mod keys;
mod mint;
mod own;
mod pair;
mod proof;
mod provider;
mod route;
mod signed;
mod steps;
mod values;

/// Whether two secrets are equal, in a time that tells only whether they are equally long.
pub fn constant_time_eq(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use api_keys::{ApiKey, KeyError, encryption_key};
pub use authenticators::{Authenticators, Fetching, StartError, try_keys};
pub use caller::{Caller, Clock, Kind, Timestamp};
pub use deny::{DenyList, Look};
pub use evidence::Evidence;
pub use failure::{Failure, Stage};
pub use introspection::{Observer, Renewed, Vigil};
pub use mint::{MintError, Order, mint};
pub use proof::PROOF_ALGORITHMS;
pub use route::{Gone, Presented, RouteAuthenticator, Unverified};
pub use steps::{Mark, Notes, Step, observe};
pub use values::{Group, IdentityValues};
