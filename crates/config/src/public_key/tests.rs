//! PEM texts as `openssl` writes them, made for this page.

use proptest::prelude::*;

use super::*;

const RSA_2048: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAv0C7OBrw5Mf2L7U5ZY3g
7UZgaMpEwE0UkJvxFvv+fFw84cGzst0mRbeXf7SoUE5DNmORRFSYoLf7+s1wX18S
AMRizt99SeghLkDZUU7GXSqAbhMy2PRg5MRcGWiuYfHQYiW1h7hS5dP+8ypiPhJw
A5bAjzGdhuBbh5gfA0r5kykMwSRGS3+4ReKG3PWT2ft7Koz/YAGPO5A4gPF9ti2T
0Wy/7IhlkAiPAuBXM34cI15cmTRdjdJw3lpOzQ3dsNnOAYh2t7P4GFMZtQmWxRcX
b1qduqGB9JgDA0KxfV6Mp6Tv6/m179wHXiW0YZVpUTIqhhGxZTNo+TsifjnsVjo0
MwIDAQAB
-----END PUBLIC KEY-----
";
const RSA_2048_PKCS1: &str = "\
-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAv0C7OBrw5Mf2L7U5ZY3g7UZgaMpEwE0UkJvxFvv+fFw84cGzst0m
RbeXf7SoUE5DNmORRFSYoLf7+s1wX18SAMRizt99SeghLkDZUU7GXSqAbhMy2PRg
5MRcGWiuYfHQYiW1h7hS5dP+8ypiPhJwA5bAjzGdhuBbh5gfA0r5kykMwSRGS3+4
ReKG3PWT2ft7Koz/YAGPO5A4gPF9ti2T0Wy/7IhlkAiPAuBXM34cI15cmTRdjdJw
3lpOzQ3dsNnOAYh2t7P4GFMZtQmWxRcXb1qduqGB9JgDA0KxfV6Mp6Tv6/m179wH
XiW0YZVpUTIqhhGxZTNo+TsifjnsVjo0MwIDAQAB
-----END RSA PUBLIC KEY-----
";
const RSA_1024: &str = "\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCumooc0pjW2v7AoBNq5yoLffI1
LLSR3i+0vbSqiBKSUT7ERo6M9KesKy2sf8tZHrtdNAXBw0dGPK9WqSMVTJRFzrBA
gVoUG7OqvmoZix3vn/hAQATdV+JfQ+zaG8dX1NtW34o8ycW3QkhtbCzMa8T3hnHt
f7cuWgu8XoVK9BcbBwIDAQAB
-----END PUBLIC KEY-----
";
pub(crate) const P256: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnaJbB7K7sqijiEohEDbj3U3iSQjX
TajXylP+qx++C5HQKbPDW+hyoRXdnfQ9scKdQaPQpAVxKz61TStCHOjD8Q==
-----END PUBLIC KEY-----
";
const P256_COMPRESSED: &str = "\
-----BEGIN PUBLIC KEY-----
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADnaJbB7K7sqijiEohEDbj3U3iSQjX
TajXylP+qx++C5E=
-----END PUBLIC KEY-----
";
const P384: &str = "\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEgBTSUYN9e9ndRjiGQjZ8iC1XPQCET5IE
MsXaS/aBhc0S2vuBAmSxvfS8+pZiZBRiq6lW2I0DDYI9tKXtAryy41ZzcLn/KhgD
/Z2hybi3UT0f1YoCpkeeuYPuKXH4VNK5
-----END PUBLIC KEY-----
";
const P521: &str = "\
-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAt6dPTuCvmOHPBbvnO3s/OkXxlIgM
NTF4g5x4EHAWvlBVgk37joISaugTT0nQWtxJUgt/cUpJskuD6VKgXGSyXXkBbxIa
H3q7YuLtwFYyUC8b5+cKq3BuCFoulH1EYWDwkk4VTXz9XO7t8+X5CD3NlDdFVbjw
F3bjqQYPdnfb2BzN0Vs=
-----END PUBLIC KEY-----
";
const SECP256K1: &str = "\
-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAECjspLzkcO+PhOA6mS+wAPMuO2FgwmuNN
EhjlzkZ7cUwBMO647Wu+6bilI01OAGMGVIfzxRiofvG87pLKo+rwhg==
-----END PUBLIC KEY-----
";
const ED25519: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAM8XdNSrS5Ng8NtUx/bJfF/31TRif3JAkcW4jteuBcZ8=
-----END PUBLIC KEY-----
";
const X25519: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEAkwCiMWGdZM+RlwTwZuKu6IcelNJYVB2tpcUVs25ZNx8=
-----END PUBLIC KEY-----
";
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIUVGyJLwTN10XqoR5TabYzMp6JIcwwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAeFw0yNjExMjExMzQwMjJaFw0yOTA4MTcxMzQwMjJaMAwx
CjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASdolsHsruyqKOI
SiEQNuPdTeJJCNdNqNfKU/6rH74LkdAps8Nb6HKhFd2d9D2xwp1Bo9CkBXErPrVN
K0Ic6MPxo1MwUTAdBgNVHQ4EFgQUkyi1GTVk0wA4eB8FZCJHG7PIGKswHwYDVR0j
BBgwFoAUkyi1GTVk0wA4eB8FZCJHG7PIGKswDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiAfGndwq2MXH5kLmr+uFyYqAxMf0UvUbBPfPAbPP5CHQgIh
AJT1OHWj91M/mCX0HI2BO5s7oA3ydfY1roPOWdc9mr22
-----END CERTIFICATE-----
";

