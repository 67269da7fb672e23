//! Just enough HTTP to ask a server on the loopback one thing. Blocking, standard library only.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::process::LIMIT;

/// What a server said.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Sends one request over a connection of its own. `headers` are whole lines.
pub fn ask(server: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> io::Result<Answer> {
    let mut socket = TcpStream::connect_timeout(&server, Duration::from_secs(5))?;
    socket.set_read_timeout(Some(LIMIT))?;
    let mut lines = vec![
        format!("{method} {path} HTTP/1.1"),
        format!("host: {server}"),
        "connection: close".into(),
        "content-type: application/json".into(),
        format!("content-length: {}", body.len()),
    ];
    lines.extend(headers.iter().map(|line| (*line).to_owned()));
    socket.write_all(format!("{}\r\n\r\n{body}", lines.join("\r\n")).as_bytes())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "half an answer"))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let whole = length.is_none_or(|(_, length)| length.trim().parse() == Ok(body.len()));
    whole.then(|| Answer { status, body: body.to_owned() })
}
