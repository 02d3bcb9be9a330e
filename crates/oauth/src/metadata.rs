//! The two metadata documents: of a protected resource (RFC 9728), which we write, and of an authorization server (RFC 8414,
//! OpenID Connect Discovery), which we read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::scope::Scopes;
use crate::well_known;

/// What a client must know about a protected resource to get a token for it.
#[derive(Clone, Debug)]
pub struct ProtectedResource<'a> {
    /// The identifier, exactly as clients know the resource (PRM-5).
    pub resource: &'a str,
    /// The authorization servers whose tokens count here, each spelled as in its own document (ASM-3). Left out when there are none,
    /// where only credentials count that no server issues (RFC 9728 section 2 makes it optional).
    pub authorization_servers: Vec<&'a str>,
    /// The scopes a client should ask for; left out when empty, and never with `offline_access` (PRM-8).
    pub scopes_supported: &'a Scopes,
    /// A name for people.
    pub resource_name: Option<&'a str>,
    /// What DPoP proofs may be signed with (RFC 9449); none where tokens are not taken.
    pub dpop_algorithms: &'a [&'a str],
    /// Whether only tokens that are bound to a DPoP key count here.
    pub dpop_required: bool,
    /// Whether tokens that are bound to a client certificate can be taken (RFC 8705).
    pub certificate_bound: bool,
}

impl ProtectedResource<'_> {
    /// The document as JSON, members always in the same order. A document that clients would have to discard is not written.
    pub fn to_json(&self) -> Result<Vec<u8>, MetadataError> {
        #[derive(Serialize)]
        struct Document<'d> {
            resource: &'d str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            authorization_servers: &'d [&'d str],
            #[serde(skip_serializing_if = "Vec::is_empty")]
            scopes_supported: Vec<&'d str>,
            bearer_methods_supported: [&'static str; 1],
            #[serde(skip_serializing_if = "Option::is_none")]
            resource_name: Option<&'d str>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            tls_client_certificate_bound_access_tokens: bool,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            dpop_signing_alg_values_supported: &'d [&'d str],
            // false too: absence says the same, but not to every client
            #[serde(skip_serializing_if = "Option::is_none")]
            dpop_bound_access_tokens_required: Option<bool>,
        }
        is_url("resource", self.resource)?;
        for issuer in &self.authorization_servers {
            is_url("authorization_servers", issuer)?;
        }
        serde_json::to_vec(&Document {
            resource: self.resource,
            authorization_servers: &self.authorization_servers,
            scopes_supported: self.scopes_supported.published().collect(),
            // a token in the query or in a form is refused, so nothing but the header is offered (AUD-6)
            bearer_methods_supported: ["header"],
            resource_name: self.resource_name,
            tls_client_certificate_bound_access_tokens: self.certificate_bound,
            dpop_signing_alg_values_supported: self.dpop_algorithms,
            dpop_bound_access_tokens_required: (!self.dpop_algorithms.is_empty())
                .then_some(self.dpop_required),
        })
        .map_err(MetadataError::json)
    }
}

/// What an authorization server says about itself; only what somebody here asks for.
///
/// The issuer is kept byte for byte. Whoever fetched the document compares it with the issuer that was asked for.
#[derive(Clone, Debug, Deserialize)]
pub struct ServerMetadata {
    /// Who it says it is.
    pub issuer: String,
    /// Where people log in; absent at servers for machines only.
    pub authorization_endpoint: Option<String>,
    /// Where grants become tokens.
    pub token_endpoint: Option<String>,
    /// Where its public keys lie; RFC 8414 lets a server leave it out.
    pub jwks_uri: Option<String>,
    /// Where clients register themselves (RFC 7591).
    pub registration_endpoint: Option<String>,
    /// PKCE methods; MCP clients refuse a server that does not list `S256` (ASM-4).
    #[serde(default)]
    pub code_challenge_methods_supported: Vec<String>,
}

impl ServerMetadata {
    /// Reads a document. A member named twice is refused, as is an endpoint that is no http(s) URL; unknown members are ignored.
    pub fn parse(document: &[u8]) -> Result<Self, MetadataError> {
        // serde would take a list of the members in their order too
        if !document.trim_ascii_start().starts_with(b"{") {
            return Err(MetadataError::Json("not an object".into()));
        }
        let metadata: Self = serde_json::from_slice(document).map_err(MetadataError::json)?;
        is_url("issuer", &metadata.issuer)?;
        let endpoints = [
            ("authorization_endpoint", &metadata.authorization_endpoint),
            ("token_endpoint", &metadata.token_endpoint),
            ("jwks_uri", &metadata.jwks_uri),
            ("registration_endpoint", &metadata.registration_endpoint),
        ];
        for (member, endpoint) in endpoints {
            if let Some(url) = endpoint {
                is_url(member, url)?;
            }
        }
        Ok(metadata)
    }
}

/// Why a document is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataError {
    /// It is no JSON object with the members we need, in their types.
    Json(Box<str>),
    /// A member is no http(s) URL, or has a fragment.
    NotAUrl {
        /// Which member.
        member: &'static str,
        /// What it says.
        value: Box<str>,
    },
}

impl MetadataError {
    #[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
    fn json(error: serde_json::Error) -> Self {
        Self::Json(error.to_string().into())
    }
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(cause) => write!(f, "not a metadata document: {cause}"),
            Self::NotAUrl { member, value } => write!(
                f,
                "{member} is not an http(s) URL without fragment: {value:?}"
            ),
        }
    }
}

impl std::error::Error for MetadataError {}

/// Looks only, and hands nothing back: the text that was given is the text that is used (TRAP-1).
fn is_url(member: &'static str, value: &str) -> Result<(), MetadataError> {
    let legal = value.bytes().all(|b| {
        b.is_ascii_graphic()
            && !matches!(
                b,
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
            )
    });
    if legal && well_known::split(value).is_some() {
        Ok(())
    } else {
        Err(MetadataError::NotAUrl {
            member,
            value: value.into(),
        })
    }
}

#[cfg(test)]
mod tests;
