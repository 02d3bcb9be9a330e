//! Requests of the gateway's own, to whoever is no upstream of a request: a collector, a server that is looked at.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use config::Scheme;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, ResponseFuture, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::upstream::with_roots;

/// Sends one request and follows no redirect. Whoever waits for the answer bounds the time.
pub(crate) type Post = Box<dyn Fn(Request<Full<Bytes>>) -> ResponseFuture + Send + Sync>;

/// A client with one connection, which is made within `timeout`. Certificates are judged by the system's roots.
pub(crate) fn post(scheme: Scheme, timeout: Duration) -> Post {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(timeout));
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(1);
    match scheme {
        Scheme::Http => {
            let client = builder.build::<_, Full<Bytes>>(tcp);
            Box::new(move |request| client.request(request))
        }
        Scheme::Https => {
            tcp.enforce_http(false);
            let https = hyper_rustls::HttpsConnectorBuilder::new()
                .with_tls_config(with_roots())
                .https_only()
                .enable_http1()
                .wrap_connector(tcp);
            let client = builder.build::<_, Full<Bytes>>(https);
            Box::new(move |request| client.request(request))
        }
    }
}

/// What went wrong, and why, and why that.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
