//! A simulated cluster on a socket, and what tests ask it with.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rollsh::clock::Clock;
use rollsh::sim::serve::{Options, Server};
use rollsh::sim::{self, Sim};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// A served cluster; it ends with the value.
pub struct Served {
    pub sim: Sim,
    pub address: SocketAddr,
    pub kubeconfig: String,
    pub runtime: Runtime,
    _end: oneshot::Sender<()>,
}

/// A cluster with nothing of its own in it, in wall time.
pub fn empty(plain: bool) -> Served {
    start(sim::Options { manifests: Some(Vec::new()), ..sim::Options::default() }, plain)
}

/// The shop.
pub fn shop(plain: bool) -> Served {
    start(sim::Options::default(), plain)
}

fn start(options: sim::Options, plain: bool) -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let sim = Sim::new(options, Clock::wall()).expect("a cluster");
    let inside = runtime.enter();
    let server = Server::bind(sim.clone(), &Options { port: 0, plain }, Clock::wall().now()).expect("a port");
    drop(inside);
    let (address, kubeconfig) = (server.address(), server.kubeconfig().to_owned());
    let (end, ended) = oneshot::channel::<()>();
    runtime.spawn(sim.clone().live());
    runtime.spawn(server.run(async {
        let _ = ended.await;
    }));
    Served { sim, address, kubeconfig, runtime, _end: end }
}

impl Served {
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream
    }

    /// Sends bytes on a connection of their own; head and body of the answer.
    pub fn raw(&self, bytes: &[u8]) -> (String, String) {
        let mut stream = self.connect();
        // A server that has seen enough may close before all is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
        (head.to_owned(), body.to_owned())
    }

    /// Code and body of a request.
    pub fn ask(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
        let (head, body) = self.raw(&request(method, path, content_type, body));
        let code = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        (code, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }
}

/// A request that ends its connection.
pub fn request(method: &str, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
