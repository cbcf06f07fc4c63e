//! The HTTP side of a Lambda Runtime API: what the function's process asks, as values.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::answer::HttpReply;

/// Every path begins with the API's version.
const RUNTIME: &str = "/2018-06-01/runtime/";

/// The largest answer of a function is 6 MB.
const LARGEST_BODY: usize = 6 << 20;

/// What the process asks, and where the answer goes.
pub(super) struct RuntimeCall {
    pub(super) kind: RuntimeCallKind,
    pub(super) reply: oneshot::Sender<HttpReply>,
}

pub(super) enum RuntimeCallKind {
    /// It is ready for the next invocation.
    Next,
    /// It has done the invocation with this request id.
    Response { request_id: String, payload: Vec<u8> },
    /// It has failed at it.
    Error { request_id: String, payload: Vec<u8> },
    /// It could not start.
    InitError { payload: Vec<u8> },
}

/// Serves one process until it is dropped.
pub(super) async fn serve(listener: TcpListener, calls: mpsc::UnboundedSender<RuntimeCall>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(converse(stream, calls.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, calls: mpsc::UnboundedSender<RuntimeCall>) {
    let answer = |request| {
        let calls = calls.clone();
        async move { exchange(request, &calls).await }
    };
    // An error here is a process that has gone; whoever waits for it knows.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn exchange(
    request: hyper::Request<Incoming>,
    calls: &mpsc::UnboundedSender<RuntimeCall>,
) -> Result<hyper::Response<Full<Bytes>>, hyper::http::Error> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix(RUNTIME).unwrap_or_default().to_owned();
    let payload = Limited::new(body, LARGEST_BODY).collect().await.map(|body| body.to_bytes().to_vec());
    let reply = match payload {
        Err(_) => refusal(413, "Function.ResponseSizeTooLarge", "the payload is over 6 MB"),
        Ok(payload) => match understand(head.method.as_str(), &path, payload) {
            None => refusal(404, "NotFound", "no such operation in the Runtime API"),
            Some(kind) => {
                let (reply, replied) = oneshot::channel();
                let sent = calls.send(RuntimeCall { kind, reply });
                match replied.await {
                    Ok(reply) if sent.is_ok() => reply,
                    _ => refusal(500, "Gone", "the instance has ended"),
                }
            }
        },
    };
    let mut response = hyper::Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::from(reply.body))
}

fn understand(method: &str, path: &str, payload: Vec<u8>) -> Option<RuntimeCallKind> {
    let parts: Vec<&str> = path.split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["invocation", "next"]) => Some(RuntimeCallKind::Next),
        ("POST", ["invocation", id, "response"]) => {
            Some(RuntimeCallKind::Response { request_id: (*id).to_owned(), payload })
        }
        ("POST", ["invocation", id, "error"]) => Some(RuntimeCallKind::Error { request_id: (*id).to_owned(), payload }),
        ("POST", ["init", "error"]) => Some(RuntimeCallKind::InitError { payload }),
        _ => None,
    }
}

/// An error in the form of the Runtime API.
pub(super) fn refusal(status: u16, kind: &str, message: &str) -> HttpReply {
    let body = serde_json::json!({ "errorType": kind, "errorMessage": message }).to_string().into_bytes();
    HttpReply { status, headers: vec![("content-type", "application/json".to_owned())], body }
}
