//! What stories about TLS begin with: an authority, certificates in files, and clients that believe nobody else.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use testbed::World;
use testbed::client::{Connection, Request};
use testbed::clock;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::setting::program;
use crate::support::config;

/// An authority and a folder for what it signs.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) folder: TempDir,
}

/// From when to when a certificate is good, in days from now.
pub(crate) type Days = (i64, i64);
pub(crate) const GOOD: Days = (-10, 1000);
pub(crate) const EXPIRED: Days = (-10, -1);

/// A certificate of our own, as a client shows it.
pub(crate) struct Own {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Own {
    /// As RFC 8705 writes it in tokens that are bound to a certificate.
    pub(crate) fn thumbprint(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.chain[0]))
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn signed(&self, subject: &str, names: &[&str], days: Days) -> (String, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        let now = i64::try_from(clock::system()()).unwrap();
        let at = |days: i64| {
            let seconds = u64::try_from(now + days * 24 * 60 * 60).unwrap();
            date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        (params.not_before, params.not_after) = (at(days.0), at(days.1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes `NAME.crt` and `NAME.key`, as a renewal does it: beside the old ones, then in their place.
    pub(crate) fn write(&self, name: &str, names: &[&str], days: Days) {
        let (certificate, key) = self.signed(name, names, days);
        for (extension, text) in [("crt", certificate), ("key", key.serialize_pem())] {
            let new = self.path(&format!("{name}.{extension}.new"));
            fs::write(&new, text).unwrap();
            fs::rename(new, self.path(&format!("{name}.{extension}"))).unwrap();
        }
    }

    /// Writes the authority's own certificate.
    pub(crate) fn write_root(&self, file: &str) {
        fs::write(self.path(file), self.issuer.pem()).unwrap();
    }

    /// A certificate for a client.
    pub(crate) fn own(&self, subject: &str) -> Own {
        let (_, key) = self.signed(subject, &[], GOOD);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Own {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// Keys of `server` for the pair `NAME`, and more within `tls`.
    pub(crate) fn keys(&self, name: &str, more: &str) -> String {
        format!("tls: {{ {}{more} }}", self.pair(name))
    }

    pub(crate) fn pair(&self, name: &str) -> String {
        let file = |extension: &str| self.path(&format!("{name}.{extension}"));
        format!(
            "certificate: \"{}\", private_key: \"{}\"",
            file("crt").display(),
            file("key").display()
        )
    }

    /// How clients connect that believe this authority.
    pub(crate) fn connector(&self, how: &How) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(how.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &how.own {
            Some(own) => builder
                .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = how
            .alpn
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        TlsConnector::from(Arc::new(config))
    }

    /// Connects under a name as most clients do, to speak HTTP/1.1.
    pub(crate) async fn open(&self, world: &World, name: &str) -> TlsStream<TcpStream> {
        let stream = self.connect(world, name, How::default()).await;
        stream.unwrap_or_else(|error| panic!("no handshake for {name}: {error}"))
    }

    /// Connects under a name; an error is a handshake that failed.
    pub(crate) async fn connect(
        &self,
        world: &World,
        name: &str,
        how: How,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        connect(&self.connector(&how), world, name).await
    }
}

/// The only version that a client speaks.
pub(crate) static TLS12: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
pub(crate) static TLS13: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// The same with a connector that remembers sessions.
pub(crate) async fn connect(
    connector: &TlsConnector,
    world: &World,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(world.gateway.address()).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    connector.connect(name, tcp).await
}

/// What a client offers.
pub(crate) struct How {
    pub(crate) alpn: &'static [&'static str],
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) own: Option<Own>,
}

impl Default for How {
    fn default() -> Self {
        Self {
            alpn: &["http/1.1"],
            versions: rustls::ALL_VERSIONS,
            own: None,
        }
    }
}

/// A world whose gateway speaks TLS as these keys of `server` say.
pub(crate) async fn world(server: &str, routes: &[&str]) -> World {
    World::start(program(), &config(server, routes)).await
}

/// A request for a name at the gateway's port, with a good token for it.
pub(crate) fn call(world: &World, name: &str) -> Request {
    let authority = format!("{name}:{}", world.gateway.address().port());
    let token = world
        .idp
        .token()
        .audience(&format!("https://{authority}/mcp"));
    let request = world.client().post("/mcp").host(&authority);
    request.body("{}").bearer(token)
}

/// The DER of the certificate that the gateway showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let (_, connection) = stream.get_ref();
    connection.peer_certificates().unwrap()[0].to_vec()
}

/// Sends one request over HTTP/1.1.
pub(crate) async fn send(
    stream: TlsStream<TcpStream>,
    request: &Request,
) -> testbed::client::Answer {
    let mut connection = Connection::over(stream);
    connection.write(&request.to_bytes()).await;
    connection.answer().await.unwrap()
}
