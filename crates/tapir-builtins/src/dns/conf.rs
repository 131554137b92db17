//! Whom to ask: the name servers of the system (resolv.conf), or the one that the environment names.
//!
//! Must not know: questions and answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const PORT: u16 = 53;
/// As in resolv.conf(5): further ones are not looked at.
const SERVERS_MAX: usize = 3;
const FILE: &str = "/etc/resolv.conf";

/// How name servers are asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conf {
    /// Never empty.
    pub servers: Vec<SocketAddr>,
    /// How long one try waits.
    pub timeout: Duration,
    /// How often each server is tried.
    pub attempts: u32,
    /// Whether questions begin with different servers.
    pub rotate: bool,
    /// The server was named by the user, not by the system: it answers for everything.
    pub given: bool,
}

impl Default for Conf {
    fn default() -> Self {
        Conf {
            servers: Vec::new(),
            timeout: Duration::from_secs(2),
            attempts: 3,
            rotate: false,
            given: false,
        }
    }
}

impl Conf {
    /// What the environment and the system say.
    ///
    /// # Errors
    /// The environment names something that is no address.
    pub fn load() -> Result<Conf, String> {
        let given = std::env::var("ZEEK_DNS_RESOLVER").ok().filter(|v| !v.is_empty());
        if let Some(text) = given {
            return match address(&text) {
                Some(server) => Ok(Conf::of_server(server)),
                None => Err(format!(
                    "ZEEK_DNS_RESOLVER is '{text}', which is no address of a name server: names cannot be looked up"
                )),
            };
        }
        Ok(Conf::parse(&std::fs::read_to_string(FILE).unwrap_or_default()))
    }

    fn of_server(server: SocketAddr) -> Conf {
        Conf {
            servers: vec![server],
            given: true,
            ..Conf::default()
        }
    }

    fn parse(text: &str) -> Conf {
        let mut c = Conf::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") if c.servers.len() < SERVERS_MAX => {
                    c.servers.extend(
                        words
                            .next()
                            .and_then(|w| w.parse().ok())
                            .map(|a: IpAddr| SocketAddr::new(a, PORT)),
                    );
                }
                Some("options") => words.for_each(|w| c.option(w)),
                _ => {}
            }
        }
        if c.servers.is_empty() {
            c.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        c
    }

    fn option(&mut self, word: &str) {
        let (name, n) = word.split_once(':').unwrap_or((word, ""));
        let n = n.parse::<u32>().ok();
        match (name, n) {
            // The bounds are those of the system's own resolver.
            ("timeout", Some(n)) => self.timeout = Duration::from_secs(n.clamp(1, 30).into()),
            ("attempts", Some(n)) => self.attempts = n.clamp(1, 5),
            ("rotate", None) => self.rotate = true,
            _ => {}
        }
    }
}

/// `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`.
fn address(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    let plain = text.parse().ok().map(|a: IpAddr| SocketAddr::new(a, PORT));
    plain.or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file() {
        let c = Conf::parse(
            "# nameserver 192.0.2.9\n; x\nsearch example\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # yes\n\
             nameserver no.address\nnameserver 192.0.2.3\nnameserver 192.0.2.4\noptions ndots:2 timeout:99 rotate attempts:0\n",
        );
        let servers: Vec<String> = c.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.3:53"]);
        assert_eq!((c.timeout, c.attempts, c.rotate), (Duration::from_secs(30), 1, true));
        let c = Conf::parse("");
        assert_eq!(c.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!((c.timeout, c.attempts, c.rotate), (Duration::from_secs(2), 3, false));
    }

    #[test]
    fn addresses() {
        let all = ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", " [2001:db8::1]:5353"];
        let read: Vec<String> = all.iter().filter_map(|s| address(s)).map(|a| a.to_string()).collect();
        assert_eq!(
            read,
            [
                "192.0.2.1:53",
                "192.0.2.1:5353",
                "[2001:db8::1]:53",
                "[2001:db8::1]:5353"
            ]
        );
        for bad in ["x", "192.0.2.1:", "192.0.2:53", "localhost:53", "192.0.2.1:99999"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