#[track_caller]
fn refused(text: &str, reason: &str) {
    let flaw = PublicKey::parse(text).unwrap_err();
    assert!(flaw.reason.contains(reason), "{flaw:?}");
}

#[test]
fn s0_32_a_public_key_is_read_from_its_pem() {
    for (text, kind, usual) in [
        (RSA_2048, "an RSA key", Algorithm::Rs256),
        (RSA_2048_PKCS1, "an RSA key", Algorithm::Rs256),
        (P256, "a P-256 key", Algorithm::Es256),
        (P384, "a P-384 key", Algorithm::Es384),
        (ED25519, "an Ed25519 key", Algorithm::EdDsa),
    ] {
        let key = PublicKey::parse(text).unwrap();
        assert_eq!(key.kind(), kind);
        assert_eq!(key.algorithms()[0], usual);
        assert_eq!(key.pem(), text, "written as it was read");
    }
    let (spki, pkcs1) = (PublicKey::parse(RSA_2048), PublicKey::parse(RSA_2048_PKCS1));
    assert!(spki.unwrap().numbers() == pkcs1.unwrap().numbers());
}

#[test]
fn s0_32_a_pem_may_be_one_line_and_have_remarks() {
    let usual = PublicKey::parse(P256).unwrap();
    for text in [
        P256.replace('\n', "\\n"),
        P256.replace('\n', "\r\n"),
        P256.replace('\n', "\\r\\n"),
        P256.replace('\n', " "),
        format!("# of the old service\n{P256}\n"),
    ] {
        assert!(PublicKey::parse(&text).unwrap() == usual, "{text}");
    }
}

#[test]
fn s0_32_what_is_no_public_key_is_called_by_its_name() {
    refused("", "is not a PEM text");
    refused("your-secret", "is not a PEM text");
    refused(CERTIFICATE, "is a certificate");
    for label in [
        "PRIVATE",
        "RSA PRIVATE",
        "EC PRIVATE",
        "ENCRYPTED PRIVATE",
        "OPENSSH PRIVATE",
    ] {
        let private = P256.replace("PUBLIC", label);
        refused(&private, "is a private key");
        let flaw = PublicKey::parse(&private).unwrap_err();
        assert!(flaw.hint.unwrap().contains("-pubout"));
    }
    refused(
        &P256.replace("PUBLIC KEY", "DH PARAMETERS"),
        "not one of a public key",
    );
    refused(&format!("{P256}{P384}"), "more than one");
    refused(&P256.replace("END", "FIN"), "without its END");
    refused(&P256.replace("MFkw", "MF!w"), "is not base64");
    refused(&P256.replace("MFkw", "MFow"), "is not a public key inside");
    refused(
        &P256.replace("PUBLIC", "RSA PUBLIC"),
        "is not an RSA key inside",
    );
    refused(RSA_1024, "1024 bits");
    refused(P521, "curve that is not known");
    refused(SECP256K1, "curve that is not known");
    refused(P256_COMPRESSED, "uncompressed");
    refused(X25519, "kind that is not known");
    refused(&"x".repeat(LONGEST + 1), "longer than any");
}

#[test]
fn s0_32_no_byte_of_a_key_can_go_missing() {
    let text = RSA_2048
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect::<String>();
    let bytes = STANDARD.decode(text).unwrap();
    for end in 0..bytes.len() {
        let cut = written("PUBLIC KEY", &bytes[..end]);
        assert!(PublicKey::parse(&cut).is_err(), "{end}");
    }
    let longer = written("PUBLIC KEY", &[&bytes[..], &[0]].concat());
    assert!(PublicKey::parse(&longer).is_err());
}

#[test]
fn s0_32_a_public_key_is_known_in_any_form() {
    let bare: String = P256.lines().filter(|line| !line.starts_with('-')).collect();
    for text in [
        P256,
        CERTIFICATE,
        &bare,
        r#"{"kty":"RSA","n":"AQAB"}"#,
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@here",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ me@here",
    ] {
        assert!(looks_like_one(text), "{text}");
    }
    for text in [
        "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E",
        "MFkwqN7pXc2Vb9sLr4TzKj8mWd3HfGy6",
        "",
    ] {
        assert!(!looks_like_one(text), "{text}");
    }
}

proptest! {
    #[test]
    fn s0_32_any_bytes_are_read_as_a_key_without_panic(
        start in 0..80_usize, bytes in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        // a good beginning, so that the reader gets somewhere
        let text = P256.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        let mut der = STANDARD.decode(text).unwrap();
        der.truncate(start);
        der.extend(bytes);
        let _ = PublicKey::parse(&written("PUBLIC KEY", &der));
        let _ = PublicKey::parse(&written("RSA PUBLIC KEY", &der));
    }

    #[test]
    fn s0_32_any_text_is_read_as_a_key_without_panic(text in "(?s)(-----BEGIN [A-Z ]{0,20}-----)?.{0,200}") {
        let _ = PublicKey::parse(&text);
        let _ = looks_like_one(&text);
    }
}
