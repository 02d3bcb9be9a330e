//! The servers behind the gateway: which of them gets a request, over which connection, and what happens if there is none.
//!
//! The one place that knows an HTTP client. What is learned of a server lives in [`Upstreams`], beyond the plan that names it: pools,
//! health and requests under way are those of the server, whatever routes and plans lead there.

mod balance;
mod connect;
mod member;
mod pool;
mod sessions;
mod tls;
mod told;
mod way;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use config::{Config, Route, Scheme, UpstreamTls};
use http::header::{HOST, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use rustls::pki_types::ServerName;

use crate::PlanError;
use crate::body::Upload;
use crate::stage::forward::{Kind, failure, media_type};
use crate::stop::Refusal;
use balance::{Tried, choose};
use connect::{Connector, Resolve, Target};
use member::{Lease, Member};
use pool::{Failed, Pool};
use sessions::{Session, Sessions};
use tls::{ClientTls, Renewal};

pub(crate) use balance::Standing;
pub(crate) use member::Download;
pub(crate) use tls::{try_files, with_roots};
pub(crate) use way::Way;

/// Everything that is known of servers, for as long as the process lives.
pub(crate) struct Upstreams {
    epoch: Instant,
    resolver: Arc<dyn Resolve>,
    members: Mutex<HashMap<Key, Weak<Member>>>,
    /// By the files that it is made from.
    tls: Mutex<HashMap<UpstreamTls, Weak<ClientTls>>>,
    sessions: Sessions,
    hasher: RandomState,
    thrown: AtomicU64,
}

/// Two routes that say the same of a server speak of the same server.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    member: config::Member,
    tls: UpstreamTls,
    connect: Duration,
    connections: usize,
}

