//! A connection of the library, read through a filter.
//!
//! The library makes its connection with the types of a runtime. So this is Tokio's, with another type of stream: the
//! connection to the broker with TLS already in it, and the filter over that.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::Tokio;
use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use lapin::AsyncTcpStream;

use super::{ContentFilter, Kept};

/// What is read at once from the socket.
const CHUNK: usize = 64 << 10;

type Unfiltered = AsyncTcpStream<<Tokio as Reactor>::TcpStream>;

/// A connection to the broker, plain or with TLS, whose incoming bytes go through a filter.
pub(crate) struct FilteredStream {
    unfiltered: Unfiltered,
    filter: ContentFilter,
    chunk: Box<[u8]>,
    /// What the library has not read yet, from `next` on.
    filtered: Vec<u8>,
    next: usize,
}

impl FilteredStream {
    /// Keeps so much of the body of a message.
    pub fn new(unfiltered: Unfiltered, keep: Kept) -> Self {
        let chunk = vec![0; CHUNK].into_boxed_slice();
        Self { unfiltered, filter: ContentFilter::new(keep), chunk, filtered: Vec::new(), next: 0 }
    }
}

impl AsyncRead for FilteredStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { unfiltered, filter, chunk, filtered, next } = self.get_mut();
        while *next == filtered.len() {
            filtered.clear();
            *next = 0;
            let count = ready!(Pin::new(&mut *unfiltered).poll_read(cx, chunk))?;
            if count == 0 {
                return Poll::Ready(Ok(0));
            }
            let read = filter.read(&chunk[..count], filtered);
            read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        let count = buf.len().min(filtered.len() - *next);
        buf[..count].copy_from_slice(&filtered[*next..*next + count]);
        *next += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for FilteredStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().unfiltered).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().unfiltered).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().unfiltered).poll_close(cx)
    }
}

/// Tokio, for a connection over a [`FilteredStream`].
#[derive(Debug, Clone)]
pub(crate) struct FilteredTokio(Tokio);

impl FilteredTokio {
    /// The runtime that this is called in.
    pub fn current() -> Self {
        Self(Tokio::current())
    }

    /// Connects to the first of the addresses that answers.
    pub async fn connect(&self, addresses: Vec<SocketAddr>) -> io::Result<Unfiltered> {
        Unfiltered::connect(&self.0, addresses).await
    }
}

impl RuntimeKit for FilteredTokio {}

impl Executor for FilteredTokio {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, f: F) -> T {
        self.0.block_on(f)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, f: F) -> Task<Self::Task<T>> {
        self.0.spawn(f)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, f: F) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(f)
    }
}

impl Reactor for FilteredTokio {
    type TcpStream = FilteredStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        // The library connects by the function that it is given.
        Err::<FilteredStream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, dur: Duration) -> Self::Sleep {
        self.0.sleep(dur)
    }

    fn interval(&self, dur: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(dur)
    }

    fn tcp_connect_addr(
        &self,
        _addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

impl fmt::Debug for FilteredStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilteredStream").finish_non_exhaustive()
    }
}
