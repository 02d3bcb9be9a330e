//! Files and URLs that an authenticator's keys come from.

use std::path::PathBuf;

use serde_json::Value;

use crate::checked::KeySource;
use crate::interpolate;
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

/// A file that is named in the configuration, and its text. What `${…}` put into its name is not shown.
fn readable(
    place: &Place,
    field: &Text<FilePath>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<(PathBuf, String)> {
    let FilePath(path) = notes.text(place, Some(field))?;
    match interpolate::read(&path.to_string_lossy(), sources) {
        Ok(text) => Some((path, text)),
        Err(flaw) => {
            let flaw = if field.is_given() {
                Flaw::new("the file `***` cannot be read")
            } else {
                flaw
            };
            notes.wrong(place, flaw);
            None
        }
    }
}

pub(super) fn certificates(
    place: &Place,
    field: Option<&Text<FilePath>>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<PathBuf> {
    let (path, text) = readable(place, field?, sources, notes)?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        notes.wrong(
            place,
            Flaw::new("is not a PEM certificate").hint("it holds the root certificates believed for this provider, and nothing else is believed then"),
        );
    }
    Some(path)
}
