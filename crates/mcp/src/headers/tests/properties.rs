use proptest::prelude::*;

use super::*;

proptest! {
    /// A name as a client sends it, plain or encoded, agrees with itself and with no other.
    #[test]
    fn hdr_7_whatever_the_name_its_encoding_agrees_and_another_does_not(name: String, other: String) {
        let body = |name: &str| modern("tools/call", &format!(r#""name":{},"#, serde_json::to_string(name).unwrap()));
        let encoded = format!("=?base64?{}?=", STANDARD.encode(&name));
        prop_assert_eq!(compared(&[VERSION, METHOD, ("name", &encoded)], &body(&name)), Ok(()));
        prop_assert_eq!(compared(&[VERSION, METHOD, ("name", &encoded)], &body(&other)).is_ok(), name == other);
    }

    #[test]
    fn hdr_7_a_plain_name_agrees_with_itself_alone(name in "[!-~]([ -~]*[!-~])?", other in "[!-~]{1,3}") {
        prop_assume!(!(name.starts_with("=?base64?") && name.ends_with("?=")));
        let body = |name: &str| modern("tools/call", &format!(r#""name":{},"#, serde_json::to_string(name).unwrap()));
        prop_assert_eq!(compared(&[VERSION, METHOD, ("name", &name)], &body(&name)), Ok(()));
        prop_assert_eq!(compared(&[VERSION, METHOD, ("name", &name)], &body(&other)).is_ok(), name == other);
    }
}
