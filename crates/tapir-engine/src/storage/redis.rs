//! The Redis backend: a client of the RESP protocol over TCP or a Unix socket.
//!
//! Keys are `PREFIX:KEY`. The server expires entries by its own clock; while captures are read, whose time is not that of
//! the server, the times at which entries are over are kept in the sorted set `PREFIX_expire` instead.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::{Backend, Failure};

/// What a script says about the server.
pub(crate) struct RedisOptions {
    /// Host and port; a Unix socket is used when there is none.
    pub server: Option<(String, u16)>,
    pub socket: String,
    pub prefix: String,
    pub connect_secs: f64,
    pub operation_secs: f64,
    pub username: Option<String>,
    pub password: Option<String>,
    /// Entries are over by the time of a capture.
    pub offline: bool,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection to a server.
pub(crate) struct Redis {
    stream: BufReader<Box<dyn Stream>>,
    prefix: String,
    offline: bool,
}

#[derive(Debug, PartialEq)]
enum Reply {
    Text(Vec<u8>),
    Number(i64),
    Nil,
    List(Vec<Reply>),
}

/// The largest text and the longest list that a server may send.
const TEXT_MAX: i64 = 512 << 20;
const LIST_MAX: i64 = 1 << 20;
const LINE_MAX: usize = 64 << 10;

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn line(from: &mut impl Read) -> io::Result<String> {
    let mut out = Vec::new();
    let mut byte = [0];
    while out.len() < LINE_MAX {
        from.read_exact(&mut byte)?;
        if byte[0] == b'\n' {
            if out.last() == Some(&b'\r') {
                out.pop();
            }
            return Ok(String::from_utf8_lossy(&out).into_owned());
        }
        out.push(byte[0]);
    }
    Err(bad("the server sends an endless line"))
}

/// Reads one reply. An answer that says what went wrong is the inner error.
fn reply(from: &mut impl Read, depth: u32) -> io::Result<Result<Reply, String>> {
    let head = line(from)?;
    let (kind, rest) = head
        .split_at_checked(1)
        .ok_or_else(|| bad("the server sends an empty line"))?;
    let number = || {
        rest.parse::<i64>()
            .map_err(|_| bad("the server sends no number where one must be"))
    };
    Ok(Ok(match kind {
        "+" => Reply::Text(rest.as_bytes().to_vec()),
        "-" => return Ok(Err(rest.to_string())),
        ":" => Reply::Number(number()?),
        "$" => match number()? {
            n if n < 0 => Reply::Nil,
            n if n > TEXT_MAX => return Err(bad("the server sends too much")),
            n => {
                let mut text = Vec::new();
                from.take(n as u64 + 2).read_to_end(&mut text)?;
                if text.len() as i64 != n + 2 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                text.truncate(n as usize);
                Reply::Text(text)
            }
        },
        "*" => match number()? {
            n if n < 0 => Reply::Nil,
            n if n > LIST_MAX || depth > 4 => return Err(bad("the server sends too much")),
            n => {
                let mut items = Vec::new();
                for _ in 0..n {
                    match reply(from, depth + 1)? {
                        Ok(item) => items.push(item),
                        Err(e) => return Ok(Err(e)),
                    }
                }
                Reply::List(items)
            }
        },
        _ => return Err(bad("the server does not speak RESP")),
    }))
}

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s.clamp(0.001, 3600.0))
}

