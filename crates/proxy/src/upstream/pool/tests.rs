//! Pools before servers that count, over real sockets.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::upstream::connect::{Lookup, Resolve, System, Target};

/// A server that writes down how many connections and requests it had.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// Whether each connection ends after an answer, unannounced.
    closes: Arc<AtomicBool>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
            closes: Arc::default(),
        };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        let closes = server.closes.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, closes) = (requests.clone(), closes.clone());
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    let mut buffer = [0; 1024];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        seen.extend_from_slice(&buffer[..read]);
                        if !seen.ends_with(b"\r\n\r\n") {
                            continue;
                        }
                        seen.clear();
                        requests.fetch_add(1, Ordering::SeqCst);
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                        stream.write_all(answer).await.unwrap();
                        if closes.load(Ordering::SeqCst) {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    fn counts(&self) -> (usize, usize) {
        (
            self.connections.load(Ordering::SeqCst),
            self.requests.load(Ordering::SeqCst),
        )
    }
}

/// A name whose addresses the test decides.
#[derive(Default)]
struct Names(Mutex<Vec<SocketAddr>>);

impl Names {
    fn say(&self, addresses: &[SocketAddr]) {
        *self.0.lock().unwrap() = addresses.to_vec();
    }
}

impl Resolve for Names {
    fn lookup(&self, host: &str, port: u16) -> Lookup {
        assert_eq!((host, port), ("tools.internal", 3000));
        let addresses = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(addresses) })
    }
}

fn pool(target: Target, resolver: Arc<dyn Resolve>, most: usize) -> Arc<Pool> {
    let connector = Connector {
        target,
        tls: None,
        resolver,
    };
    Arc::new(Pool::new(connector, Duration::from_millis(500), most))
}

fn to(server: &Server, most: usize) -> Arc<Pool> {
    pool(Target::Address(server.address), Arc::new(System), most)
}

fn named(names: &Arc<Names>) -> Arc<Pool> {
    let resolver: Arc<dyn Resolve> = names.clone();
    pool(Target::tcp("tools.internal", 3000), resolver, 100)
}

fn request() -> Request<Upload> {
    Request::get("/")
        .header("host", "x")
        .body(Upload::None)
        .unwrap()
}

/// One exchange to the end of the answer, at a time.
async fn exchange(pool: &Arc<Pool>, now: Instant) -> Result<Connection, Failed> {
    let (answer, connection) = pool.send(request(), now).await?;
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], b"{}");
    Ok(connection)
}

/// The same, and the connection is given back.
async fn send(pool: &Arc<Pool>, now: Instant) {
    let Ok(connection) = exchange(pool, now).await else {
        panic!("no answer");
    };
    pool.put_back(connection);
    while pool.idle().connections.is_empty() {
        tokio::task::yield_now().await;
    }
}

fn idle(pool: &Pool) -> usize {
    pool.idle().connections.len()
}

#[tokio::test]
async fn a_connection_is_used_again_while_it_is_fresh() {
    let server = Server::start().await;
    let pool = to(&server, 100);
    let now = Instant::now();
    for _ in 0..5 {
        send(&pool, now).await;
    }
    assert_eq!(server.counts(), (1, 5));
    send(&pool, now + IDLE / 2).await;
    assert_eq!(server.counts(), (1, 6));
    send(&pool, now + 2 * IDLE).await;
    assert_eq!(
        server.counts(),
        (2, 7),
        "the first one was idle for too long"
    );
}

#[tokio::test]
async fn a_name_that_moves_is_followed_by_busy_connections_too() {
    let (first, second) = (Server::start().await, Server::start().await);
    let names = Arc::new(Names::default());
    names.say(&[first.address]);
    let pool = named(&names);
    let now = Instant::now();
    send(&pool, now).await;
    names.say(&[second.address]);
    send(&pool, now).await;
    assert_eq!((first.counts(), second.counts()), ((1, 2), (0, 0)));
    // as busy as it may be, it retires
    for resting in &mut pool.idle().connections {
        assert!(resting.connection.retires >= now + LIFETIME);
        assert!(resting.connection.retires < now + 2 * LIFETIME);
        resting.since = now + LIFETIME;
        resting.connection.retires = now + LIFETIME;
    }
    send(&pool, now + LIFETIME).await;
    assert_eq!((first.counts(), second.counts()), ((1, 2), (1, 1)));
    // and one that is old when its answer ends is not kept
    let Ok(mut connection) = exchange(&pool, now).await else {
        panic!("no answer");
    };
    connection.retires = Instant::now();
    let before = idle(&pool);
    pool.put_back(connection);
    assert_eq!(idle(&pool), before);
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    let server = Server::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let names = Arc::new(Names::default());
    names.say(&[nobody, nobody, server.address]);
    send(&named(&names), Instant::now()).await;
    assert_eq!(server.counts(), (1, 1));
    for none in [&[][..], &[nobody, nobody]] {
        names.say(none);
        let failed = exchange(&named(&names), Instant::now()).await;
        assert!(matches!(failed, Err(Failed::Unwritten(..))), "{none:?}");
    }
}

