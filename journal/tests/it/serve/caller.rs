//! Whoever calls a member: with whatever certificate, and whatever messages.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use pact_proto::model::entry::{Body, Via};
use pact_proto::model::{Entry, LineId, NodeName, Scope};
use pact_proto::wire::v1::uplink_reply::Kind;
use pact_proto::wire::v1::{Hello, SpooledEntries, UplinkReply};
use pact_xtask::authority::Leaf;
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};

use super::member::{PATIENCE, Site};
use crate::support::at;

/// A request whose parts are bytes: whatever they say, it goes out.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Raw {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(crate) hello: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) entries: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "100")]
    pub(crate) unknown: Option<Vec<u8>>,
}

impl Raw {
    pub(crate) fn greeting(epoch: u64) -> Self {
        let hello = Hello { version: "test".into(), address: String::new(), epoch, vcluster: "test".into() };
        Self { hello: Some(hello.encode_to_vec()), ..Self::default() }
    }

    pub(crate) fn batch(entries: Vec<Vec<u8>>) -> Self {
        Self { entries: Some(SpooledEntries { entries }.encode_to_vec()), ..Self::default() }
    }
}

/// How one calls.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    /// The address of the member.
    pub(crate) to: SocketAddr,
    /// The authority that one believes.
    pub(crate) ca: &'a str,
    /// The certificate that one shows, if any.
    pub(crate) as_: Option<&'a Leaf>,
    /// What one takes before one has read it.
    pub(crate) window: Option<u32>,
}

/// An open stream.
pub(crate) struct Uplink {
    requests: mpsc::Sender<Raw>,
    replies: Streaming<UplinkReply>,
}

impl Way<'_> {
    pub(crate) async fn tls(&self) -> Result<TlsStream<TcpStream>, String> {
        self.tls_from(Ipv4Addr::LOCALHOST).await
    }

    /// From another address of this machine.
    async fn tls_from(&self, from: Ipv4Addr) -> Result<TlsStream<TcpStream>, String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.as_ {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let certificate = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(self.to).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| e.to_string())
    }

    pub(crate) async fn channel(&self) -> Result<Channel, String> {
        self.channel_from(Ipv4Addr::LOCALHOST).await
    }

    pub(crate) async fn channel_from(&self, from: Ipv4Addr) -> Result<Channel, String> {
        let mut stream = Some(TokioIo::new(self.tls_from(from).await?));
        let connector = tower::service_fn(move |_: http::Uri| {
            std::future::ready(stream.take().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected)))
        });
        let endpoint = Endpoint::from_static("http://journal.pact").initial_stream_window_size(self.window);
        endpoint.connect_with_connector(connector).await.map_err(|e| chain(&e))
    }

    /// Opens a stream and says nothing.
    pub(crate) async fn open(&self) -> Result<Uplink, String> {
        let mut client = tonic::client::Grpc::new(self.channel().await?);
        client.ready().await.map_err(|e| chain(&e))?;
        let (requests, messages) = mpsc::channel(1);
        let path = http::uri::PathAndQuery::from_static("/pact.v1.Journal/Uplink");
        let codec = tonic_prost::ProstCodec::<Raw, UplinkReply>::default();
        let opened = client.streaming(Request::new(ReceiverStream::new(messages)), path, codec).await;
        Ok(Uplink { requests, replies: opened.map_err(|e| chain(&e))?.into_inner() })
    }
}

impl Uplink {
    /// As a node with its own certificate; the first number that the member has not.
    pub(crate) async fn of(site: &Site, to: SocketAddr, leaf: &Leaf, epoch: u64) -> Result<(Self, u64), String> {
        let ca = site.authority.certificate();
        let mut uplink = Way { to, ca: &ca, as_: Some(leaf), window: None }.open().await?;
        uplink.send(Raw::greeting(epoch)).await?;
        match uplink.next().await? {
            Kind::Welcome(welcome) => Ok((uplink, welcome.next_number)),
            other @ (Kind::Acknowledged(_) | Kind::Refused(_) | Kind::Revocations(_)) => Err(format!("{other:?}")),
        }
    }

    pub(crate) async fn send(&mut self, message: Raw) -> Result<(), String> {
        let sent = timeout(PATIENCE, self.requests.send(message)).await;
        sent.map_err(|_| "it takes nothing")?.map_err(|_| "it is gone".to_owned())
    }

    /// Whether a message goes out within a short time.
    pub(crate) async fn sends(&mut self, message: Raw) -> bool {
        timeout(Duration::from_secs(2), self.requests.send(message)).await.is_ok()
    }

    /// Ends what this side has to say.
    pub(crate) fn done(&mut self) {
        (self.requests, _) = mpsc::channel(1);
    }

    /// What it says next, but for revocations, which it tells everybody all the time.
    pub(crate) async fn next(&mut self) -> Result<Kind, String> {
        loop {
            match self.any().await? {
                Kind::Revocations(_) => {}
                other @ (Kind::Welcome(_) | Kind::Acknowledged(_) | Kind::Refused(_)) => return Ok(other),
            }
        }
    }

    /// What it says next.
    pub(crate) async fn any(&mut self) -> Result<Kind, String> {
        let reply = timeout(PATIENCE, self.replies.message()).await.map_err(|_| "it says nothing")?;
        let reply = reply.map_err(|e| chain(&e))?.ok_or("the stream is over")?;
        Ok(reply.kind.unwrap())
    }

    /// Waits until it has this number.
    pub(crate) async fn acknowledged(&mut self, number: u64) -> Result<(), String> {
        loop {
            match self.next().await? {
                Kind::Acknowledged(acknowledged) if acknowledged.number == number => return Ok(()),
                Kind::Acknowledged(acknowledged) if acknowledged.number < number => {}
                Kind::Revocations(_) => {}
                other @ (Kind::Acknowledged(_) | Kind::Refused(_) | Kind::Welcome(_)) => {
                    return Err(format!("{other:?}"));
                }
            }
        }
    }

    /// The end of the stream: the last number that was acknowledged, the number that was refused, and why.
    pub(crate) async fn refused(&mut self) -> Result<(u64, u64, String), String> {
        let mut last = 0;
        loop {
            match self.next().await? {
                Kind::Acknowledged(acknowledged) => last = acknowledged.number,
                Kind::Revocations(_) => {}
                Kind::Refused(refused) => return Ok((last, refused.number, refused.reason)),
                other @ Kind::Welcome(_) => return Err(format!("{other:?}")),
            }
        }
    }
}

/// An entry as the node would write it.
pub(crate) fn entry(node: &str, epoch: u64, number: u64) -> Entry {
    let name: NodeName = node.parse().unwrap();
    Entry {
        event_time: jiff::Timestamp::from_second(1_790_000_000).unwrap(),
        scope: Scope::Node(name.clone()),
        author: "alice@example.org".parse().unwrap(),
        via: Via::Node(name),
        session: None,
        line: LineId::NONE,
        message: String::new(),
        policy_version: "0123456789ab".to_owned(),
        position: Some(at(node, epoch, number)),
        request_hash: None,
        credential: None,
        body: Body::SessionClosed { reason: format!("{node} {epoch} {number}") },
    }
}

/// Many of them, encoded.
pub(crate) fn spool(node: &str, epoch: u64, numbers: impl IntoIterator<Item = u64>) -> Vec<Vec<u8>> {
    numbers.into_iter().map(|number| entry(node, epoch, number).encode()).collect()
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {}", chain(source)),
    }
}