impl Redis {
    /// Connects and introduces itself.
    ///
    /// # Errors
    /// What the system or the server says.
    pub(crate) fn open(o: RedisOptions) -> Result<Self, String> {
        let timeout = Some(seconds(o.operation_secs));
        let connected = (|| -> io::Result<Box<dyn Stream>> {
            match &o.server {
                Some((host, port)) => {
                    let mut last = bad("the name of the server has no address");
                    for at in (host.as_str(), *port).to_socket_addrs()? {
                        match TcpStream::connect_timeout(&at, seconds(o.connect_secs)) {
                            Ok(s) => {
                                s.set_read_timeout(timeout)?;
                                s.set_write_timeout(timeout)?;
                                s.set_nodelay(true)?;
                                return Ok(Box::new(s));
                            }
                            Err(e) => last = e,
                        }
                    }
                    Err(last)
                }
                None => {
                    let s = UnixStream::connect(&o.socket)?;
                    s.set_read_timeout(timeout)?;
                    s.set_write_timeout(timeout)?;
                    Ok(Box::new(s))
                }
            }
        })();
        let name = match &o.server {
            Some((host, port)) => format!("{host}:{port}"),
            None => o.socket.clone(),
        };
        let stream = connected.map_err(|e| format!("cannot connect to {name}: {e}"))?;
        let mut redis = Redis {
            stream: BufReader::new(stream),
            prefix: o.prefix,
            offline: o.offline,
        };
        let text = |f: Failure| match f {
            Failure::Lost(e) | Failure::Timeout(e) | Failure::Other(e) => format!("{name}: {e}"),
            Failure::KeyExists | Failure::KeyNotFound => name.clone(),
        };
        if let Some(password) = &o.password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(o.username.as_ref().map(|u| u.as_bytes()));
            words.push(password.as_bytes());
            redis.ask(&words).map_err(text)?;
        }
        redis.ask(&[b"PING"]).map_err(text)?;
        Ok(redis)
    }

    fn ask(&mut self, words: &[&[u8]]) -> Result<Reply, Failure> {
        let mut out = format!("*{}\r\n", words.len()).into_bytes();
        for w in words {
            out.extend_from_slice(format!("${}\r\n", w.len()).as_bytes());
            out.extend_from_slice(w);
            out.extend_from_slice(b"\r\n");
        }
        let exchanged = self
            .stream
            .get_mut()
            .write_all(&out)
            .and_then(|()| reply(&mut self.stream, 0));
        match exchanged {
            Ok(Ok(r)) => Ok(r),
            Ok(Err(said)) => Err(Failure::Other(said)),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(Failure::Timeout("the server does not answer in time".into()))
            }
            Err(e) => Err(Failure::Lost(e.to_string())),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.prefix)
    }

    fn expiries(&self) -> String {
        format!("{}_expire", self.prefix)
    }

    /// Whether an entry is over by the time of a capture.
    fn over(&mut self, key: &str, now: f64) -> Result<bool, Failure> {
        if !self.offline {
            return Ok(false);
        }
        let set = self.expiries();
        match self.ask(&[b"ZSCORE", set.as_bytes(), key.as_bytes()])? {
            Reply::Text(t) => Ok(String::from_utf8_lossy(&t).parse::<f64>().is_ok_and(|at| at <= now)),
            _ => Ok(false),
        }
    }
}

impl Backend for Redis {
    fn put(&mut self, key: &str, value: &str, overwrite: bool, expires: f64, now: f64) -> Result<(), Failure> {
        let key = self.key(key);
        if !overwrite && self.over(&key, now)? {
            self.ask(&[b"DEL", key.as_bytes()])?;
        }
        let millis = ((expires * 1000.0).ceil() as u64).to_string();
        let mut words: Vec<&[u8]> = vec![b"SET", key.as_bytes(), value.as_bytes()];
        if !overwrite {
            words.push(b"NX");
        }
        if expires > 0.0 && !self.offline {
            words.extend([&b"PX"[..], millis.as_bytes()]);
        }
        if self.ask(&words)? == Reply::Nil {
            return Err(Failure::KeyExists);
        }
        if self.offline {
            let (set, at) = (self.expiries(), (now + expires).to_string());
            if expires > 0.0 {
                self.ask(&[b"ZADD", set.as_bytes(), at.as_bytes(), key.as_bytes()])?;
            } else {
                self.ask(&[b"ZREM", set.as_bytes(), key.as_bytes()])?;
            }
        }
        Ok(())
    }

    fn get(&mut self, key: &str, now: f64) -> Result<String, Failure> {
        let key = self.key(key);
        if self.over(&key, now)? {
            return Err(Failure::KeyNotFound);
        }
        match self.ask(&[b"GET", key.as_bytes()])? {
            Reply::Text(t) => String::from_utf8(t).map_err(|_| Failure::Other("the stored value is no text".into())),
            _ => Err(Failure::KeyNotFound),
        }
    }

    fn erase(&mut self, key: &str) -> Result<(), Failure> {
        let key = self.key(key);
        self.ask(&[b"DEL", key.as_bytes()])?;
        if self.offline {
            let set = self.expiries();
            self.ask(&[b"ZREM", set.as_bytes(), key.as_bytes()])?;
        }
        Ok(())
    }

