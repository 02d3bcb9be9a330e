use std::os::unix::fs::symlink;

use super::*;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

fn put(file: &mut AuditFile, text: &str) {
    assert_eq!(file.write(text.as_bytes()).unwrap(), text.len());
}

#[test]
fn s0_62_a_file_is_made_for_nobody_else_and_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    put(&mut AuditFile::open(&path).unwrap(), "one\n");
    assert_eq!(mode(&path), 0o600);
    put(&mut AuditFile::open(&path).unwrap(), "two\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
}

#[test]
fn s0_62_a_mode_that_is_too_wide_is_narrowed_and_a_group_may_go_on_reading() {
    let folder = tempfile::tempdir().unwrap();
    for (found, left) in [
        (0o644, 0o640),
        (0o666, 0o640),
        (0o640, 0o640),
        (0o600, 0o600),
        (0o777, 0o640),
    ] {
        let path = folder.path().join(format!("{found:o}"));
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(found)).unwrap();
        AuditFile::open(&path).unwrap();
        assert_eq!(mode(&path), left, "{found:o}");
    }
}

#[test]
fn s0_62_what_is_no_plain_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "").unwrap();
    symlink(at("file"), at("link")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    let refused = |path: &Path| AuditFile::open(path).err().unwrap().to_string();
    assert!(refused(&at("link")).contains("a link"));
    assert!(refused(&at("dangling")).contains("a link"));
    assert!(!at("nowhere").exists());
    assert!(refused(folder.path()).contains("no plain file"));
    assert!(refused(Path::new("/dev/null")).contains("no plain file"));
    assert!(refused(&at("gone/file")).contains("No such file"));
}

#[test]
fn s0_62_a_renamed_or_removed_file_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut file = AuditFile::open(&path).unwrap();
    assert!(!file.look_after(true).unwrap(), "it is still there");
    std::fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
    assert!(file.look_after(true).unwrap());
    put(&mut file, "new\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
    std::fs::remove_file(&path).unwrap();
    assert!(file.look_after(true).unwrap());
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_that_cannot_be_made_anew_is_not_written_to_under_its_old_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut file = AuditFile::open(&path).unwrap();
    let rotated = folder.path().join("audit.jsonl.1");
    std::fs::rename(&path, &rotated).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(file.look_after(true).is_err());
    assert!(file.write(b"lost\n").is_err());
    assert_eq!(std::fs::read_to_string(&rotated).unwrap(), "");
    std::fs::remove_dir(&path).unwrap();
    assert!(
        file.look_after(false).unwrap(),
        "while it is not open, each look is a try"
    );
    put(&mut file, "again\n");
}

#[test]
fn sec_78_the_last_bytes_are_taken_back_only_if_they_are_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut file = AuditFile::open(&path).unwrap();
    put(&mut file, "one\n{\"ti");
    file.take_back(b"{\"ti").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
    put(&mut file, "{\"ti");
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"other\n")
        .unwrap();
    assert!(file.take_back(b"{\"ti").is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n{\"tiother\n");
}

#[test]
fn sec_78_a_line_that_a_killed_process_left_is_ended_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::fs::write(&path, "{}\n{\"time\":").unwrap();
    put(&mut AuditFile::open(&path).unwrap(), "{}\n");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{}\n{\"time\":\n{}\n"
    );
}
