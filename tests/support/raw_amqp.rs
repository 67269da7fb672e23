//! A publisher that speaks AMQP 0-9-1 by hand: a routing key and properties that no client library sends.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::process::LIMIT;
use super::rabbit::Rabbit;

/// A short string.
pub fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

/// A long string, or what is encoded like one.
pub fn long(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

/// Properties that are `headers` alone, with one entry whose value is encoded.
pub fn header(key: &[u8], value: &[u8]) -> Vec<u8> {
    let entry = [&short(key), value].concat();
    [&[0x20, 0], &*long(&entry)].concat()
}

/// An array in an array, to this depth.
pub fn nested(depth: usize) -> Vec<u8> {
    // From the inside out, each length is that of all that is inside.
    let lengths = (0..depth).rev().map(|inside| u32::try_from(1 + 5 * inside).unwrap());
    let mut value: Vec<u8> = lengths.flat_map(|length| [&b"A"[..], &length.to_be_bytes()].concat()).collect();
    value.push(b'V');
    value
}

/// Publishes one message; returns once the broker has confirmed it.
pub fn publish(rabbit: &Rabbit, exchange: &str, routing_key: &[u8], properties: &[u8], body: &[u8]) {
    let mut wire = Wire(TcpStream::connect(rabbit.address()).unwrap());
    wire.0.set_read_timeout(Some(LIMIT)).unwrap();
    wire.0.write_all(b"AMQP\0\0\x09\x01").unwrap();
    wire.until(10, 10);
    let login = format!("\0{0}\0{0}", Rabbit::USER);
    wire.method(0, 10, 11, &[&long(b""), &*short(b"PLAIN"), &long(login.as_bytes()), &short(b"en_US")].concat());
    wire.until(10, 30);
    // One channel, frames of 128 KiB, no heartbeat.
    wire.method(0, 10, 31, &[&[0, 1], &(128_u32 << 10).to_be_bytes()[..], &[0, 0]].concat());
    wire.method(0, 10, 40, &[&*short(b"/"), &short(b""), &[0]].concat());
    wire.until(10, 41);
    wire.method(1, 20, 10, &short(b""));
    wire.until(20, 11);
    wire.method(1, 85, 10, &[0]);
    wire.until(85, 11);
    wire.method(1, 60, 40, &[&[0, 0], &*short(exchange.as_bytes()), &short(routing_key), &[0]].concat());
    let size = (body.len() as u64).to_be_bytes();
    wire.frame(2, 1, &[&[0, 60, 0, 0], &size[..], properties].concat());
    wire.frame(3, 1, body);
    wire.until(60, 80);
    wire.method(0, 10, 50, &[&200_u16.to_be_bytes()[..], &short(b""), &[0, 0, 0, 0]].concat());
    wire.until(10, 51);
}

struct Wire(TcpStream);

impl Wire {
    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let frame = [&[kind], &channel.to_be_bytes()[..], &long(payload), &[0xCE]].concat();
        self.0.write_all(&frame).unwrap();
    }

    fn method(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        self.frame(1, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat());
    }

    /// Reads until this method comes.
    fn until(&mut self, class: u16, method: u16) {
        let wanted = [class.to_be_bytes(), method.to_be_bytes()].concat();
        loop {
            let mut head = [0; 7];
            self.0.read_exact(&mut head).unwrap();
            let mut rest = vec![0; u32::from_be_bytes(head[3..].try_into().unwrap()) as usize + 1];
            self.0.read_exact(&mut rest).unwrap();
            if head[0] == 1 && rest.starts_with(&wanted) {
                return;
            }
            let close = [[0, 10, 0, 50], [0, 20, 0, 40]].iter().any(|close| head[0] == 1 && rest.starts_with(close));
            assert!(!close, "the broker refuses: {}", String::from_utf8_lossy(&rest));
        }
    }
}