#[tokio::test]
async fn r9110_a_connection_that_has_ended_costs_no_request() {
    let server = Server::start().await;
    let pool = to(&server, 100);
    server.closes.store(true, Ordering::SeqCst);
    for number in 1..=20 {
        let Ok(connection) = exchange(&pool, Instant::now()).await else {
            panic!("no answer");
        };
        // kept although it ends: the next request meets it
        while !connection.sender.is_closed() {
            tokio::task::yield_now().await;
        }
        pool.idle().connections.push_back(Resting {
            connection,
            since: Instant::now(),
        });
        assert_eq!(server.counts(), (number, number));
    }
}

#[tokio::test]
async fn r9110_a_request_that_was_not_written_comes_back_whole() {
    let server = Server::start().await;
    let pool = to(&server, 100);
    // Its other end is closed, and nobody has looked yet: the request is handed over and must not be lost.
    let (ours, theirs) = tokio::io::duplex(1024);
    let slot = Arc::clone(&pool.slots).try_acquire_owned().unwrap();
    let sender = crate::upstream::connect::speak(ours, slot).await.unwrap();
    drop(theirs);
    assert!(!sender.is_closed(), "nobody has looked");
    let retires = Instant::now() + LIFETIME;
    pool.idle().connections.push_back(Resting {
        connection: Connection { sender, retires },
        since: Instant::now(),
    });
    send(&pool, Instant::now()).await;
    assert_eq!(server.counts(), (1, 1));
}

#[tokio::test]
async fn there_are_never_more_connections_than_said() {
    let server = Server::start().await;
    let pool = to(&server, 2);
    let (Ok(one), Ok(_two)) = (
        exchange(&pool, Instant::now()).await,
        exchange(&pool, Instant::now()).await,
    ) else {
        panic!("no answer");
    };
    assert_eq!(server.counts(), (2, 2));
    let failed = exchange(&pool, Instant::now()).await;
    assert!(
        matches!(failed, Err(Failed::Unwritten(_, error)) if error.kind() == ErrorKind::ResourceBusy)
    );
    // a request that waits takes one that comes back
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { exchange(&pool, Instant::now()).await.is_ok() }
    });
    while pool.waiting.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    pool.put_back(one);
    assert!(waiting.await.unwrap());
    assert_eq!(server.counts(), (2, 3));
    // or, when one ends, a new one
    let mut held = Vec::new();
    while held.is_empty() {
        held.extend(exchange(&pool, Instant::now()).await);
    }
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { exchange(&pool, Instant::now()).await.is_ok() }
    });
    while pool.waiting.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    drop(held);
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn the_last_connection_ends_when_nobody_needs_it() {
    let pool = pool(
        Target::Address(([127, 0, 0, 1], 1).into()),
        Arc::new(System),
        2,
    );
    let (ours, _theirs) = tokio::io::duplex(1024);
    let slot = Arc::clone(&pool.slots).try_acquire_owned().unwrap();
    let sender = crate::upstream::connect::speak(ours, slot).await.unwrap();
    let connection = Connection {
        sender,
        retires: Instant::now() + LIFETIME,
    };
    while !connection.sender.is_ready() {
        tokio::task::yield_now().await;
    }
    pool.put_back(connection);
    assert_eq!((idle(&pool), pool.slots.available_permits()), (1, 1));
    assert!(pool.idle().is_swept, "somebody will look");
    for resting in &mut pool.idle().connections {
        resting.since = Instant::now().checked_sub(IDLE).unwrap();
    }
    sweep(Arc::downgrade(&pool), Duration::from_millis(1)).await;
    assert_eq!(idle(&pool), 0);
    assert!(!pool.idle().is_swept);
    let freed = pool.slots.acquire_many(2).await;
    assert!(freed.is_ok(), "and the connection is closed");
}
