//! To the journal: TCP, TLS, and the look at who is there.
//!
//! **Invariant:** not one record is sent before the other end has shown a certificate of the site's authority that is a
//! member's, for the host that the configuration names.

use std::error::Error;
use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pact_policy::certificate::{Machine, machine};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;

use super::keys::Keys;
use crate::config::Endpoint;

/// From the first packet to the certificate.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a silent journal is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A connection whose other end is the journal; otherwise why there is none.
pub(super) async fn connect(
    endpoint: &Endpoint,
    keys: &Keys,
) -> Result<Connected<impl Future<Output = Result<(), hyper::Error>>>, String> {
    let connecting = async {
        let stream = TcpStream::connect((endpoint.host(), endpoint.port())).await;
        let stream = stream.map_err(|e| format!("no connection: {e}"))?;
        // Without it an acknowledgement waits for another packet.
        stream.set_nodelay(true).map_err(|e| format!("no connection: {e}"))?;
        let tls = TlsConnector::from(keys.tls()).connect(endpoint.name().clone(), stream).await;
        let tls = tls.map_err(|e| format!("its certificate: {}", chain(&e)))?;
        is_a_member(&tls)?;
        http2(tls).await.map_err(|e| chain(&e))
    };
    let late = || format!("no connection within {} s", PATIENCE.as_secs());
    timeout(PATIENCE, connecting).await.unwrap_or_else(|_| Err(late()))
}

/// The chain is verified already, and the host.
fn is_a_member(tls: &TlsStream<TcpStream>) -> Result<(), String> {
    let leaf = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    match leaf.map(|leaf| machine(leaf)) {
        Some(Ok(Machine::Member(_))) => Ok(()),
        Some(Ok(Machine::Node(node))) => Err(format!("its certificate: it is that of node {node}, and no member's")),
        Some(Err(error)) => Err(format!("its certificate: {error}")),
        None => Err("its certificate: it showed none".to_owned()),
    }
}

/// What requests go into, and what moves them: it ends with the connection, and says why.
pub(super) struct Connected<C> {
    pub(super) requests: SendRequest<Body>,
    pub(super) connection: C,
}

/// HTTP/2 over the one stream that there is.
///
/// **Why:** tonic's own channel would try for a second one behind it, and tell of that failure and not of the first.
pub(super) async fn http2<S>(
    stream: S,
) -> Result<Connected<impl Future<Output = Result<(), hyper::Error>>>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    builder.keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(PATIENCE).keep_alive_while_idle(true);
    let (requests, connection) = builder.handshake(TokioIo::new(stream)).await?;
    Ok(Connected { requests, connection })
}

/// An error and what is behind it, each once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
