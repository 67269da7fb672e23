//! A network between a store and its server that breaks when a test wants it to.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::postgres::Database;

/// How the connection breaks at a commit.
#[derive(Clone, Copy, PartialEq)]
pub enum Cut {
    /// The commit is not sent.
    Before,
    /// The commit is made, and its answer is lost.
    After,
}

pub struct Proxy {
    url: String,
    next: Arc<Mutex<Option<Cut>>>,
    frozen: watch::Sender<bool>,
}

impl Proxy {
    pub async fn start(database: &Database) -> Self {
        let server = database.url().parse::<tokio_postgres::Config>().unwrap().get_ports()[0];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = database.url_by(listener.local_addr().unwrap().port());
        let (next, (frozen, freezes)) = (Arc::default(), watch::channel(false));
        let cut = Arc::clone(&next);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, Arc::clone(&cut), freezes.clone()));
            }
        });
        Self { url, next, frozen }
    }

    /// What a store connects to.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Cuts the connection on which the next commit is sent.
    pub fn cut_next_commit(&self, cut: Cut) {
        *self.next.lock().unwrap() = Some(cut);
    }

    /// Whether a commit was cut since it was last asked for.
    pub fn has_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }

    /// Keeps all connections open and passes nothing on, as if the store's process were stopped.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

async fn relay(
    mut client: TcpStream,
    server: u16,
    next: Arc<Mutex<Option<Cut>>>,
    mut freezes: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    let (mut up, mut down) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        tokio::select! {
            biased;
            // Without a proxy there is nothing more to relay.
            frozen = async { freezes.wait_for(|frozen| *frozen).await.is_ok() } => match frozen {
                true => std::future::pending::<()>().await,
                false => return Ok(()),
            },
            n = client.read(&mut up) => {
                let sent = &up[..n?];
                let commits = sent.windows(7).any(|text| text == b"COMMIT\0");
                let cut = if commits { next.lock().unwrap().take() } else { None };
                if sent.is_empty() || cut == Some(Cut::Before) {
                    return Ok(());
                }
                server.write_all(sent).await?;
                if cut == Some(Cut::After) {
                    // The server has answered, so it has committed.
                    return server.read(&mut down).await.map(drop);
                }
            }
            n = server.read(&mut down) => match n? {
                0 => return Ok(()),
                n => client.write_all(&down[..n]).await?,
            }
        }
    }
}
