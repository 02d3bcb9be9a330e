//! Whether a secret could be guessed: what everybody could have written down already (X4).

use std::collections::HashSet;

/// Texts that stand in guides, generators and documentation, and that somebody copies one day. Those of 32 bytes and more; shorter
/// ones are refused for their length, but these two of the guides that this gateway is for, which deserve a better word.
const PUBLISHED: &[&str] = &[
    "dev-key-min-32-chars-required!!",
    "your-secure-session-secret",
    // RFC 7515 appendix A.1
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    // RFC 7520 section 3.5
    "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
    // jwt.io
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-384-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    // the "secret" of Spring's and many other guides
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
    "5367566B59703373367639792F423F4528482B4D6251655468576D5A71347437",
];

/// What only a placeholder says, looked for without regard to case and to what joins the words.
const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "changethis",
    "changein",
    "changebefore",
    "replaceme",
    "replacethis",
    "replacewith",
    "yoursecret",
    "yoursuper",
    "yourjwt",
    "yourown",
    "yoursecure",
    "yourvery",
    "yourkey",
    "your256bit",
    "your384bit",
    "your512bit",
    "supersecret",
    "secretkey",
    "topsecret",
    "mysecret",
    "jwtsecret",
    "devkey",
    "devsecret",
    "notsecure",
    "insecure",
    "inproduction",
    "atleast32",
    "atleast256",
    "32char",
    "example",
];

/// Why the secret is none; `None` when nothing is known against it.
pub(crate) fn weakness(secret: &str) -> Option<&'static str> {
    if repeats(secret.as_bytes()) || is_of_few(secret.as_bytes()) {
        return Some("repeats a short pattern");
    }
    let bare: String = secret
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|char| char.to_ascii_lowercase())
        .collect();
    let published = PUBLISHED.iter().any(|one| one.eq_ignore_ascii_case(secret))
        || PLACEHOLDERS.iter().any(|word| bare.contains(word))
        || climbs(bare.as_bytes());
    published.then_some("is a published example, which everybody knows")
}

/// The same of bytes that should be random.
pub(crate) fn weakness_of_bytes(secret: &[u8]) -> Option<&'static str> {
    if repeats(secret) || is_of_few(secret) {
        return Some("repeats a short pattern");
    }
    if climbs(secret) {
        return Some("is a published example, which everybody knows");
    }
    weakness(str::from_utf8(secret).ok()?)
}

/// One text over and over.
fn repeats(text: &[u8]) -> bool {
    (1..=text.len() / 2).any(|length| {
        text.iter()
            .zip(text.iter().skip(length))
            .all(|(one, other)| one == other)
    })
}

/// Nearly one character throughout, like `000…01`: of 32 random digits so few are different once in ten million times.
fn is_of_few(text: &[u8]) -> bool {
    text.len() >= 16 && text.iter().collect::<HashSet<_>>().len() < 6
}

/// Alphabets and digits in their order: nearly every character follows the one before it.
fn climbs(text: &[u8]) -> bool {
    let steps = text.iter().zip(text.iter().skip(1));
    let climbing = steps.filter(|(one, other)| one.checked_add(1) == Some(**other));
    text.len() > 1 && climbing.count() * 4 >= text.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x4_what_everybody_knows_is_no_secret() {
        for known in [
            "dev-key-min-32-chars-required!!",
            "your-secure-session-secret",
            "your-256-bit-secret-your-256-bit",
            "super-secret-jwt-token-with-at-least-32-characters-long",
            "please-change-me-please-change-1",
            "CHANGE_THIS_TO_SOMETHING_LONG_42",
            "a-string-secret-at-least-256-bits-long",
            "404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",
            "abcdefghijklmnopqrstuvwxyz012345",
            "ABCDEFGH-IJKLMNOP-QRSTUVWX-01234",
            "dev-secret-key-for-testing-only-1",
        ] {
            let found = weakness(known);
            let expected = "is a published example, which everybody knows";
            assert_eq!(found, Some(expected), "{known}");
        }
    }

    #[test]
    fn x4_a_pattern_is_no_secret() {
        for pattern in [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababababababababab",
            "0123456789abcdef0123456789abcdef",
            "correct horsecorrect horsecorrect",
            "3f9c1b7e52d84a603f9c1b7e52d84a60",
            "00000000000000000000000000000001",
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb",
        ] {
            assert_eq!(
                weakness(pattern),
                Some("repeats a short pattern"),
                "{pattern}"
            );
        }
    }

    #[test]
    fn x4_random_text_is_good() {
        for random in [
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vdGhpbmc=",
            "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E",
            "31415926535897932384626433832795",
        ] {
            assert_eq!(weakness(random), None, "{random}");
        }
    }
}
