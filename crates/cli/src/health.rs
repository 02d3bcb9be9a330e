//! `health`: asks the running gateway whether it is ready. For container health checks, which have neither shell nor curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{AdminListen, Sources as _};

use crate::sources::Environment;
use crate::{End, report, sources};

const DEADLINE: Duration = Duration::from_secs(3);
/// Of head and body together.
const LONGEST_ANSWER: u64 = 4096;

pub(crate) fn health(option: Option<PathBuf>, env_file: Option<&Path>) -> End {
    let address = if option.is_none() && !sources::config_path(None).exists() {
        match sidecar_port(env_file) {
            Ok(port) => AdminListen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            Err(_) => return End::Failed,
        }
    } else {
        match sources::load(option, env_file) {
            Ok(config) => config.admin.listen,
            Err(_) => return End::Failed, // container runtimes know 0 and 1 and reserve the rest
        }
    };
    match ask(&address) {
        Ok((200, _)) => End::Good,
        Ok((status, said)) => report::failure(&io::Error::other(format!(
            "not ready: {address} answered {status}: {said}"
        ))),
        Err(error) => report::failure(&io::Error::other(format!("not ready: {address}: {error}"))),
    }
}

/// The sidecar form has no file: its admin listener is told by `ADMIN_PORT`, in the program's own reading of it.
fn sidecar_port(env_file: Option<&Path>) -> Result<u16, End> {
    let text = Environment::with_file(env_file)?.var("ADMIN_PORT");
    match text.filter(|text| !text.is_empty()) {
        None => Ok(9090),
        Some(text) => text
            .parse()
            .map_err(|_| report::failure(&io::Error::other("ADMIN_PORT is not a port number"))),
    }
}

/// A listener on every address is asked on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The status, and what is said with it.
fn ask(listener: &AdminListen) -> io::Result<(u16, String)> {
    match listener {
        AdminListen::Tcp(address) => {
            let address = reachable(*address);
            let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.set_write_timeout(Some(DEADLINE))?;
            exchange(stream, &address.to_string())
        }
        AdminListen::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.set_write_timeout(Some(DEADLINE))?;
            exchange(stream, "localhost")
        }
    }
}

fn exchange(mut stream: impl Read + Write, host: &str) -> io::Result<(u16, String)> {
    stream.write_all(
        format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the answer is not HTTP"))?;
    let said = answer.lines().next_back().unwrap_or_default();
    let said = said.chars().filter(|one| !one.is_control()).collect();
    Ok((status, said))
}
