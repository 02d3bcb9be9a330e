//! Files and URLs that an authenticator's keys come from.

use serde_json::Value;

use crate::check::file::readable;
use crate::checked::KeySource;
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::scalar::name::FilePath;
use crate::scalar::url::KeysUrl;
use crate::sources::Sources;
use crate::written::Text;

pub(super) fn key_source(
    place: &Place,
    uri: Option<&Text<KeysUrl>>,
    file: Option<&Text<FilePath>>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<KeySource> {
    match (uri, file) {
        (Some(uri), None) => notes
            .text(&place.key("jwks_uri"), Some(uri))
            .map(|KeysUrl(url)| KeySource::Url(url.text)),
        (None, Some(file)) => {
            let place = place.key("jwks_file");
            let (path, text) = readable(&place, file, sources, notes)?;
            let keys = serde_json::from_str::<Value>(&text).ok();
            if !keys.is_some_and(|set| set.get("keys").is_some_and(Value::is_array)) {
                notes.wrong(
                    &place,
                    Flaw::new("is not a key set")
                        .hint("a key set is a JSON object with an array `keys` (RFC 7517)"),
                );
            }
            Some(KeySource::File(path))
        }
        (Some(_), Some(_)) => {
            notes.wrong(
                place,
                Flaw::new("has both jwks_uri and jwks_file").hint("keys come from one place"),
            );
            None
        }
        (None, None) => {
            if !notes.has_unknown_keys(place) {
                notes.wrong(
                    place,
                    Flaw::new("jwks validation requires jwks_uri or jwks_file")
                        .hint("use the kind oidc where the provider supports discovery"),
                );
            }
            None
        }
    }
}
