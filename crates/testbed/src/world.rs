//! The usual cast: a provider, an upstream that writes down what it gets, and the gateway between.

use std::path::Path;

use crate::client::Client;
use crate::gateway::Gateway;
use crate::idp::{Idp, TokenBuilder};
use crate::recorder::Recorder;

/// All three, running.
pub struct World {
    pub idp: Idp,
    pub server: Recorder,
    pub gateway: Gateway,
}

impl World {
    /// Starts the program with this file, in which `{idp}` stands for the issuer and `{upstream}` for the origin of the upstream.
    pub async fn start(program: &Path, template: &str) -> Self {
        Self::start_with(program, Idp::start().await, template).await
    }

    /// The same with a provider of one's own.
    pub async fn start_with(program: &Path, idp: Idp, template: &str) -> Self {
        let server = Recorder::start().await;
        let yaml = filled(template, &idp, &server);
        let gateway = Gateway::start(program, &yaml).await;
        Self {
            idp,
            server,
            gateway,
        }
    }

    /// Puts another configuration in the place of the one in use; when it is taken up is another matter.
    #[track_caller]
    pub fn rewrite(&self, template: &str) {
        let yaml = filled(template, &self.idp, &self.server);
        self.gateway.rewrite(&yaml);
    }

    /// A client of the gateway.
    pub fn client(&self) -> Client {
        self.gateway.client()
    }

    /// A good token for the resource at `/mcp`.
    pub fn token(&self) -> TokenBuilder {
        self.token_for("/mcp")
    }

    /// A good token for the resource at this path.
    pub fn token_for(&self, path: &str) -> TokenBuilder {
        self.idp.token().audience(&self.gateway.url(path))
    }
}

fn filled(template: &str, idp: &Idp, server: &Recorder) -> String {
    template
        .replace("{idp}", idp.issuer())
        .replace("{upstream}", &server.url())
}
