//! Who may connect to encrypted sockets of a context: everyone with the cluster's client key (ZAP 1.0, RFC 27).

use std::sync::Arc;

use super::config::Curve;
use super::ffi::{Context, Frame, Lib, Socket, ZmqError, kind, opt};

/// Answers the questions of a context's listening sockets.
#[derive(Debug)]
pub struct Zap {
    socket: Socket,
    client: [u8; 32],
}

impl Zap {
    /// A handler for the context, where its keys ask for one. It must be there before sockets are bound.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn new(lib: &Lib, context: &Arc<Context>, curve: &Curve) -> Result<Option<Self>, ZmqError> {
        let Some(client) = lib.z85_key(&curve.client_publickey).filter(|_| curve.for_servers()) else {
            return Ok(None);
        };
        let socket = context.socket(kind::REP)?;
        socket.set(opt::LINGER, 0)?;
        socket.bind("inproc://zeromq.zap.01")?;
        Ok(Some(Zap { socket, client }))
    }

    /// The socket on which questions arrive.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Answers what was asked.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn serve(&self, frame: &mut Frame) -> Result<(), ZmqError> {
        while frame.receive(&self.socket)? {
            // Version, request, domain, address, identity, mechanism, credentials.
            let mut parts = vec![frame.bytes().to_vec()];
            while frame.more() && frame.receive(&self.socket)? {
                if parts.len() < 8 {
                    parts.push(frame.bytes().to_vec());
                }
            }
            let known = match &parts[..] {
                [_, _, _, _, _, mechanism, key] => mechanism == b"CURVE" && *key == self.client,
                _ => false,
            };
            let (status, text, user): (&[u8], &[u8], &[u8]) = if known {
                (b"200", b"OK", b"0")
            } else {
                (b"400", b"Unknown client key", b"")
            };
            let request = parts.get(1).map_or(&[][..], |r| r);
            for (i, part) in [b"1.0", request, status, text, user, b""].into_iter().enumerate() {
                self.socket.send(part, i < 5)?;
            }
        }
        Ok(())
    }
}

/// Makes a socket that will be bound encrypt, if the keys ask for it.
///
/// # Errors
/// What libzmq says.
pub fn serve_encrypted(socket: &Socket, curve: &Curve) -> Result<(), ZmqError> {
    if curve.for_servers() {
        socket.set(opt::CURVE_SERVER, 1)?;
        socket.set_bytes(opt::CURVE_SECRETKEY, curve.server_secretkey.as_bytes())?;
    }
    Ok(())
}

/// Makes a socket that will connect encrypt, if the keys ask for it.
///
/// # Errors
/// What libzmq says.
pub fn connect_encrypted(socket: &Socket, curve: &Curve) -> Result<(), ZmqError> {
    if curve.for_clients() {
        socket.set_bytes(opt::CURVE_SERVERKEY, curve.server_publickey.as_bytes())?;
        socket.set_bytes(opt::CURVE_PUBLICKEY, curve.client_publickey.as_bytes())?;
        socket.set_bytes(opt::CURVE_SECRETKEY, curve.client_secretkey.as_bytes())?;
    }
    Ok(())
}
