//! The way to another machine, walked as often as connections break: its addresses are looked up once.
//!
//! **Invariant:** a connection that goes on with a stream is made under the key that began it, to a machine of the site
//! with the name that it had.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use pact_resume::{Dial, State};
use rustls::pki_types::ServerName;
use tokio::io::DuplexStream;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;

use crate::{ClientError, Place, Tls};

/// Where a machine is, and who it has to be.
#[derive(Clone)]
pub(crate) struct Way {
    tls: Tls,
    pub(crate) place: Place,
    addresses: Arc<[SocketAddr]>,
    name: ServerName<'static>,
}

impl Way {
    /// To `host:port`, where somebody of this name is. May wait for a name server.
    pub(crate) fn to(tls: Tls, place: Place, endpoint: &str, name: ServerName<'static>) -> Result<Self, ClientError> {
        let unreachable = |source| ClientError::Unreachable { place: place.clone(), source };
        let addresses: Arc<[_]> = endpoint.to_socket_addrs().map_err(unreachable)?.collect();
        if addresses.is_empty() {
            return Err(unreachable(io::Error::other("its name has no address")));
        }
        Ok(Self { tls, place, addresses, name })
    }

    /// The first of the addresses.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// The ports that it leads to.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.addresses.iter().map(SocketAddr::port)
    }

    /// A stream that outlives its connections; `state` is told how it is.
    pub(crate) async fn walk(&self, state: watch::Sender<State>) -> Result<DuplexStream, ClientError> {
        let connected = self.dial().await.map_err(|error| {
            let of_tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
            match of_tls {
                Some(rustls::Error::InvalidCertificate(why)) => {
                    ClientError::Impostor { place: self.place.clone(), why: why.to_string() }
                }
                Some(_) | None => ClientError::Unreachable { place: self.place.clone(), source: error },
            }
        })?;
        Ok(pact_resume::open(self.clone(), self.tls.number(), connected, state))
    }
}

impl Dial for Way {
    type Io = TlsStream<TcpStream>;

    /// A confined process may be without sockets.
    fn may(&self) -> bool {
        self.addresses.iter().any(|to| if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.is_ok())
    }

    async fn dial(&self) -> io::Result<Self::Io> {
        self.tls.connect(&self.addresses, self.name.clone()).await
    }
}

/// The host of `host:port` as a certificate names it.
pub(crate) fn server_name(endpoint: &str) -> Option<ServerName<'static>> {
    let (host, _) = endpoint.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned()).ok()
}
