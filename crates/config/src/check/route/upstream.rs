//! Where the requests of a route go.

use crate::check::file;
use crate::checked::{Member, OwnCertificate, Upstream, UpstreamTls};
use crate::notes::{Listed, Notes};
use crate::origin::Scheme;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::Scalar as _;
use crate::scalar::upstream::{Authority, Location, ServerName};
use crate::sources::Sources;
use crate::written::{List, ManyOrBlock};

/// More servers than one gateway keeps busy, and few enough to be looked through for each request.
const MOST_MEMBERS: usize = 64;

pub(super) fn check(
    place: &Place,
    field: Option<ManyOrBlock<Location, raw::Upstream>>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<Upstream> {
    let plain = |members, path| Upstream {
        members,
        path,
        tls: UpstreamTls::default(),
        host: None,
    };
    match field {
        None => {
            notes.missing(place, format!("give it {}", Location::EXPECTED));
            None
        }
        Some(ManyOrBlock::One(url)) => {
            let Location { member, path } = notes.text(place, Some(&url))?;
            Some(plain(vec![member], path))
        }
        Some(ManyOrBlock::Many(urls)) => {
            let listed = notes.list(place, Some(&List::Items(urls)));
            let (members, path) = members(place, listed, notes)?;
            Some(plain(members, path))
        }
        Some(ManyOrBlock::Block(raw)) => block(place, &raw, sources, notes),
    }
}

fn block(
    place: &Place,
    raw: &raw::Upstream,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<Upstream> {
    let urls = place.key("urls");
    if raw.urls.is_none() {
        notes.missing(&urls, format!("give it {}", Location::EXPECTED));
    }
    let listed = notes.one_or_many(&urls, raw.urls.as_ref());
    let members = members(&urls, listed, notes);
    let host = notes.text(&place.key("host"), raw.host.as_ref());
    let tls = tls(place, raw, sources, notes);
    let (members, path) = members?;
    only_with_https(place, raw, &members, notes);
    Some(Upstream {
        members,
        path,
        tls,
        host: host.map(|Authority(host)| host),
    })
}

/// The servers, and the path that they have in common. `None` if something about them is wrong, which is noted.
fn members(
    place: &Place,
    listed: Listed<Location>,
    notes: &mut Notes,
) -> Option<(Vec<Member>, Option<Box<str>>)> {
    if listed.is_written_empty() {
        notes.wrong(
            place,
            Flaw::new("names no server").hint(format!("give it {}", Location::EXPECTED)),
        );
    }
    if listed.items.len() > MOST_MEMBERS {
        notes.wrong(place, format!("has more than {MOST_MEMBERS} entries"));
        return None;
    }
    let first = listed.items.first()?;
    let mut sound = listed.whole;
    for (index, (place, location)) in listed.placed(place).enumerate() {
        let earlier = || listed.items.iter().take(index);
        if earlier().any(|other| other.member == location.member) {
            notes.wrong(&place, "is a server that is in the list already");
            sound = false;
        } else if location.path != first.path {
            notes.wrong(
                &place,
                Flaw::new("has another path than the first one")
                    .hint("a request may go to any of them; what has a path of its own is a route of its own"),
            );
            sound = false;
        }
    }
    let path = first.path.clone();
    let members = listed.items.into_iter().map(|location| location.member);
    sound.then(|| (members.collect(), path))
}

fn tls(
    place: &Place,
    raw: &raw::Upstream,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> UpstreamTls {
    let ca = file::certificates(
        &place.key("ca"),
        raw.ca.as_ref(),
        "it holds the only roots that are believed",
        sources,
        notes,
    );
    let own = (raw.certificate.is_some() || raw.private_key.is_some())
        .then(|| {
            let (certificate, key) = (raw.certificate.as_ref(), raw.private_key.as_ref());
            file::pair(place, certificate, key, sources, notes)
        })
        .flatten();
    let server_name = notes.text(&place.key("server_name"), raw.server_name.as_ref());
    UpstreamTls {
        ca,
        own: own.map(|pair| OwnCertificate {
            certificate: pair.certificate,
            private_key: pair.private_key,
        }),
        server_name: server_name.map(|ServerName(name)| name),
    }
}

/// Whoever names roots or a certificate means that nothing goes out in the clear.
fn only_with_https(place: &Place, raw: &raw::Upstream, members: &[Member], notes: &mut Notes) {
    let is_https = |member: &Member| match member {
        Member::Http(origin) => origin.scheme() == Scheme::Https,
        Member::Unix(_) => false,
    };
    let Some(plain) = members.iter().find(|member| !is_https(member)) else {
        return;
    };
    let written = [
        ("ca", raw.ca.is_some()),
        ("certificate", raw.certificate.is_some()),
        ("private_key", raw.private_key.is_some()),
        ("server_name", raw.server_name.is_some()),
    ];
    for (key, _) in written.into_iter().filter(|(_, is_written)| *is_written) {
        let (what, hint) = match plain {
            Member::Http(_) => ("http", "write https://, or leave the key out"),
            Member::Unix(_) => (
                "a Unix socket",
                "nobody listens in there; leave the key out",
            ),
        };
        notes.wrong(
            &place.key(key),
            Flaw::new(format!("is about TLS, and a server is reached by {what}")).hint(hint),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fixed, with, wrong};
    use crate::{Member, load};

    fn upstream(written: &str) -> String {
        format!("routes: [ {{ path: /mcp, upstream: {written} }} ]")
    }

    fn sources() -> Fixed {
        Fixed::default()
            .file("/a.crt", "-----BEGIN CERTIFICATE-----")
            .file("/a.key", "-----BEGIN PRIVATE KEY-----")
    }

    #[track_caller]
    fn read(written: &str) -> Result<crate::Upstream, Vec<String>> {
        match load(&with(&upstream(written)), &sources()) {
            Ok(mut loaded) => Ok(loaded.config.routes.remove(0).upstream),
            Err(problems) => Err(problems
                .iter()
                .map(|problem| format!("{}: {}", problem.path, problem.reason))
                .collect()),
        }
    }

    fn names(upstream: &crate::Upstream) -> Vec<String> {
        upstream.members.iter().map(Member::to_string).collect()
    }

    #[test]
    fn one_or_several() {
        let one = read("'http://a:3000/mcp'").unwrap();
        assert_eq!(
            (names(&one), one.path.as_deref()),
            (vec!["http://a:3000".to_owned()], Some("/mcp"))
        );
        let several = read("['https://a/x', 'http://b:80/x', 'unix:/c.sock:/x']").unwrap();
        assert_eq!(names(&several), ["https://a", "http://b", "unix:/c.sock"]);
        assert_eq!(several.path.as_deref(), Some("/x"));
        let block = read("{ urls: 'unix:/c.sock', host: 'Tools:80' }").unwrap();
        assert_eq!(
            (names(&block), block.path.as_deref()),
            (vec!["unix:/c.sock".to_owned()], None)
        );
        assert_eq!(block.host.as_deref(), Some("tools:80"));
        let block = read("{ urls: ['https://a', 'https://b'], ca: /a.crt, certificate: /a.crt, private_key: /a.key, server_name: Tools.Internal }").unwrap();
        assert_eq!(block.tls.server_name.as_deref(), Some("tools.internal"));
        assert_eq!(
            block.tls.own.unwrap().private_key,
            std::path::Path::new("/a.key")
        );
        assert_eq!(block.tls.ca, Some("/a.crt".into()));
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        for (written, problems) in [
            ("", &["routes[0].upstream: has no value"][..]),
            ("[]", &["routes[0].upstream: names no server"]),
            ("{}", &["routes[0].upstream.urls: is missing"]),
            (
                "{ urls: [] }",
                &["routes[0].upstream.urls: names no server"],
            ),
            (
                "{ urls: 'http://a', url: 'http://a' }",
                &["routes[0].upstream.url: is not a known key"],
            ),
            (
                "['http://a', 'http://A:80/']",
                &["routes[0].upstream[1]: is a server that is in the list already"],
            ),
            (
                "['unix:/a:/x', 'unix:/a:/x']",
                &["routes[0].upstream[1]: is a server that is in the list already"],
            ),
            (
                "['http://a/x', 'http://b/x', 'http://c', 'http://d/x/']",
                &[
                    "routes[0].upstream[2]: has another path than the first one",
                    "routes[0].upstream[3]: has another path than the first one",
                ],
            ),
            (
                "['http://a', 'b:80']",
                &["routes[0].upstream[1]: `b:80` is not an absolute http or https URL"],
            ),
            (
                "'https://user:hunter2@a.example'",
                &["routes[0].upstream: `***` must not contain a user name or password"],
            ),
            (
                "'a.example:80'",
                &["routes[0].upstream: `a.example:80` is not an absolute http or https URL"],
            ),
            (
                "{ urls: 'http://a', ca: /a.crt }",
                &["routes[0].upstream.ca: is about TLS, and a server is reached by http"],
            ),
            (
                "{ urls: ['https://a', 'unix:/b'], server_name: x, certificate: /a.crt, private_key: /a.key }",
                &[
                    "routes[0].upstream.certificate: is about TLS, and a server is reached by a Unix socket",
                    "routes[0].upstream.private_key: is about TLS, and a server is reached by a Unix socket",
                    "routes[0].upstream.server_name: is about TLS, and a server is reached by a Unix socket",
                ],
            ),
            (
                "{ urls: 'https://a', certificate: /a.crt }",
                &["routes[0].upstream.private_key: is missing"],
            ),
            (
                "{ urls: 'https://a', private_key: /a.key }",
                &["routes[0].upstream.certificate: is missing"],
            ),
            (
                "{ urls: 'https://a', certificate: /a.key, private_key: /a.crt, ca: /none, server_name: 'a:443', host: 'x/y' }",
                &[
                    "routes[0].upstream.host: `x/y` is not a host",
                    "routes[0].upstream.ca: the file \"/none\" does not exist",
                    "routes[0].upstream.certificate: is not a PEM certificate",
                    "routes[0].upstream.private_key: is not a PEM private key",
                    "routes[0].upstream.server_name: `a:443` has a port",
                ],
            ),
        ] {
            assert_eq!(read(written).unwrap_err(), problems, "{written}");
        }
    }

    #[test]
    fn there_is_an_end_to_a_list() {
        let list = |length: usize| {
            let urls: Vec<_> = (0..length).map(|n| format!("'http://a{n}'")).collect();
            upstream(&format!("[{}]", urls.join(", ")))
        };
        wrong(&list(64), &[]);
        wrong(&list(65), &["routes[0].upstream: has more than 64 entries"]);
    }
}
