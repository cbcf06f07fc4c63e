//! The HTTP endpoint: reads requests to their end, hands them to the engine, and sends what comes back.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::answer::HttpReply;
use crate::engine::Message;
use crate::request::HttpRequest;

/// The largest body that is read: Lambda takes zips of 50 MiB, and nothing that is sent here is larger.
const LARGEST_BODY: usize = 64 << 20;

/// Accepts connections until it is dropped.
pub(crate) async fn serve(listener: TcpListener, messages: mpsc::UnboundedSender<Message>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that failed before it began concerns nobody.
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(converse(stream, messages.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, messages: mpsc::UnboundedSender<Message>) {
    let answer = |request| {
        let messages = messages.clone();
        async move { exchange(request, &messages).await }
    };
    // An error here is a connection that the client or a fault has cut; both sides know it already.
    let _ = hyper::server::conn::http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
}

/// The connection is closed without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is closed without an answer")
    }
}

impl std::error::Error for Cut {}

async fn exchange(
    request: hyper::Request<Incoming>,
    messages: &mpsc::UnboundedSender<Message>,
) -> Result<hyper::Response<Full<Bytes>>, Cut> {
    if !is_for_loopback(request.headers()) {
        let refusal = hyper::Response::builder().status(hyper::StatusCode::MISDIRECTED_REQUEST);
        return refusal.body(Full::from("this is no public server\n")).map_err(|_| Cut);
    }
    let request = read(request).await?;
    let (reply, replied) = oneshot::channel();
    messages.send(Message::Request { request, reply }).map_err(|_| Cut)?;
    let HttpReply { status, headers, body } = replied.await.map_err(|_| Cut)?;
    let mut response = hyper::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Full::from(body)).map_err(|_| Cut)
}

/// Whether a request is for this machine by the name that was asked for. A page in a browser may have a name of its own
/// resolve to 127.0.0.1, but none that ends in `.invalid` (RFC 6761): such a one has come through a proxy of a test's.
fn is_for_loopback(headers: &hyper::HeaderMap) -> bool {
    let host = headers.get(hyper::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    ["127.0.0.1", "localhost"].contains(&name) || name.ends_with(".invalid")
}

async fn read(request: hyper::Request<Incoming>) -> Result<HttpRequest, Cut> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await.map_err(|_| Cut)?.to_bytes().to_vec();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(HttpRequest {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
    })
}
