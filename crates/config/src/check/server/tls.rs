//! How the public listener speaks TLS.

use crate::check::file;
use crate::checked::{ClientAuth, Clients, Pair, Tls, TlsVersion};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::sources::Sources;
use crate::written::{Block, List};

/// More certificates than anybody has, and few enough to be looked through at each handshake.
const MOST_CERTIFICATES: usize = 256;

/// `None` if a file cannot be read, which is noted.
pub(super) fn check(
    place: &Place,
    raw: Block<raw::Tls>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<Tls> {
    let raw = notes.fields(place, raw)?;
    let first = file::pair(
        place,
        raw.certificate.as_ref(),
        raw.private_key.as_ref(),
        sources,
        notes,
    );
    let mut pairs: Vec<_> = first.into_iter().collect();
    further(
        &place.key("certificates"),
        raw.certificates,
        &mut pairs,
        sources,
        notes,
    );
    let min_version = notes.text_or(
        &place.key("min_version"),
        raw.min_version.as_ref(),
        TlsVersion::V1_2,
    );
    let ca_written = raw.client_ca.is_some();
    let ca = file::certificates(
        &place.key("client_ca"),
        raw.client_ca.as_ref(),
        "it holds the roots of the client certificates that are taken",
        sources,
        notes,
    );
    let auth_place = place.key("client_auth");
    if raw.client_auth.is_some() && !ca_written {
        notes.wrong(
            &auth_place,
            Flaw::new("needs client_ca").hint("the roots of the certificates that count"),
        );
    }
    let auth = notes.text_or(&auth_place, raw.client_auth.as_ref(), ClientAuth::Required);
    (!pairs.is_empty()).then(|| Tls {
        pairs,
        min_version,
        clients: ca.map(|ca| Clients { ca, auth }),
    })
}

fn further(
    place: &Place,
    field: Option<List<Block<raw::Pair>>>,
    pairs: &mut Vec<Pair>,
    sources: &dyn Sources,
    notes: &mut Notes,
) {
    let entries = match field {
        None => return,
        Some(List::Items(entries)) => entries,
        Some(List::Other(written)) => return notes.shape(place, &written, "a list"),
    };
    if entries.len() > MOST_CERTIFICATES {
        notes.wrong(place, format!("has more than {MOST_CERTIFICATES} entries"));
        return;
    }
    for (index, entry) in entries.into_iter().enumerate() {
        let place = place.index(index);
        let Some(raw) = notes.fields(&place, entry) else {
            continue;
        };
        pairs.extend(file::pair(
            &place,
            raw.certificate.as_ref(),
            raw.private_key.as_ref(),
            sources,
            notes,
        ));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fixed, with};
    use crate::{ClientAuth, TlsVersion, load};

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----";

    fn sources() -> Fixed {
        Fixed::default()
            .file("/a.crt", CERTIFICATE)
            .file("/a.key", KEY)
            .file("/b.crt", CERTIFICATE)
            .file("/b.key", KEY)
            .file("/locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----")
    }

    fn server(text: &str) -> Result<crate::Server, Vec<String>> {
        let text = with(&format!("server: {{ {text} }}"));
        match load(&text, &sources()) {
            Ok(loaded) => Ok(loaded.config.server),
            Err(problems) => Err(problems
                .iter()
                .map(|problem| format!("{}: {}", problem.path, problem.reason))
                .collect()),
        }
    }

    const TLS: &str = "tls: { certificate: /a.crt, private_key: /a.key }";

    #[test]
    fn sec_38_a_tls_listener_off_loopback_needs_no_terminator() {
        let off = "listen: '0.0.0.0:443', public_url: 'https://mcp.example.com'";
        let tls = server(&format!("{off}, {TLS}")).unwrap().tls.unwrap();
        assert_eq!(tls.min_version, TlsVersion::V1_2);
        assert_eq!((tls.pairs.len(), tls.clients), (1, None));
        assert_eq!(&*tls.pairs[0].place, "server.tls");
        assert_eq!(
            server(off).unwrap_err(),
            ["server.listen: serves plain HTTP beyond this machine"]
        );
    }

    #[test]
    fn s0_51_plain_http_and_tls_are_not_said_together() {
        assert_eq!(
            server(&format!("public_url: 'http://localhost:8080', {TLS}")).unwrap_err(),
            ["server.public_url: is http, and the listeners speak TLS"]
        );
        assert_eq!(
            server(&format!("dangerous: [plain_http], {TLS}")).unwrap_err(),
            ["server.dangerous: has plain_http, and the listeners speak TLS"]
        );
    }

    #[test]
    fn everything_about_tls_can_be_said() {
        let tls = "tls: { certificate: /a.crt, private_key: /a.key, certificates: [{ certificate: /b.crt, private_key: /b.key }], \
                   min_version: '1.3', client_ca: /b.crt, client_auth: optional }";
        let tls = server(tls).unwrap().tls.unwrap();
        assert_eq!(&*tls.pairs[1].place, "server.tls.certificates[0]");
        assert_eq!(tls.min_version, TlsVersion::V1_3);
        assert_eq!(tls.clients.unwrap().auth, ClientAuth::Optional);
    }

    #[test]
    fn what_is_wrong_with_tls_is_told_by_key() {
        for (tls, problems) in [
            (
                "tls: {}",
                &[
                    "server.tls.certificate: is missing",
                    "server.tls.private_key: is missing",
                ][..],
            ),
            (
                "tls: { certificate: /a.key, private_key: /a.crt }",
                &[
                    "server.tls.certificate: is not a PEM certificate",
                    "server.tls.private_key: is not a PEM private key",
                ],
            ),
            (
                "tls: { certificate: /none, private_key: /locked.key, min_version: 1.1 }",
                &[
                    "server.tls.certificate: the file \"/none\" does not exist",
                    "server.tls.private_key: is encrypted",
                    "server.tls.min_version: is a number with a fraction where \"1.2\" or \"1.3\" belongs",
                ],
            ),
            (
                "tls: { certificate: /a.crt, private_key: /a.key, client_auth: required, certificates: [{ certificate: /b.crt }, 1] }",
                &[
                    "server.tls.certificates[0].private_key: is missing",
                    "server.tls.certificates[1]: is a single value where a mapping belongs",
                    "server.tls.client_auth: needs client_ca",
                ],
            ),
            (
                "tls: 1",
                &["server.tls: is a single value where a mapping belongs"],
            ),
        ] {
            assert_eq!(server(tls).unwrap_err(), problems, "{tls}");
        }
    }
}
