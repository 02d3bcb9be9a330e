//! What leads clients from http to https, and keeps them there.

use std::net::SocketAddr;
use std::time::Duration;

use super::{DAY, collide};
use crate::checked::Hsts;
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::written::{Block, Text};

/// Longer than any browser remembers.
const LONGEST: Duration = DAY.saturating_mul(3650);

pub(super) fn hsts(place: &Place, raw: Block<raw::Hsts>, notes: &mut Notes) -> Option<Hsts> {
    let raw = notes.fields(place, raw)?;
    let max_age_place = place.key("max_age");
    if raw.max_age.is_none() {
        notes.missing(&max_age_place, "how long browsers remember it, like 365d");
    }
    Some(Hsts {
        max_age: notes.duration(
            &max_age_place,
            raw.max_age.as_ref(),
            Duration::ZERO,
            Duration::ZERO..=LONGEST,
        ),
        include_subdomains: notes.text_or(
            &place.key("include_subdomains"),
            raw.include_subdomains.as_ref(),
            false,
        ),
    })
}

pub(super) fn redirect(
    place: &Place,
    field: Option<&Text<SocketAddr>>,
    listen: &[SocketAddr],
    is_https: bool,
    notes: &mut Notes,
) -> Option<SocketAddr> {
    let address = notes.text(place, field)?;
    if !is_https {
        notes.wrong(
            place,
            Flaw::new("leads nowhere: no listener speaks TLS")
                .hint("give them a certificate under server.tls"),
        );
    }
    if listen.iter().any(|other| collide(*other, address)) {
        notes.wrong(place, "is an address of server.listen too");
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::{Fixed, good, with, wrong};
    use crate::{Hsts, load};

    #[test]
    fn r6797_hsts_is_said_with_its_time_and_only_where_there_is_https() {
        let https = "public_url: 'https://mcp.example.com'";
        let hsts = |text: &str| format!("server: {{ {https}, hsts: {text} }}");
        assert_eq!(
            good(&hsts("{ max_age: 365d }")).server.hsts,
            Some(Hsts {
                max_age: Duration::from_hours(365 * 24),
                include_subdomains: false
            })
        );
        let all = good(&hsts("{ max_age: 0, include_subdomains: true }"));
        assert!(all.server.hsts.unwrap().include_subdomains);
        assert_eq!(good(&format!("server: {{ {https} }}")).server.hsts, None);
        wrong(&hsts("{}"), &["server.hsts.max_age: is missing"]);
        wrong(
            &hsts("{ max_age: 9999d }"),
            &["server.hsts.max_age: must be at most 3650d"],
        );
        wrong(
            "server: { hsts: { max_age: 1d } }",
            &["server.hsts: means nothing over http"],
        );
    }

    #[test]
    fn r6797_redirects_lead_to_a_listener_with_tls() {
        let sources = Fixed::default()
            .file("/a.crt", "-----BEGIN CERTIFICATE-----")
            .file("/a.key", "-----BEGIN PRIVATE KEY-----");
        let tls = "tls: { certificate: /a.crt, private_key: /a.key }";
        let read = |address: &str| {
            let server =
                format!("server: {{ listen: '127.0.0.1:443', redirect_http: '{address}', {tls} }}");
            load(&with(&server), &sources).map(|loaded| loaded.config.server.redirect_http)
        };
        assert_eq!(
            read("127.0.0.1:80").unwrap().map(|address| address.port()),
            Some(80)
        );
        for (address, told) in [
            ("0.0.0.0:443", "server.redirect_http"),
            ("127.0.0.1:9090", "admin.listen"),
        ] {
            let problems = read(address).unwrap_err();
            let paths: Vec<_> = problems.iter().map(|one| one.path.clone()).collect();
            assert_eq!(paths, [told]);
        }
        wrong(
            "server: { redirect_http: '127.0.0.1:80' }",
            &["server.redirect_http: leads nowhere: no listener speaks TLS"],
        );
    }
}
