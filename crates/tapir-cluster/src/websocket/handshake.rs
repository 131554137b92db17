//! The opening handshake (RFC 6455, section 4) of the server's side.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::message::{INVALID_NAME, INVALID_URI};

/// Heads longer than this are refused.
pub const HEAD_MAX: usize = 16 << 10;

/// The path of the API.
const PATH: &str = "/v1/messages/json";

/// A request that asks for a WebSocket connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// What `Sec-WebSocket-Accept` is to say.
    accept: String,
    path: String,
    application: Option<String>,
}

/// Length of the request's head including the empty line, once it is complete.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|i| i + 4)
}

/// Reads the head of a request. Without UTF-8, with the wrong method or version, or when a header is missing there is none.
pub fn parse(head: &[u8]) -> Option<Request> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, path, version) = (words.next()?, words.next()?, words.next()?);
    if method != "GET" || version != "HTTP/1.1" || words.next().is_some() {
        return None;
    }
    let headers: Vec<(&str, &str)> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n, v.trim_matches([' ', '\t'])))
        .collect();
    let header = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| *v)
    };
    let listed = |name: &str, token: &str| {
        header(name).is_some_and(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(token)))
    };
    let key = header("Sec-WebSocket-Key")?;
    let good = STANDARD.decode(key).is_ok_and(|k| k.len() == 16);
    if !good
        || header("Sec-WebSocket-Version") != Some("13")
        || !listed("Upgrade", "websocket")
        || !listed("Connection", "upgrade")
    {
        return None;
    }
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    Some(Request {
        accept: STANDARD.encode(sha1.finalize()),
        path: path.into(),
        application: header("X-Application-Name").map(Into::into),
    })
}

impl Request {
    /// The answer that opens the connection.
    pub fn answer(&self) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            self.accept
        )
    }

    /// The application's name, if it has told one.
    ///
    /// # Errors
    /// Code and context of why the client cannot stay.
    pub fn application(&self) -> Result<Option<&str>, (&'static str, &'static str)> {
        if self.path != PATH {
            return Err(INVALID_URI);
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/_.=:*@-".contains(&b);
        match &self.application {
            Some(name) if name.is_empty() || !name.bytes().all(allowed) => Err(INVALID_NAME),
            name => Ok(name.as_deref()),
        }
    }
}

/// The answer to what is no request for a WebSocket connection.
pub const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(path: &str, more: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
        )
    }

    #[test]
    fn requests() {
        let r = parse(head(PATH, "x-application-NAME: app/1.0\r\n").as_bytes()).unwrap();
        // The example of the RFC.
        assert!(r.answer().contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(r.application(), Ok(Some("app/1.0")));
        assert_eq!(
            parse(head("/other", "").as_bytes()).unwrap().application(),
            Err(INVALID_URI)
        );
        let r = parse(head(PATH, "X-Application-Name: a b\r\n").as_bytes()).unwrap();
        assert_eq!(r.application(), Err(INVALID_NAME));
        for bad in [
            head(PATH, "").replace("GET", "POST"),
            head(PATH, "").replace("HTTP/1.1", "HTTP/1.0"),
            head(PATH, "").replace("13", "8"),
            head(PATH, "").replace("Sec-WebSocket-Key", "X"),
            head(PATH, "").replace("upgrade: WebSocket", "upgrade: h2c"),
            "\r\n\r\n".into(),
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
    proptest! {
        #[test]
        fn damaged_requests_never_panic(mut bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), b in any::<u8>()) {
            let _ = parse(&bytes);
            bytes = head(PATH, "X-Application-Name: x\r\n").into_bytes();
            let i = at.index(bytes.len());
            bytes[i] = b;
            if let Some(n) = head_length(&bytes) {
                let _ = parse(&bytes[..n]).map(|r| r.application().is_ok());
            }
        }
    }
}
