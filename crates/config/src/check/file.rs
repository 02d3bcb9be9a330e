//! Files that keys of the configuration name.

use std::path::PathBuf;

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
