//! The section `audit`: one place for the records, and what happens while it takes none.

use std::path::Path;

use crate::checked::{Audit, AuditLevel, AuditSink, OnFull};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::name::FilePath;
use crate::scalar::word::AuditChoice;
use crate::sources::Sources;
use crate::written::Block;

/// About a kilobyte each while they wait, so that the largest queue is some hundred megabytes.
const QUEUE: u32 = 4096;
const LARGEST_QUEUE: u32 = 262_144;

pub(super) fn check(
    raw: Option<Block<raw::Audit>>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<Audit> {
    let place = Place::root().key("audit");
    let raw = notes.fields(&place, raw?)?;
    let choice = AuditChoice::Level(AuditLevel::Info);
    let level = match notes.text_or(&place.key("level"), raw.level.as_ref(), choice) {
        AuditChoice::Level(level) => level,
        AuditChoice::Off => return None,
    };
    let file_place = place.key("file");
    let file = notes.text(&file_place, raw.file.as_ref());
    let stdout_place = place.key("stdout");
    let stdout = notes.text_or(&stdout_place, raw.stdout.as_ref(), false);
    let sink = if let Some(FilePath(path)) = file {
        if stdout {
            notes.wrong(
                &stdout_place,
                Flaw::new("stands beside `file`")
                    .hint("records go to one place; what reads it may copy them to another"),
            );
        }
        if !sources.has_folder(folder(&path)) {
            notes.wrong(
                &file_place,
                Flaw::new("lies in a folder that does not exist")
                    .hint("make it, for the user the gateway runs as"),
            );
        }
        AuditSink::File(path)
    } else {
        if !stdout && raw.file.is_none() && !notes.has_unknown_keys(&place) {
            notes.wrong(
                &place,
                Flaw::new("names no place for the records")
                    .hint("give it `file: /var/log/portcullis/audit.jsonl`, or `stdout: true`"),
            );
        }
        AuditSink::Stdout
    };
    let queue = notes.count(
        &place.key("queue"),
        raw.queue.as_ref(),
        QUEUE,
        16..=LARGEST_QUEUE,
    );
    Some(Audit {
        sink,
        level,
        on_full: notes.text_or(&place.key("on_full"), raw.on_full.as_ref(), OnFull::Block),
        queue: usize::try_from(queue).unwrap_or(usize::MAX),
    })
}

/// The folder of a file; that of a bare name is the one we are in.
fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;
    use crate::testing::{Fixed, good, problems, with, wrong};

    fn read(text: &str) -> Audit {
        let sources = Fixed::default().folder("/var/log");
        let loaded = load(&with(text), &sources).unwrap_or_else(|problems| panic!("{problems}"));
        loaded.config.audit.unwrap()
    }

    #[test]
    fn s3_49_records_are_kept_or_not_as_a_variable_says() {
        let audit = |level: &str| {
            let file = "${MCP_LOG_DIRECTORY:-logs}/audit.jsonl";
            let text = with(&format!("audit: {{ file: '{file}', level: {level} }}"));
            let sources = Fixed::default().folder("logs").var("ON", "true");
            let sources = sources.var("OFF", "false");
            load(&text, &sources).map(|loaded| loaded.config.audit)
        };
        for on in ["info", "'${ON}'", "'${NONE:-true}'"] {
            let kept = audit(on).unwrap().unwrap();
            assert_eq!(kept.level, AuditLevel::Info, "{on}");
            assert_eq!(kept.sink, AuditSink::File("logs/audit.jsonl".into()));
        }
        for off in ["off", "'${OFF}'", "'${NONE:-false}'"] {
            assert_eq!(audit(off).unwrap(), None, "{off}");
        }
        // then nobody asks whether the folder is there
        assert_eq!(good("audit: { file: /no/x, level: off }").audit, None);
        wrong(
            "audit: { file: /no/x, level: none }",
            &[
                "audit.level: `none` is not one of info, refusals, off, true, false",
                "audit.file: lies in a folder that does not exist",
            ],
        );
    }

    #[test]
    fn s0_62_a_file_a_level_and_what_happens_when_it_is_full() {
        assert_eq!(good("").audit, None);
        assert_eq!(
            read("audit: { file: /var/log/audit.jsonl }"),
            Audit {
                sink: AuditSink::File("/var/log/audit.jsonl".into()),
                level: AuditLevel::Info,
                on_full: OnFull::Block,
                queue: 4096,
            }
        );
        assert_eq!(
            read("audit: { stdout: true, level: refusals, on_full: drop, queue: 16 }"),
            Audit {
                sink: AuditSink::Stdout,
                level: AuditLevel::Refusals,
                on_full: OnFull::Drop,
                queue: 16,
            }
        );
    }

    #[test]
    fn s0_62_there_is_one_place_and_it_can_be_there() {
        for nowhere in ["audit:", "audit: {}", "audit: { stdout: false }"] {
            wrong(nowhere, &["audit: names no place for the records"]);
        }
        wrong(
            "audit: { file: /gone/audit.jsonl }",
            &["audit.file: lies in a folder that does not exist"],
        );
        assert_eq!(
            problems("audit: { file: /gone/a, stdout: true, queue: 15 }"),
            [
                "audit.stdout: stands beside `file`",
                "audit.file: lies in a folder that does not exist",
                "audit.queue: must be at least 16",
            ]
        );
        // one problem is one problem
        assert_eq!(problems("audit: { flie: /var/log/a }").len(), 1);
        assert_eq!(problems("audit: { file: '' }").len(), 1);
    }

    #[test]
    fn a_bare_name_lies_in_the_folder_we_are_in() {
        assert_eq!(folder(Path::new("audit.jsonl")), Path::new("."));
        assert_eq!(folder(Path::new("/audit.jsonl")), Path::new("/"));
    }
}
