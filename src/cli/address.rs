//! The address of a worker's admin API: where commands find it, and who can be there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The URL, on this machine, of a worker that listens at this address.
pub(super) fn local_url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// Whether no program but the worker that made the token beside our store can be at `place`, while that worker listens. A name is
/// no address: `localhost` can be either loopback, and the worker has one. With port 0 the worker has some port, which only the
/// command line can tell.
pub(super) fn is_its(place: SocketAddr, listen: SocketAddr) -> bool {
    let everywhere = listen.ip().is_unspecified() && place.ip().is_loopback() && place.is_ipv4() == listen.is_ipv4();
    (place.ip() == listen.ip() || everywhere) && (place.port() == listen.port() || listen.port() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_listens_everywhere_is_asked_here() {
        assert_eq!(local_url("0.0.0.0:9180".parse().unwrap()), "http://127.0.0.1:9180");
        assert_eq!(local_url("[::]:1".parse().unwrap()), "http://[::1]:1");
        assert_eq!(local_url("10.0.0.1:1".parse().unwrap()), "http://10.0.0.1:1");
    }
}
