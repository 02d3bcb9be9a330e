//! Files that keys of the configuration name.

use std::path::PathBuf;

use crate::checked::Pair;
use crate::interpolate;
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::scalar::name::FilePath;
use crate::sources::Sources;
use crate::written::Text;

/// A file that is named in the configuration, and its text. What `${…}` put into its name is not shown.
pub(in crate::check) fn readable(
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

/// A file of PEM certificates; `meaning` says what they are for.
pub(in crate::check) fn certificates(
    place: &Place,
    field: Option<&Text<FilePath>>,
    meaning: &str,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<PathBuf> {
    let (path, text) = readable(place, field?, sources, notes)?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        notes.wrong(place, Flaw::new("is not a PEM certificate").hint(meaning));
    }
    Some(path)
}

/// A certificate and its key, both of which have to be there.
pub(in crate::check) fn pair(
    place: &Place,
    certificate: Option<&Text<FilePath>>,
    private_key: Option<&Text<FilePath>>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<Pair> {
    let (certificate_place, key_place) = (place.key("certificate"), place.key("private_key"));
    for (place, field) in [(&certificate_place, certificate), (&key_place, private_key)] {
        if field.is_none() {
            notes.missing(place, "a certificate and its key belong together");
        }
    }
    let certificate = certificates(
        &certificate_place,
        certificate,
        "the certificate stands first, then those between it and the root",
        sources,
        notes,
    );
    let private_key = private_key.and_then(|field| {
        let (path, text) = readable(&key_place, field, sources, notes)?;
        if !text.contains("PRIVATE KEY-----") {
            notes.wrong(
                &key_place,
                Flaw::new("is not a PEM private key")
                    .hint("it begins with -----BEGIN PRIVATE KEY-----"),
            );
        } else if text.contains("ENCRYPTED") {
            notes.wrong(
                &key_place,
                Flaw::new("is encrypted")
                    .hint("nobody is there to type a passphrase; protect the file by its mode"),
            );
        }
        Some(path)
    });
    Some(Pair {
        place: place.to_string().into(),
        certificate: certificate?,
        private_key: private_key?,
    })
}
