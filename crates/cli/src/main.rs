//! The program: the only crate that prints, exits, and reads arguments or the environment.

mod check;
mod demo;
mod discreet;
mod explain;
mod health;
mod init;
mod key;
mod logging;
mod report;
mod run;
mod sources;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Under load much of the time goes into short allocations, which this allocator does faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Authentication gateway for MCP servers: it stands in front, they stay as they are.
#[derive(Parser)]
#[command(
    name = "portcullis",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
struct Arguments {
    /// The configuration; else the variable `PORTCULLIS_CONFIG`, else ./gateway.yaml
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C
    Run {
        /// Read variables from this file first; the process environment wins
        #[arg(long, value_name = "FILE")]
        env_file: Option<PathBuf>,
        /// Without a configuration: the MCP server to protect. Needs the variable `OAUTH_ISSUER_URL`; reads `OAUTH_AUDIENCE`, `PORT`, `ADMIN_PORT`, `PUBLIC_URL` and `LOG_LEVEL`
        #[arg(long, value_name = "URL", conflicts_with = "config")]
        upstream: Option<String>,
    },
    /// Say everything that is wrong with the configuration; no provider is asked
    Check {
        /// Print the complete configuration, defaults filled in, secrets as ***
        #[arg(long)]
        resolved: bool,
        /// Read variables from this file first; the process environment wins
        #[arg(long, value_name = "FILE")]
        env_file: Option<PathBuf>,
    },
    /// Write a commented configuration to begin with, for one of the providers and uses under --help, or with rules for a server's tools
    Init(init::Options),
    /// Say whether a route takes a credential, and why: every stage of the decision. The route's providers are asked
    Explain(explain::Arguments),
    /// Print the JSON Schema of gateway.yaml, for editors
    Schema,
    /// Print a token of a `shared_secret` authenticator, for trying things
    Token(token::Options),
    /// Print a secret for the gateway, 32 random bytes; `key new` makes an API key, `key hash` its hash
    Key {
        #[command(subcommand)]
        what: Option<KeyCommand>,
    },
    /// Ask the running gateway whether it is ready (for container health checks)
    Health {
        /// Read variables from this file first; the process environment wins
        #[arg(long, value_name = "FILE")]
        env_file: Option<PathBuf>,
    },
    /// Try it: an identity provider, an MCP server and the gateway before it, all on loopback
    Demo {
        /// Put your own MCP server behind the gateway
        #[arg(long, value_name = "URL")]
        upstream: Option<String>,
        /// The gateway's port; if it is taken, any free one
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Make an API key: print it, for whoever will use it, and its hash, for gateway.yaml
    New,
    /// Print the hash of an API key, which is read on standard input and never from the command line
    Hash,
}

/// Exit codes of contract section 1.
pub(crate) enum End {
    Good,
    /// Something went wrong while running.
    Failed,
    /// The configuration or the command line is at fault.
    Misconfigured,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Good => Self::SUCCESS,
            End::Failed => Self::from(1),
            End::Misconfigured => Self::from(2),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| discreet::exit(error));
    // Both libraries would otherwise choose a provider at their first use, and panic if there were two (trap 7).
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _already = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let end = match arguments.command {
        Command::Run {
            env_file,
            upstream: None,
        } => run::file(arguments.config, env_file.as_deref()),
        Command::Run {
            env_file,
            upstream: Some(upstream),
        } => run::sidecar(&upstream, env_file.as_deref()),
        Command::Check { resolved, env_file } => {
            check::check(arguments.config, env_file.as_deref(), resolved)
        }
        Command::Init(options) => init::run(&options, arguments.config),
        Command::Explain(question) => explain::explain(question, arguments.config),
        Command::Schema => check::schema(),
        Command::Token(options) => token::token(arguments.config, options),
        Command::Key { what: None } => key::random(),
        Command::Key {
            what: Some(KeyCommand::New),
        } => key::new(),
        Command::Key {
            what: Some(KeyCommand::Hash),
        } => key::hash(),
        Command::Health { env_file } => health::health(arguments.config, env_file.as_deref()),
        Command::Demo { upstream, port } => demo::demo(upstream.as_deref(), port),
    };
    end.into()
}