    fn sweep(&mut self, now: f64) -> Result<(), Failure> {
        if !self.offline {
            // The server does that.
            return Ok(());
        }
        let (set, now) = (self.expiries(), now.to_string());
        let Reply::List(gone) = self.ask(&[b"ZRANGEBYSCORE", set.as_bytes(), b"-inf", now.as_bytes()])? else {
            return Ok(());
        };
        for key in gone {
            if let Reply::Text(key) = key {
                self.ask(&[b"DEL", &key])?;
                self.ask(&[b"ZREM", set.as_bytes(), &key])?;
            }
        }
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), String> {
        match self.ask(&[b"QUIT"]) {
            Ok(_) => Ok(()),
            Err(Failure::Lost(e) | Failure::Timeout(e) | Failure::Other(e)) => Err(e),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        let read = |text: &[u8]| reply(&mut &text[..], 0);
        assert_eq!(read(b"+OK\r\n").unwrap().unwrap(), Reply::Text(b"OK".to_vec()));
        assert_eq!(read(b"$-1\r\n").unwrap().unwrap(), Reply::Nil);
        assert_eq!(read(b"$3\r\na\nb\r\n").unwrap().unwrap(), Reply::Text(b"a\nb".to_vec()));
        assert_eq!(
            read(b"*2\r\n:1\r\n$1\r\nx\r\n").unwrap().unwrap(),
            Reply::List(vec![Reply::Number(1), Reply::Text(b"x".to_vec())])
        );
        assert_eq!(read(b"-ERR no\r\n").unwrap().unwrap_err(), "ERR no");
        for broken in [
            &b"$5\r\nab\r\n"[..],
            b"?\r\n",
            b"\r\n",
            b":x\r\n",
            b"$999999999999\r\n",
            b"*9999999\r\n",
        ] {
            assert!(read(broken).is_err());
        }
    }

    struct Server(std::process::Child, std::path::PathBuf);

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
            let _ = std::fs::remove_dir_all(&self.1);
        }
    }

    /// A real server on a Unix socket; none where it is not installed.
    fn server() -> Option<Server> {
        let dir = std::env::temp_dir().join(format!("tapir-redis-{}", std::process::id()));
        std::fs::create_dir_all(&dir).ok()?;
        let child = std::process::Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--requirepass", "secret", "--unixsocket"])
            .arg(dir.join("sock"))
            .arg("--dir")
            .arg(&dir)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
        match child {
            Ok(child) => {
                let server = Server(child, dir);
                for _ in 0..200 {
                    if server.1.join("sock").exists() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                Some(server)
            }
            Err(_) => {
                eprintln!("skipped: redis-server is not installed");
                None
            }
        }
    }

    #[test]
    fn a_real_server() {
        let Some(mut server) = server() else { return };
        let options = |offline, password: &str| RedisOptions {
            server: None,
            socket: server.1.join("sock").to_string_lossy().into_owned(),
            prefix: format!("p{offline}"),
            connect_secs: 5.0,
            operation_secs: 5.0,
            username: None,
            password: Some(password.into()),
            offline,
        };
        assert!(Redis::open(options(false, "wrong")).is_err());
        for offline in [false, true] {
            let mut b = Redis::open(options(offline, "secret")).unwrap();
            assert!(matches!(b.get("k", 1.0), Err(Failure::KeyNotFound)));
            b.put("k", "one\r\ntwo", false, 0.0, 1.0).unwrap();
            assert_eq!(b.get("k", 1.0).unwrap(), "one\r\ntwo");
            assert!(matches!(b.put("k", "x", false, 0.0, 1.0), Err(Failure::KeyExists)));
            b.put("k", "x", true, 0.05, 1.0).unwrap();
            assert_eq!(b.get("k", 1.0).unwrap(), "x");
            std::thread::sleep(Duration::from_millis(100));
            assert!(matches!(b.get("k", 1.1), Err(Failure::KeyNotFound)));
            b.put("k", "y", false, 5.0, 1.1).unwrap();
            b.sweep(2.0).unwrap();
            b.erase("k").unwrap();
            assert!(matches!(b.get("k", 1.2), Err(Failure::KeyNotFound)));
            Box::new(b).close().unwrap();
        }
        let mut b = Redis::open(options(false, "secret")).unwrap();
        server.0.kill().unwrap();
        server.0.wait().unwrap();
        assert!(matches!(b.get("k", 1.0), Err(Failure::Lost(_))));
    }
}
