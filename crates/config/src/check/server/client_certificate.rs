//! Client certificates that a TLS terminator passes on in a header.

use crate::checked::{CertificateFormat, ClientCertificate};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::name::{HeaderName, means_something};
use crate::written::Block;

/// `believed`: whether there is anybody whose headers are.
pub(super) fn check(
    place: &Place,
    raw: Block<raw::ClientCertificate>,
    believed: bool,
    notes: &mut Notes,
) -> Option<ClientCertificate> {
    let raw = notes.fields(place, raw)?;
    let header_place = place.key("header");
    let header = notes.required(&header_place, raw.header.as_ref());
    let format = notes.text_or(
        &place.key("format"),
        raw.format.as_ref(),
        CertificateFormat::Rfc9440,
    );
    if !believed {
        notes.wrong(
            place,
            Flaw::new("is believed from nobody")
                .hint("name the TLS terminator under server.trusted_proxies"),
        );
    }
    let header = header?;
    if means_something(&header) {
        notes.wrong(&header_place, "is a header with a meaning of its own");
        return None;
    }
    let HeaderName(header) = header;
    Some(ClientCertificate { header, format })
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, wrong};
    use crate::{CertificateFormat, ClientCertificate};

    fn server(more: &str) -> String {
        format!("server: {{ trusted_proxies: [10.0.0.1], client_certificate: {more} }}")
    }

    #[test]
    fn r8705_the_header_of_a_terminator() {
        let read = |more: &str| good(&server(more)).server.client_certificate.unwrap();
        let default = read("{ header: Client-Cert }");
        let expected = ClientCertificate {
            header: "client-cert".into(),
            format: CertificateFormat::Rfc9440,
        };
        assert_eq!(default, expected);
        let nginx = read("{ header: ssl_client_cert, format: pem }");
        assert_eq!(&*nginx.header, "ssl_client_cert");
        let envoy = read("{ header: X-Forwarded-Client-Cert, format: xfcc }");
        assert_eq!(envoy.format, CertificateFormat::Xfcc);
        assert_eq!(good("").server.client_certificate, None);
    }

    #[test]
    fn r8705_it_is_believed_from_trusted_proxies_alone() {
        wrong(
            "server: { client_certificate: { header: Client-Cert } }",
            &["server.client_certificate: is believed from nobody"],
        );
        wrong(
            &server("{}"),
            &["server.client_certificate.header: is missing"],
        );
        for header in [
            "Authorization",
            "dpop",
            "X-Forwarded-For",
            "Cookie",
            "Mcp-Session-Id",
        ] {
            wrong(
                &server(&format!("{{ header: {header} }}")),
                &["server.client_certificate.header: is a header with a meaning of its own"],
            );
        }
    }
}
