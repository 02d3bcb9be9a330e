//! What others are told of a route's servers.

use std::time::Instant;

use http::HeaderValue;

use super::{Standing, Upstream};

impl Upstream {
    /// Host and port of the server, where there is one alone.
    pub(crate) fn only(&self) -> Option<(&str, u16)> {
        match (&*self.targets, self.address.as_ref()?) {
            ([_], (host, port)) => Some((host, *port)),
            _ => None,
        }
    }

    /// Each server by its name, how it stands, and how many requests are under way to it.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, Standing, usize)> {
        let now = Instant::now();
        self.targets.iter().map(move |target| {
            let (standing, busy) = target.member.state(now);
            (&*target.member.name, standing, busy)
        })
    }

    /// Each server by its address, in order: the same in every process with this configuration.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|target| &*target.member.name)
    }

    /// The address of the server at this place, and the `Host` that it sees.
    pub(crate) fn server(&self, place: usize) -> Option<(&str, &HeaderValue)> {
        let target = self.targets.get(place)?;
        Some((&target.member.name, &target.host))
    }

    /// All servers, as they are configured.
    pub(crate) fn shown(&self) -> String {
        let names = self.names();
        let path = self.path.as_deref().unwrap_or_default();
        let whole = names.map(|name| {
            let is_socket = name.starts_with("unix:") && !path.is_empty();
            let colon = if is_socket { ":" } else { "" };
            format!("{name}{colon}{path}")
        });
        whole.collect::<Vec<_>>().join(" ")
    }
}
