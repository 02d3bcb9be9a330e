//! Protected resource metadata (RFC 9728): where a client learns where to log in.

use http::Response;
use oauth::metadata::ProtectedResource;
use oauth::well_known;

use crate::body::Body;
use crate::plan::{Plan, Site};
use crate::stage::trust::Arrival;
use crate::stop::Refusal;

/// The document of one route. The bare well-known path describes the only protected route, or the one at `/`; among several it would
/// have to guess, and clients discard a document about another resource (PRM-5, OPEN-3).
pub(super) fn protected_resource(
    plan: &Plan,
    arrival: &Arrival,
) -> Result<Response<Body>, Refusal> {
    let asked = arrival
        .head
        .uri
        .path()
        .strip_prefix(well_known::PROTECTED_RESOURCE)
        .unwrap_or_default();
    let visible = |site: &&Site| {
        site.takes_tokens()
            && site
                .host
                .as_ref()
                .is_none_or(|host| host.matches(&arrival.authority))
    };
    let site = if asked.is_empty() || asked == "/" {
        // second paths have the documents of their own alone
        let sites = plan.sites.iter().map(|site| &**site);
        let all: Vec<&Site> = sites.filter(visible).collect();
        match all.as_slice() {
            [only] => Some(*only),
            several => several.iter().find(|site| &*site.path == "/").copied(),
        }
    } else {
        let path = asked.strip_suffix('/').unwrap_or(asked);
        let sites = plan.faces().map(|site| &**site);
        let mut named: Vec<&Site> = sites
            .filter(visible)
            .filter(|site| &*site.path == path)
            .collect();
        named.sort_by_key(|site| site.host.is_none()); // host before none, as in routing
        named.first().copied()
    };
    let site = site.ok_or(Refusal::NoRoute)?;
    let form = site
        .form(
            arrival.name,
            if asked.len() > 1 { asked } else { &site.path },
        )
        .ok_or(Refusal::NoRoute)?;
    let issuers = site
        .authentication
        .as_ref()
        .map(identity::RouteAuthenticator::issuers)
        .unwrap_or_default();
    let document = ProtectedResource {
        resource: &form.resource,
        authorization_servers: issuers.iter().map(|issuer| &**issuer).collect(),
        scopes_supported: site.policy.access.scopes(),
        resource_name: None,
        dpop_algorithms: if site.takes_tokens() {
            &identity::PROOF_ALGORITHMS
        } else {
            &[]
        },
        // where clients can show a certificate, a token that is bound to that counts as well
        dpop_required: site.proofs.required && !site.proofs.certificates,
        certificate_bound: site.proofs.certificates,
    };
    let document = document.to_json().map_err(|_| Refusal::NoRoute)?; // a plan cannot hold a resource that is no URL
    Ok(super::json(document, "public, max-age=300"))
}