impl Upstreams {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            resolver: Arc::new(connect::System),
            members: Mutex::default(),
            tls: Mutex::default(),
            sessions: Sessions::new(),
            hasher: RandomState::new(),
            thrown: AtomicU64::new(0),
        })
    }

    /// The upstream of a route, made of servers that are known where they are. `place` is the key that it is configured by.
    pub(crate) fn of_route(
        self: &Arc<Self>,
        config: &Config,
        route: &Route,
        place: &str,
    ) -> Result<Upstream, PlanError> {
        let wrong = || PlanError::new(&route.name, "upstream");
        let mut targets = Vec::with_capacity(route.upstream.members.len());
        let mut renewals = Vec::new();
        for member in &route.upstream.members {
            let host = match (&route.upstream.host, member) {
                (Some(host), _) => host,
                (None, config::Member::Http(origin)) => origin.authority(),
                (None, config::Member::Unix(_)) => "localhost",
            };
            targets.push(Chosen {
                member: self.member(config, route, member, place, &mut renewals)?,
                host: HeaderValue::from_str(host).map_err(|_| wrong())?,
            });
        }
        let host = targets.first().ok_or_else(wrong)?.host.clone();
        let path = route.upstream.path.clone();
        let fixed = path.as_deref().unwrap_or(&route.path);
        let timeouts = &config.server.timeouts;
        let address = match route.upstream.members.first() {
            Some(config::Member::Http(origin)) => Some((origin.host().into(), origin.port())),
            Some(config::Member::Unix(_)) | None => None,
        };
        Ok(Upstream {
            address,
            host,
            fixed: fixed.parse().map_err(|_| wrong())?,
            path,
            response_head: timeouts.response_head,
            // Otherwise a caller who takes his time with a body would put the blame for it on servers.
            blames_late: timeouts.response_head > timeouts.request_body,
            mark: self.hasher.hash_one(&*route.name),
            targets: targets.into(),
            renewals,
            all: Arc::clone(self),
        })
    }

    fn member(
        &self,
        config: &Config,
        route: &Route,
        member: &config::Member,
        place: &str,
        renewals: &mut Vec<Renewal>,
    ) -> Result<Arc<Member>, PlanError> {
        let wrong = || PlanError::new(&route.name, "upstream");
        let (target, https) = match member {
            config::Member::Unix(path) => (Target::Unix(path.clone()), None),
            config::Member::Http(origin) => {
                let target = Target::tcp(origin.host(), origin.port());
                let https = (origin.scheme() == Scheme::Https).then(|| origin.host());
                (target, https)
            }
        };
        let settings = &route.upstream.tls;
        let tls = match https {
            None => None,
            Some(own) => {
                let name = settings.server_name.as_deref().unwrap_or(own);
                let name = ServerName::try_from(name.to_owned()).map_err(|_| wrong())?;
                let (tls, renewal) = self.tls(settings, place)?;
                renewals.extend(renewal);
                Some((tls, name))
            }
        };
        let key = Key {
            member: member.clone(),
            tls: settings.clone(),
            connect: config.server.timeouts.connect,
            connections: config.server.limits.connections,
        };
        let mut members = lock(&self.members);
        members.retain(|_, member| member.strong_count() > 0);
        if let Some(known) = members.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let connector = Connector {
            target,
            tls,
            resolver: Arc::clone(&self.resolver),
        };
        let pool = Pool::new(connector, key.connect, key.connections);
        let name = member.to_string();
        let mark = self.hasher.hash_one(&name);
        let made = Arc::new(Member::new(name.into(), mark, Arc::new(pool), self.epoch));
        members.insert(key, Arc::downgrade(&made));
        Ok(made)
    }

    /// The TLS that these files make. Where they are in use already they are read again.
    fn tls(
        &self,
        settings: &UpstreamTls,
        place: &str,
    ) -> Result<(Arc<ClientTls>, Option<Renewal>), PlanError> {
        let key = UpstreamTls {
            server_name: None,
            ..settings.clone()
        };
        let mut all = lock(&self.tls);
        all.retain(|_, tls| tls.strong_count() > 0);
        if let Some(known) = all.get(&key).and_then(Weak::upgrade) {
            let renewal = known.look_again(&key, place)?;
            return Ok((known, renewal));
        }
        let made = Arc::new(ClientTls::load(&key, place)?);
        all.insert(key, Arc::downgrade(&made));
        Ok((made, None))
    }

    fn chance(&self) -> u64 {
        self.hasher.hash_one(self.thrown.fetch_add(1, Relaxed))
    }

    /// Milliseconds since the beginning.
    fn time(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One route's servers; made when the plan is built.
pub(crate) struct Upstream {
    /// What replaces the route's path.
    pub(crate) path: Option<Box<str>>,
    /// Path of requests to the route's very path without a query.
    pub(crate) fixed: Uri,
    /// The `Host` that the first server sees.
    pub(crate) host: HeaderValue,
    pub(crate) response_head: Duration,
    blames_late: bool,
    /// What stands for the route in the table of sessions: its name, which outlives a reload.
    mark: u64,
    /// Host and port of the first server, if it has any.
    address: Option<(Box<str>, u16)>,
    /// Never empty.
    targets: Box<[Chosen]>,
    /// What the plan's configuration has found new, until the plan is in use.
    renewals: Vec<Renewal>,
    all: Arc<Upstreams>,
}

struct Chosen {
    member: Arc<Member>,
    /// The `Host` that it sees.
    host: HeaderValue,
}

impl Upstream {
    /// Sends a request to one of the servers, and to another one as long as nothing was written.
    pub(crate) async fn send(
        &self,
        mut request: Request<Upload>,
        begun: Instant,
        way: &mut Way,
        passed_over: impl Fn(),
    ) -> Result<Response<Download>, Refusal> {
        let is_one_of_several = self.targets.len() > 1;
        let session = (is_one_of_several && way.is_learned()).then(|| Session::of(&request));
        let session = session.flatten();
        let first = self.first(way, session.as_ref(), begun);
        let mut tried = Tried::default();
        let mut causes = String::new();
        loop {
            let Some((index, chosen)) = self.next(first, tried, begun) else {
                return Err(Refusal::UpstreamUnreachable(causes.into()));
            };
            if !causes.is_empty() {
                passed_over();
            }
            way.taken = Some(index);
            tried.add(index);
            if is_one_of_several {
                request.headers_mut().insert(HOST, chosen.host.clone());
            }
            let member = &chosen.member;
            let mut lease = Lease::new(member, begun, is_one_of_several);
            match member.pool.send(request, begun).await {
                Ok((answer, connection)) => {
                    lease.hold(connection);
                    if is_one_of_several {
                        look(&answer, &mut lease);
                        if way.is_learned() {
                            self.learn(&answer, session.as_ref(), member, begun);
                        }
                    }
                    return Ok(answer.map(|body| Download::new(body, lease)));
                }
                Err(Failed::Unwritten(unwritten, error)) => {
                    // that we have as many connections as we may is no fault of the server's
                    if error.kind() != ErrorKind::ResourceBusy {
                        lease.settle(false);
                    }
                    if !causes.is_empty() {
                        causes.push_str("; ");
                    }
                    causes.push_str(&member.name);
                    causes.push_str(": cannot connect: ");
                    causes.push_str(&error.to_string());
                    request = *unwritten;
                }
                Err(Failed::Broken(error)) => {
                    if !error.is_user() {
                        lease.settle(false);
                    }
                    return Err(failure(&member.name, &error));
                }
            }
        }
    }

    /// Nobody answered in time.
    pub(crate) fn late(&self, way: &Way, begun: Instant) {
        let target = way.taken.and_then(|index| self.targets.get(index));
        if self.blames_late
            && self.targets.len() > 1
            && let Some(target) = target
        {
            target.member.failed(begun);
        }
    }

    /// The one that is to be asked first, else the one with the fewest requests.
    fn next(&self, first: Option<usize>, tried: Tried, now: Instant) -> Option<(usize, &Chosen)> {
        let index = match first {
            Some(index) if tried.is_empty() => index,
            None if self.targets.len() == 1 && tried.is_empty() => 0,
            Some(_) | None => {
                let states = self.targets.iter().map(|target| target.member.state(now));
                choose(states, tried, self.all.chance())?
            }
        };
        Some((index, self.targets.get(index)?))
    }

    /// Has the next connections made with the certificates that are in the files now.
    pub(crate) fn take_certificates(&self) {
        self.renewals.iter().for_each(Renewal::take);
    }
}

/// What an answer's head says about its server.
fn look<B>(answer: &Response<B>, lease: &mut Lease) {
    match answer.status() {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            lease.settle(false);
        }
        // The end of a stream says little about who sent it, and may be hours away.
        _ if media_type(answer.headers()) == Kind::EventStream => lease.settle(true),
        _ => {}
    }
}
