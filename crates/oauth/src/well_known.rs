//! Where metadata documents lie (RFC 8414 section 3.1, RFC 9728 section 3.1, OpenID Connect Discovery section 4.1).
//!
//! All of it is cutting and joining of text. An identifier that went through a URL type may come back with another slash, and
//! then it is another identifier (TRAP-1).

/// Path of the document of a protected resource.
pub const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// Path of the document of an authorization server.
pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// Path of the document of an OpenID provider.
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";

/// The path under which the document of a resource with this path lies: `/mcp` → `/.well-known/oauth-protected-resource/mcp`
/// (PRM-3). The slash right after a host is no path and is dropped; any other closing slash belongs to the resource.
pub fn protected_resource(resource_path: &str) -> String {
    let path = if resource_path == "/" {
        ""
    } else {
        resource_path
    };
    format!("{PROTECTED_RESOURCE}{path}")
}

/// The URL of the document of a resource given by its own URL, query included; `None` if that is no http(s) URL.
pub fn protected_resource_url(resource: &str) -> Option<String> {
    let (origin, rest) = split(resource)?;
    let rest = match rest.strip_prefix('/') {
        Some(after) if after.is_empty() || after.starts_with('?') => after,
        _ => rest,
    };
    Some(format!("{origin}{PROTECTED_RESOURCE}{rest}"))
}

/// The URLs where the metadata of an issuer may lie, in the order to try them.
///
/// Empty if the issuer is no http(s) URL, or has a query or a fragment, which no issuer may have. One closing slash of the
/// issuer is dropped before anything is joined, as all three specifications ask.
pub fn discovery_candidates(issuer: &str) -> Vec<String> {
    let Some((origin, path)) = split(issuer).filter(|(_, path)| !path.contains('?')) else {
        return Vec::new();
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut candidates = vec![
        format!("{origin}{path}{OPENID_CONFIGURATION}"),
        format!("{origin}{AUTHORIZATION_SERVER}{path}"),
    ];
    if !path.is_empty() {
        candidates.push(format!("{origin}{OPENID_CONFIGURATION}{path}"));
    }
    candidates
}

/// Cuts an http(s) URL after its authority: origin, and path with query. A fragment makes it no identifier.
pub(crate) fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    if rest.contains('#') {
        return None;
    }
    let authority = rest.find(['/', '?']).unwrap_or(rest.len());
    if authority == 0 {
        return None;
    }
    url.split_at_checked(scheme.len() + "://".len() + authority)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn candidates(issuer: &str, expected: &[&str]) {
        assert_eq!(discovery_candidates(issuer), expected, "{issuer}");
    }

    #[test]
    fn prm_3_the_path_goes_behind_the_well_known_part() {
        assert_eq!(
            protected_resource("/public/mcp"),
            "/.well-known/oauth-protected-resource/public/mcp"
        );
        assert_eq!(
            protected_resource("/mcp/"),
            "/.well-known/oauth-protected-resource/mcp/"
        );
        assert_eq!(
            protected_resource("/"),
            "/.well-known/oauth-protected-resource"
        );
        assert_eq!(
            protected_resource(""),
            "/.well-known/oauth-protected-resource"
        );
    }

    #[test]
    fn prm_3_the_same_for_whole_urls() {
        let url = |resource| protected_resource_url(resource);
        let at = |rest: &str| {
            Some(format!(
                "https://h:8443/.well-known/oauth-protected-resource{rest}"
            ))
        };
        assert_eq!(url("https://h:8443/public/mcp"), at("/public/mcp"));
        assert_eq!(url("https://h:8443/mcp?tenant=1"), at("/mcp?tenant=1"));
        assert_eq!(url("https://h:8443/"), at(""));
        assert_eq!(url("https://h:8443/?tenant=1"), at("?tenant=1"));
        assert_eq!(url("https://h:8443"), at(""));
        for no_resource in [
            "",
            "h/mcp",
            "ftp://h/mcp",
            "https:///mcp",
            "https://h/mcp#a",
        ] {
            assert_eq!(url(no_resource), None, "{no_resource}");
        }
    }

    #[test]
    fn asm_2_an_issuer_with_a_path_is_tried_in_three_places() {
        candidates(
            "https://id.example.com/realms/x",
            &[
                "https://id.example.com/realms/x/.well-known/openid-configuration",
                "https://id.example.com/.well-known/oauth-authorization-server/realms/x",
                "https://id.example.com/.well-known/openid-configuration/realms/x",
            ],
        );
    }

    #[test]
    fn asm_2_an_issuer_without_a_path_is_tried_in_two() {
        candidates(
            "http://127.0.0.1:9400",
            &[
                "http://127.0.0.1:9400/.well-known/openid-configuration",
                "http://127.0.0.1:9400/.well-known/oauth-authorization-server",
            ],
        );
    }

    #[test]
    fn trap_1_a_closing_slash_changes_no_candidate_and_nothing_else_is_normalised() {
        for issuer in [
            "https://id.example.com",
            "https://id.example.com/realms/x",
            "https://ID.example.com:443/a/../b",
        ] {
            let slashed = format!("{issuer}/");
            assert_eq!(discovery_candidates(issuer), discovery_candidates(&slashed));
        }
        candidates(
            "HTTPS://ID.example.com:443",
            &[
                "HTTPS://ID.example.com:443/.well-known/openid-configuration",
                "HTTPS://ID.example.com:443/.well-known/oauth-authorization-server",
            ],
        );
    }

    #[test]
    fn what_is_no_issuer_has_no_candidates() {
        for issuer in [
            "",
            "id.example.com",
            "https://",
            "file:///etc/passwd",
            "https://h?a",
            "https://h/a?b=c",
            "https://h/#a",
        ] {
            candidates(issuer, &[]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut_without_loss(url in "(https?|ftp|HTTPS)?(://)?\\PC{0,30}") {
            if let Some((origin, rest)) = split(&url) {
                prop_assert_eq!(format!("{}{}", origin, rest), url);
            }
        }
    }
}
