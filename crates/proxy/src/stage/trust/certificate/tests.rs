use std::fmt::Write as _;

use http::HeaderValue;

use super::*;

/// A certificate and its thumbprint.
fn certificate() -> (Vec<u8>, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(["client.example".to_owned()]).unwrap();
    let der = made.self_signed(&key).unwrap().der().to_vec();
    let hash = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &der));
    (der, hash)
}

/// What these lines say: a thumbprint, an empty text for none, or why they are refused.
fn said(format: CertificateFormat, lines: &[&str]) -> Result<String, String> {
    let told = Told::of(&ClientCertificate {
        header: "client-cert".into(),
        format,
    });
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("client-cert", HeaderValue::from_str(line).unwrap());
    }
    match told.unwrap().read(&headers) {
        Ok(Certificate::Forwarded(hash)) => Ok(hash.unwrap_or_default().into()),
        Ok(Certificate::OfConnection) => panic!("a proxy speaks for its client alone"),
        Err(refusal) => Err(refusal.to_string()),
    }
}

#[track_caller]
fn unreadable(format: CertificateFormat, line: &str) {
    let refused = Err("ambiguous request: a client certificate that is none".to_owned());
    assert_eq!(said(format, &[line]), refused, "{line}");
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            all.push(char::from(byte));
        } else {
            write!(all, "%{byte:02X}").unwrap();
        }
        all
    })
}

fn pem_of(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
}

#[test]
fn r8705_none_one_two() {
    let (der, hash) = certificate();
    let line = format!(":{}:", BASE64_STANDARD.encode(der));
    for format in [
        CertificateFormat::Rfc9440,
        CertificateFormat::Pem,
        CertificateFormat::Xfcc,
    ] {
        assert_eq!(said(format, &[]), Ok(String::new()));
        // nginx and others send it empty where there is no certificate
        assert_eq!(said(format, &[""]), Ok(String::new()));
        let two = Err("ambiguous request: two client certificates".to_owned());
        assert_eq!(said(format, &[&line, &line]), two);
        assert_eq!(said(format, &["", &line]), two);
    }
    assert_eq!(said(CertificateFormat::Rfc9440, &[&line]), Ok(hash));
}

#[test]
fn r8705_bytes_of_a_structured_field() {
    let (der, _) = certificate();
    let text = BASE64_STANDARD.encode(&der);
    let cut = BASE64_STANDARD.encode(&der[..der.len() - 1]);
    let longer = BASE64_STANDARD.encode([&der[..], &[0]].concat());
    for line in [
        text.clone(),
        format!(":{text}"),
        format!("{text}:"),
        format!(":{text}:;a=b"),
        format!(":{text}:, :{text}:"),
        format!("\"{text}\""),
        format!(":{cut}:"),
        format!(":{longer}:"),
        "::".into(),
        ":AAAA:".into(),
        ":".into(),
        "(null)".into(),
    ] {
        unreadable(CertificateFormat::Rfc9440, &line);
    }
}

#[test]
fn r8705_pem_as_in_a_url() {
    let (der, hash) = certificate();
    let (other, _) = certificate();
    let one = pem_of(&der);
    let is = |line: &str| assert_eq!(said(CertificateFormat::Pem, &[line]), Ok(hash.clone()));
    is(&escaped(&one));
    is(&escaped(&one.replace('\n', "\r\n")));
    is(&escaped(&format!("{one}{}", pem_of(&other))));
    // as older proxies write it, on one line
    is(&one.replace('\n', " "));
    for line in [
        BASE64_STANDARD.encode(&der),
        escaped(&one.replace("BEGIN CERTIFICATE", "BEGIN PRIVATE KEY")),
        escaped(one.trim_end().trim_end_matches(END)),
        escaped(&format!("x{one}")),
        escaped(&pem_of(&der[1..])),
        escaped(&format!("{BEGIN}{END}")),
        "%00".into(),
    ] {
        unreadable(CertificateFormat::Pem, &line);
    }
}

#[test]
fn r8705_the_hash_that_envoy_writes() {
    let hex = "0F".repeat(32);
    let hash = BASE64_URL_SAFE_NO_PAD.encode([15; 32]);
    let is = |line: &str| {
        let said = said(CertificateFormat::Xfcc, &[line]);
        assert_eq!(said, Ok(hash.clone()), "{line}");
    };
    is(&format!("Hash={hex}"));
    is(&format!("hash={}", hex.to_lowercase()));
    is(&format!(
        "By=spiffe://a/b;Hash={hex};Subject=\"CN=\\\"x\\\";Hash=0,O=y\";URI=;DNS=a.example"
    ));
    is(&format!("Subject=\"\";Hash=\"{hex}\""));
    for line in [
        hex.clone(),
        "Hash=".into(),
        format!("Hash={}", &hex[1..]),
        format!("Hash={hex}0"),
        format!("Hash={}", "0G".repeat(32)),
        "By=spiffe://a/b;Subject=\"CN=x\"".into(),
        format!("Subject=\";Hash={hex}"),
        format!("Hash={hex};"),
        // two clients, or one that says it is two
        format!("Hash={hex},Hash={hex}"),
        format!("Hash={hex};Hash={hex}"),
        format!("By=a,Hash={hex}"),
        format!("Subject=\"a\"x;Hash={hex}"),
    ] {
        unreadable(CertificateFormat::Xfcc, &line);
    }
}
