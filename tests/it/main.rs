//! Stories about the whole program, one file for each subject. They run the real binary and see only what a stranger would: sockets,
//! output, exit codes. `tidy` and `ledger` are about this repository itself.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test can do nothing with an error but fail, in what its functions share too"
)]

mod admin;
mod api_key_commands;
mod api_keys;
mod attacks;
mod audiences;
mod audit;
mod audit_disk;
mod audit_outages;
mod audit_reload;
mod back_channel;
mod bodies;
mod bound_certificates;
mod certificates;
mod challenges;
mod collectors;
mod commands;
mod configuration;
mod cors;
mod credential_states;
mod dangerous;
mod deadlines;
mod demo;
mod deny;
mod deploy;
mod dpop;
mod environment;
mod explain;
mod explain_own;
mod forwarded;
mod forwarding;
mod frames;
mod framing;
mod hosts_and_paths;
mod http1_hygiene;
mod http2;
mod http2_abuse;
mod http2_floods;
mod https;
mod identity_headers;
mod introspection;
mod introspection_streams;
mod keys;
mod ledger;
mod limits;
mod logs;
mod manifests;
mod methods;
mod minting;
mod operator;
mod own_answers;
mod own_tokens;
mod presets;
mod profile;
mod protected_resource;
mod providers;
mod proxy_protocol;
mod reload;
mod reload_streams;
mod secrets;
mod series;
mod setting;
mod shutdown;
mod sidecar;
mod start;
mod stream_limits;
mod streams;
mod stripping;
mod support;
mod tidy;
mod tls;
mod to_https;
mod tokens;
mod traces;
mod trail;
mod tree;
mod tunnel;
mod upstream_failures;
mod upstream_sessions;
mod upstream_tls;
mod upstreams;
