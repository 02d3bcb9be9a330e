//! What is decided at start and cannot be changed while running.

use std::collections::{BTreeMap, BTreeSet};

use config::{Admin, Auth, Config, Dangers, Logging, Route, Server};

/// The keys that differ. Every key of the file is named here, so that a new one does not compile before somebody decides.
pub(super) fn needed(old: &Config, new: &Config) -> Vec<String> {
    let Config {
        profile,
        server,
        admin: Admin {
            listen: admin,
            token: _,
        },
        logging: Logging { level: _, format },
        audit,
        credential_cache: _,
        deny: _,
        sessions: _,
        authenticators: _,
        routes: _,
    } = new;
    let Server {
        listen,
        public_url: _,
        tls,
        redirect_http,
        hsts: _,
        allowed_hosts: _,
        trusted_proxies: _,
        client_certificate: _,
        proxy_protocol: _,
        cors: _,
        limits: _,
        timeouts: _,
        sse_keepalive: _,
        plain_http,
    } = server;
    let mut changed = Vec::new();
    let mut note = |differs: bool, key: &str| {
        if differs {
            changed.push(key.to_owned());
        }
    };
    note(*profile != old.profile, "profile");
    note(*listen != old.server.listen, "server.listen");
    // Which certificates there are may change; whether the listeners speak TLS at all may not.
    note(tls.is_some() != old.server.tls.is_some(), "server.tls");
    note(
        *redirect_http != old.server.redirect_http,
        "server.redirect_http",
    );
    note(*admin != old.admin.listen, "admin.listen");
    note(*format != old.logging.format, "logging.format");
    // Records of one process are in one place, and nobody ends them in passing.
    note(*audit != old.audit, "audit");
    note(*plain_http != old.server.plain_http, "server.dangerous");
    for name in with_other_guests(old, new) {
        note(true, &format!("routes.{name}.dangerous"));
    }
    for name in with_other_dangers(old, new) {
        note(true, &format!("authenticators.{name}.dangerous"));
    }
    changed
}

/// Authenticators about which something is dangerous, or was, that is not the same in both.
fn with_other_dangers<'c>(old: &'c Config, new: &'c Config) -> BTreeSet<&'c str> {
    let of = |config: &'c Config| -> BTreeMap<&'c str, &'c Dangers> {
        let all = config.authenticators.iter();
        let all = all.map(|one| (&*one.name, &one.dangers));
        all.filter(|(_, dangers)| **dangers != Dangers::default())
            .collect()
    };
    let (old, new) = (of(old), of(new));
    let names = old.keys().chain(new.keys()).copied();
    names
        .filter(|name| old.get(name) != new.get(name))
        .collect()
}

/// Routes that ask nobody, which is among the dangerous things, in one of both alone, or for other requests in one than in the other.
fn with_other_guests<'c>(old: &'c Config, new: &'c Config) -> BTreeSet<&'c str> {
    let asking_nobody = |route: &&Route| match route.auth {
        Auth::Anonymous => true,
        Auth::Required(_) => false,
    };
    let of = |config: &'c Config| -> Vec<&'c Route> {
        config.routes.iter().filter(asking_nobody).collect()
    };
    let (old, new) = (of(old), of(new));
    let same = |one: &Route, other: &Route| {
        one.name == other.name
            && one.host == other.host
            && one.path == other.path
            && one.subpaths == other.subpaths
    };
    let alone = |all: &[&'c Route], others: &[&'c Route]| -> Vec<&'c str> {
        let all = all.iter();
        let alone = all.filter(|one| !others.iter().any(|other| same(one, other)));
        alone.map(|route| &*route.name).collect()
    };
    let names = [alone(&old, &new), alone(&new, &old)];
    names.into_iter().flatten().collect()
}
