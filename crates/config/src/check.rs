//! Every rule: the only road from what was written to what it means.
//!
//! Nothing here stops at the first problem. A value that cannot be read is noted and replaced by its default, so that the rest can be
//! looked at; the configuration that comes of it is thrown away.

mod across;
mod admin;
mod audit;
mod authenticator;
mod dangerous;
mod deny;
mod file;
mod route;
mod server;
mod sessions;

pub use authenticator::expired_keys;
pub use deny::{DenyNames, deny_list};

use dangerous::dangerous;

use crate::checked::{Config, Level, LogFormat, Logging, Profile};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::{Problem, Problems};
use crate::raw;
use crate::sources::Sources;
use crate::written::Block;

/// A configuration, and what its operator should know of it.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Problem>,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The configuration a file means, or everything that is wrong with it. What was found before counts too.
pub(crate) fn check(
    file: raw::File,
    sources: &dyn Sources,
    mut notes: Notes,
) -> Result<Loaded, Problems> {
    let root = Place::root();
    let profile = notes.text_or(
        &root.key("profile"),
        file.profile.as_ref(),
        Profile::Development,
    );
    let server = server::check(file.server, sources, &mut notes);
    let admin = admin::check(file.admin, &server, &mut notes);
    let logging = logging(file.logging, &mut notes);
    let audit = audit::check(file.audit, sources, &mut notes);
    let credential_cache = notes.size(
        &root.key("credential_cache"),
        file.credential_cache.as_ref(),
        64 * MIB,
        64 * KIB..=64 * GIB,
    );
    let deny = deny::check(file.deny, sources, &mut notes);
    let sessions = sessions::check(file.sessions, profile, &mut notes);
    let authenticators =
        authenticator::check_all(file.authenticators, &server, sources, &mut notes);
    let routes = route::check_all(file.routes, &server, &authenticators, sources, &mut notes);
    across::check(
        &server,
        &admin,
        audit.as_ref(),
        &authenticators,
        &routes,
        &mut notes,
    );

    dangerous::judge(profile, &mut notes);
    if !notes.problems.is_empty() {
        notes
            .problems
            .sort_by_cached_key(|problem| order(&problem.path));
        return Err(Problems::new(notes.problems));
    }
    let config = Config {
        profile,
        server,
        admin,
        logging,
        audit,
        credential_cache,
        deny,
        sessions,
        // Without a problem, every one of them is there.
        authenticators: authenticators
            .into_iter()
            .filter_map(|entry| entry.checked)
            .collect(),
        routes: routes.into_iter().map(|entry| entry.route).collect(),
    };
    let mut warnings = notes.warnings;
    warnings.extend(deny::missed(&config.deny, &config.authenticators));
    Ok(Loaded { config, warnings })
}

/// Problems of one section, authenticator or route stand together, in the order of the sample; within them as they were found.
fn order(path: &str) -> (usize, usize, String) {
    const SECTIONS: &[&str] = &[
        "profile",
        "server",
        "admin",
        "logging",
        "audit",
        "credential_cache",
        "deny",
        "sessions",
        "authenticators",
        "routes",
    ];
    let mut words = path.split(['.', '[', ']']);
    let section = words.next().unwrap_or_default();
    let rank = SECTIONS
        .iter()
        .position(|known| *known == section)
        .map_or(0, |position| position + 1);
    let entry = words.next().unwrap_or_default();
    match section {
        "routes" => (rank, entry.parse().unwrap_or_default(), String::new()),
        "authenticators" => (rank, 0, entry.to_owned()),
        _ => (rank, 0, String::new()),
    }
}

fn logging(raw: Option<Block<raw::Logging>>, notes: &mut Notes) -> Logging {
    let place = Place::root().key("logging");
    let raw = notes.block(&place, raw);
    let debug = notes.text_or(&place.key("debug"), raw.debug.as_ref(), false);
    let level = notes.text_or(&place.key("level"), raw.level.as_ref(), Level::Info);
    Logging {
        level: match level {
            Level::Error | Level::Warn | Level::Info if debug => Level::Debug,
            other => other,
        },
        format: notes.text_or(&place.key("format"), raw.format.as_ref(), LogFormat::Text),
    }
}

#[cfg(test)]
mod tests {
    use crate::Level;
    use crate::testing::{good, wrong};

    #[test]
    fn s3_49_debug_is_a_level_by_another_name() {
        let level = |text: &str| good(&format!("logging: {text}")).logging.level;
        assert_eq!(level("{ debug: true }"), Level::Debug);
        assert_eq!(
            level("{ debug: '${MCP_DEBUG_CONSOLE:-false}' }"),
            Level::Info
        );
        assert_eq!(level("{ debug: '${X:-true}', level: warn }"), Level::Debug);
        assert_eq!(level("{ debug: true, level: trace }"), Level::Trace);
        wrong(
            "logging: { debug: 1 }",
            &["logging.debug: `1` is neither true nor false"],
        );
    }
}
