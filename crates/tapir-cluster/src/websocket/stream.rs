//! A client's connection, plain or encrypted, that never blocks.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// How connections are encrypted; empty names for not at all. As `Cluster::WebSocketTLSOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    pub cert_file: String,
    pub key_file: String,
    /// Asks clients for certificates.
    pub enable_peer_verification: bool,
    /// Who signs clients' certificates; empty for the system's list.
    pub ca_file: String,
    /// Cipher suites by OpenSSL's or the standard's names, with colons between; empty for all good ones.
    pub ciphers: String,
}

/// Where systems keep the list of authorities.
const SYSTEM_CA: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl TlsOptions {
    /// What encrypted connections start from; `None` where there is no encryption.
    ///
    /// # Errors
    /// What to mend.
    pub fn load(&self) -> Result<Option<Arc<ServerConfig>>, String> {
        if self.cert_file.is_empty() != self.key_file.is_empty() {
            return Err("tls_options needs both cert_file and key_file, or none of them".into());
        }
        if self.cert_file.is_empty() {
            return Ok(None);
        }
        let chain = certificates(&self.cert_file)?;
        let key = PrivateKeyDer::from_pem_file(&self.key_file)
            .map_err(|e| format!("cannot read the private key in {}: {e}", self.key_file))?;
        let mut provider = ring::default_provider();
        if !self.ciphers.is_empty() {
            provider.cipher_suites = suites(&provider.cipher_suites, &self.ciphers)?;
        }
        let provider = Arc::new(provider);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("tls_options: {e}"))?;
        let builder = if self.enable_peer_verification {
            let mut roots = RootCertStore::empty();
            let file = match &self.ca_file {
                f if f.is_empty() => SYSTEM_CA
                    .into_iter()
                    .find(|f| Path::new(f).exists())
                    .ok_or("the system has no list of certificate authorities: set ca_file in tls_options")?,
                f => f,
            };
            roots.add_parsable_certificates(certificates(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|e| format!("{file}: {e}"))?)
        } else {
            builder.with_no_client_auth()
        };
        let config = builder
            .with_single_cert(chain, key)
            .map_err(|e| format!("{} and {} do not fit: {e}", self.cert_file, self.key_file))?;
        Ok(Some(Arc::new(config)))
    }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let all: Vec<_> = all.map_err(|e| format!("cannot read certificates in {file}: {e}"))?;
    if all.is_empty() {
        return Err(format!("there is no certificate in {file}"));
    }
    Ok(all)
}

fn suites(known: &[rustls::SupportedCipherSuite], wanted: &str) -> Result<Vec<rustls::SupportedCipherSuite>, String> {
    let mut found = Vec::new();
    for name in wanted.split(':').filter(|n| !n.is_empty()) {
        // OpenSSL writes ECDHE-RSA-AES128-GCM-SHA256 for TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256.
        let plain = |s: &str| {
            let s = s.to_ascii_uppercase().replace(['-', '_'], "");
            s.replace("WITH", "").replace("POLY1305SHA256", "POLY1305")
        };
        let is = |s: &&rustls::SupportedCipherSuite| {
            let full = format!("{:?}", s.suite()).replace("TLS13_", "TLS_");
            plain(&full) == plain(name) || plain(full.trim_start_matches("TLS_")) == plain(name)
        };
        let suite = known.iter().find(is);
        found.push(*suite.ok_or_else(|| format!("tls_options: cipher suite {name} is unknown or not safe"))?);
    }
    Ok(found)
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    /// A connection just accepted.
    ///
    /// # Errors
    /// It broke already.
    pub fn new(tcp: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        tcp.set_nodelay(true)?;
        Ok(match tls {
            None => Stream::Plain(tcp),
            Some(config) => {
                let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(connection, tcp)))
            }
        })
    }

    /// What to poll.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Plain(s) => s.as_fd(),
            Stream::Tls(s) => s.sock.as_fd(),
        }
    }

    /// Whether it has something to write that nobody asked it to.
    pub fn wants_write(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(s) => s.conn.wants_write(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(s) => s.read(out),
            Stream::Tls(s) => s.read(out),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(s) => s.write(bytes),
            Stream::Tls(s) => s.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(s) => s.flush(),
            Stream::Tls(s) => s.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_errors() {
        let with = |cert: &str, key: &str| TlsOptions {
            cert_file: cert.into(),
            key_file: key.into(),
            ..TlsOptions::default()
        };
        assert!(with("", "").load().is_ok_and(|t| t.is_none()));
        assert!(with("a", "").load().is_err());
        assert!(
            with("/nonexistent", "/nonexistent")
                .load()
                .is_err_and(|e| e.contains("/nonexistent"))
        );
        let known = ring::default_provider().cipher_suites;
        let found = suites(
            &known,
            "ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-CHACHA20-POLY1305",
        );
        assert_eq!(found.map(|f| f.len()), Ok(3));
        assert!(suites(&known, "RC4-MD5").is_err());
    }
}
