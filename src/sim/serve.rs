//! The simulated cluster on a socket: loopback only, HTTP/1.1 and HTTP/2, TLS with certificates made at start.
//!
//! What is served is `server::Service`, the same that is given to clients in the process. Here stand only the socket, who is at its other end, and what keeps a
//! hostile client from taking more than its share (`limits`). Not here: what a request means.

mod certificates;
mod connection;
pub mod kubeconfig;
mod limits;
mod pace;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::certificates::{Authority, Credentials, KeptAuthority};
use self::connection::Peer;
use self::kubeconfig::Access;
use self::limits::Limits;
use super::identity::Identity;
use super::world::Sim;
use crate::error::{Error, Result, file_reason};

/// How long connections have to finish what they do when the server ends; watches never finish by themselves.
const FAREWELL: Duration = Duration::from_millis(200);

/// Connections that wait to be accepted; beyond it a client that comes in a flood waits for seconds.
const BACKLOG: u32 = 4096;

/// How long to wait when the system has no socket left.
const NO_SOCKET: Duration = Duration::from_millis(50);

/// How a cluster is served.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// 0: any free one.
    pub port: u16,
    /// HTTP without TLS: whoever reaches the port may do all.
    pub plain: bool,
}

/// What a kubeconfig is made of: kept with a saved cluster, so that the kubeconfig is good again when the cluster goes on at the same port.
#[derive(Serialize, Deserialize)]
struct Keys {
    token: String,
    certified: Option<Certified>,
}

#[derive(Serialize, Deserialize)]
struct Certified {
    authority: KeptAuthority,
    administrator: Credentials,
}

impl Keys {
    /// Those from before, where they are still good, with what is missing.
    fn new(before: Option<Self>, plain: bool, wall: Timestamp) -> Result<Self> {
        let (token, certified) = before.map_or((None, None), |it| (Some(it.token), it.certified));
        let good = |it: &Certified| Authority::again(it.authority.clone(), wall).is_ok_and(|it| it.is_some());
        let certified = match certified.filter(good) {
            None if !plain => {
                let authority = Authority::new(wall)?;
                Some(Certified { administrator: authority.client(&Identity::administrator())?, authority: authority.kept().clone() })
            }
            certified => certified,
        };
        Ok(Self { token: token.map_or_else(secret, Ok)?, certified })
    }
}

/// A cluster that listens on a socket, ready for `run`.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    kubeconfig: String,
    url: String,
    sim: Sim,
    peers: Arc<connection::Known>,
    limits: Arc<Limits>,
}

impl Server {
    /// Takes the port and makes the certificates, inside of a runtime; `wall` is the time of the clients, which look at the certificates' dates.
    ///
    /// # Errors
    /// `usage` when the port cannot be had.
    pub fn bind(sim: Sim, options: &Options, wall: Timestamp) -> Result<Self> {
        let taken = |error: std::io::Error| {
            Error::usage(format!("cannot listen on 127.0.0.1:{}: {}", options.port, file_reason(&error))).hint("without --port any free one is taken")
        };
        let socket = TcpSocket::new_v4().map_err(taken)?;
        // A port that was in use a moment ago can be had again.
        socket.set_reuseaddr(true).map_err(taken)?;
        socket.bind((Ipv4Addr::LOCALHOST, options.port).into()).map_err(taken)?;
        let listener = socket.listen(BACKLOG).map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let before = sim.look(|world| world.served.clone()).and_then(|it| serde_json::from_value(it).ok());
        let keys = Keys::new(before, options.plain, wall)?;
        let token = keys.token.clone();
        sim.with(|world| {
            world.tokens.add(&token, Identity::administrator());
            world.served = serde_json::to_value(&keys).ok();
        });
        let url = format!("{}://{address}", if options.plain { "http" } else { "https" });
        let limits = Arc::new(Limits::of_process());
        let Some(Certified { authority, administrator }) = keys.certified.filter(|_| !options.plain) else {
            let kubeconfig = kubeconfig::text(&Access { url: &url, authority_pem: None, credentials: None, token: &token });
            let peers = Arc::new(connection::Known::everybody());
            return Ok(Self { listener, address, tls: None, kubeconfig, url, sim, peers, limits });
        };
        let Some(authority) = Authority::again(authority, wall)? else { return Err(Error::script("a certificate authority that was just made is over")) };
        let kubeconfig = kubeconfig::text(&Access { url: &url, authority_pem: Some(authority.pem()), credentials: Some(&administrator), token: &token });
        let peers = Arc::new(connection::Known::by_certificate([(administrator.der()?, Identity::administrator())]));
        Ok(Self { listener, address, tls: Some(authority.server()?.into()), kubeconfig, url, sim, peers, limits })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The kubeconfig of the administrator.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Writes the kubeconfig for its owner alone; into a kubeconfig of somebody's it puts its cluster, user and context, and leaves the others.
    ///
    /// # Errors
    /// `usage` when it cannot be written, or when the file holds something else.
    pub fn write_kubeconfig(&self, file: &Path) -> Result<kubeconfig::Written> {
        kubeconfig::write(file, &self.kubeconfig)
    }

    /// Moves the cluster's paced clock from one event to the next while no request is being answered; never ends.
    pub fn hurry(&self) -> impl Future<Output = ()> + Send + use<> {
        pace::hurry(self.sim.clone(), Arc::clone(&self.limits))
    }

    /// Serves until `end` is done, then lets connections finish for a moment.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let ending = CancellationToken::new();
        let tasks = TaskTracker::new();
        tokio::pin!(end);
        loop {
            let accepted = tokio::select! {
                () = &mut end => break,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((socket, _)) = accepted else {
                tokio::time::sleep(NO_SOCKET).await;
                continue;
            };
            // A full house: the connection is closed, and its client tries again.
            let Some(place) = self.limits.enter() else { continue };
            let peer = Peer { tls: self.tls.clone(), known: Arc::clone(&self.peers), service: self.sim.service(), limits: Arc::clone(&self.limits) };
            tasks.spawn(peer.serve(socket, place, ending.clone()));
        }
        ending.cancel();
        tasks.close();
        let _ = tokio::time::timeout(FAREWELL, tasks.wait()).await;
    }
}

/// A bearer token that nobody can guess.
fn secret() -> Result<String> {
    let mut bytes = [0_u8; 24];
    let random = ring::default_provider().secure_random.fill(&mut bytes);
    random.map_err(|_| Error::script("the system has no random numbers for a token"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
