//! The system's libzmq, loaded at run time: contexts, sockets, messages, polling.
//!
//! The only module of the crate with unsafe code. libzmq is not linked, so that the program starts where it is missing and
//! can say so. Calls: zmq_ctx_new(3) and the manual pages beside it. Must not know: what is sent.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_short, c_void};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

/// Socket types.
pub mod kind {
    pub const PAIR: i32 = 0;
    pub const REP: i32 = 4;
    pub const PULL: i32 = 7;
    pub const PUSH: i32 = 8;
    pub const XPUB: i32 = 9;
    pub const XSUB: i32 = 10;
}

/// Options of contexts and sockets.
pub mod opt {
    pub const CTX_IO_THREADS: i32 = 1;
    pub const CTX_IPV6: i32 = 42;
    pub const SNDBUF: i32 = 11;
    pub const RCVBUF: i32 = 12;
    pub const LINGER: i32 = 17;
    pub const MAXMSGSIZE: i32 = 22;
    pub const SNDHWM: i32 = 23;
    pub const RCVHWM: i32 = 24;
    pub const LAST_ENDPOINT: i32 = 32;
    pub const IMMEDIATE: i32 = 39;
    pub const XPUB_VERBOSE: i32 = 40;
    pub const CURVE_SERVER: i32 = 47;
    pub const CURVE_PUBLICKEY: i32 = 48;
    pub const CURVE_SECRETKEY: i32 = 49;
    pub const CURVE_SERVERKEY: i32 = 50;
    pub const XPUB_NODROP: i32 = 69;
    pub const XPUB_VERBOSER: i32 = 78;
}

/// Events of a monitored socket.
pub mod event {
    pub const ACCEPTED: u16 = 0x0020;
    pub const DISCONNECTED: u16 = 0x0200;
    pub const HANDSHAKE_FAILED_NO_DETAIL: u16 = 0x0800;
    pub const HANDSHAKE_SUCCEEDED: u16 = 0x1000;
    pub const HANDSHAKE_FAILED_PROTOCOL: u16 = 0x2000;
    pub const HANDSHAKE_FAILED_AUTH: u16 = 0x4000;
}

const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;
const POLLIN: c_short = 1;
const POLLOUT: c_short = 2;
const EINTR: c_int = 4;
const EAGAIN: c_int = 11;
/// Property of a message: the descriptor of the connection that it came through.
const SRCFD: c_int = 2;

/// What libzmq says of a failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZmqError {
    pub code: i32,
    pub text: String,
}

impl std::fmt::Display for ZmqError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Storage of a `zmq_msg_t`.
#[repr(C, align(8))]
struct RawMessage([u8; 64]);

#[repr(C)]
struct PollItem {
    socket: *mut c_void,
    fd: c_int,
    events: c_short,
    revents: c_short,
}

macro_rules! calls {
    ($($name:ident($($arg:ty),*) -> $ret:ty;)*) => {
        /// The functions of libzmq. They stay valid while the library is loaded, which is as long as this lives.
        pub struct Lib {
            $($name: unsafe extern "C" fn($($arg),*) -> $ret,)*
            _library: libloading::Library,
        }

        impl Lib {
            fn of(library: libloading::Library) -> Result<Self, libloading::Error> {
                Ok(Lib {
                    $(
                        // SAFETY: The type is that of the function's declaration in zmq.h, which is stable since 4.0.
                        // The pointer is used only through `self`, which keeps the library loaded.
                        $name: *unsafe { library.get(concat!(stringify!($name), "\0").as_bytes())? },
                    )*
                    _library: library,
                })
            }
        }
    };
}

calls! {
    zmq_version(*mut c_int, *mut c_int, *mut c_int) -> ();
    zmq_errno() -> c_int;
    zmq_strerror(c_int) -> *const c_char;
    zmq_has(*const c_char) -> c_int;
    zmq_curve_keypair(*mut c_char, *mut c_char) -> c_int;
    zmq_curve_public(*mut c_char, *const c_char) -> c_int;
    zmq_z85_decode(*mut u8, *const c_char) -> *mut u8;
    zmq_ctx_new() -> *mut c_void;
    zmq_ctx_set(*mut c_void, c_int, c_int) -> c_int;
    zmq_ctx_term(*mut c_void) -> c_int;
    zmq_socket(*mut c_void, c_int) -> *mut c_void;
    zmq_close(*mut c_void) -> c_int;
    zmq_setsockopt(*mut c_void, c_int, *const c_void, usize) -> c_int;
    zmq_getsockopt(*mut c_void, c_int, *mut c_void, *mut usize) -> c_int;
    zmq_bind(*mut c_void, *const c_char) -> c_int;
    zmq_connect(*mut c_void, *const c_char) -> c_int;
    zmq_socket_monitor(*mut c_void, *const c_char, c_int) -> c_int;
    zmq_send(*mut c_void, *const c_void, usize, c_int) -> c_int;
    zmq_msg_init(*mut RawMessage) -> c_int;
    zmq_msg_close(*mut RawMessage) -> c_int;
    zmq_msg_recv(*mut RawMessage, *mut c_void, c_int) -> c_int;
    zmq_msg_send(*mut RawMessage, *mut c_void, c_int) -> c_int;
    zmq_msg_data(*mut RawMessage) -> *mut c_void;
    zmq_msg_size(*const RawMessage) -> usize;
    zmq_msg_more(*const RawMessage) -> c_int;
    zmq_msg_get(*const RawMessage, c_int) -> c_int;
    zmq_poll(*mut PollItem, c_int, c_long) -> c_int;
}

impl std::fmt::Debug for Lib {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "libzmq {:?}", self.version())
    }
}

fn c_string(s: &str) -> Result<CString, ZmqError> {
    CString::new(s).map_err(|_| ZmqError {
        code: 22,
        text: "the text has a NUL in it".into(),
    })
}

impl Lib {
    /// Loads libzmq.
    ///
    /// # Errors
    /// What to install, for the user.
    pub fn load() -> Result<Arc<Self>, String> {
        // SAFETY: Loading runs the initialisers of libzmq and the libraries that it needs, which ask nothing of their caller.
        let library = unsafe { libloading::Library::new("libzmq.so.5") }.map_err(|e| {
            format!("the ZeroMQ cluster backend needs libzmq 4.3 or later: install it, e.g. with `apt install libzmq5` ({e})")
        })?;
        let lib =
            Self::of(library).map_err(|e| format!("the ZeroMQ cluster backend needs libzmq 4.3 or later ({e})"))?;
        let version = lib.version();
        if version < (4, 3, 0) {
            return Err(format!(
                "the ZeroMQ cluster backend needs libzmq 4.3 or later, but libzmq.so.5 is version {}.{}.{}",
                version.0, version.1, version.2
            ));
        }
        Ok(Arc::new(lib))
    }

    /// Major, minor, patch.
    pub fn version(&self) -> (i32, i32, i32) {
        let (mut a, mut b, mut c) = (0, 0, 0);
        // SAFETY: Three valid pointers to integers, which the call fills.
        unsafe { (self.zmq_version)(&mut a, &mut b, &mut c) };
        (a, b, c)
    }

    /// Whether this libzmq can encrypt.
    pub fn has_curve(&self) -> bool {
        // SAFETY: The argument is a NUL-terminated constant.
        unsafe { (self.zmq_has)(c"curve".as_ptr()) == 1 }
    }

    /// A new key pair in Z85: public, secret.
    ///
    /// # Errors
    /// Without encryption in libzmq there are no keys.
    pub fn keypair(&self) -> Result<(String, String), ZmqError> {
        let (mut public, mut secret) = ([0u8; 41], [0u8; 41]);
        // SAFETY: The call writes 41 bytes to each pointer, which is what they have.
        let rc = unsafe { (self.zmq_curve_keypair)(public.as_mut_ptr().cast(), secret.as_mut_ptr().cast()) };
        self.check(rc)?;
        Ok((z85_text(&public), z85_text(&secret)))
    }

    /// The public key of a secret key, both in Z85.
    ///
    /// # Errors
    /// The text is no key.
    pub fn public_of(&self, secret: &str) -> Result<String, ZmqError> {
        let secret = c_string(secret)?;
        let mut public = [0u8; 41];
        // SAFETY: The call reads a NUL-terminated text and writes 41 bytes.
        let rc = unsafe { (self.zmq_curve_public)(public.as_mut_ptr().cast(), secret.as_ptr()) };
        self.check(rc)?;
        Ok(z85_text(&public))
    }

    /// The 32 bytes of a key in Z85; `None` when the text is none.
    pub fn z85_key(&self, text: &str) -> Option<[u8; 32]> {
        if text.len() != 40 {
            return None;
        }
        let text = CString::new(text).ok()?;
        let mut key = [0; 32];
        // SAFETY: 40 characters before the NUL decode to the 32 bytes that `key` has.
        let done = unsafe { (self.zmq_z85_decode)(key.as_mut_ptr(), text.as_ptr()) };
        (!done.is_null()).then_some(key)
    }

    fn error(&self) -> ZmqError {
        // SAFETY: The call has no arguments; it reads a variable of this thread.
        let code = unsafe { (self.zmq_errno)() };
        // SAFETY: The call gives a constant NUL-terminated text for any number.
        let text = unsafe { CStr::from_ptr((self.zmq_strerror)(code)) };
        ZmqError {
            code,
            text: text.to_string_lossy().into_owned(),
        }
    }

    fn check(&self, rc: c_int) -> Result<(), ZmqError> {
        if rc < 0 { Err(self.error()) } else { Ok(()) }
    }
}

fn z85_text(bytes: &[u8; 41]) -> String {
    String::from_utf8_lossy(&bytes[..40]).into_owned()
}

/// A context. It ends when it and all its sockets are gone, and waits then for what lingers.
#[derive(Debug)]
pub struct Context {
    lib: Arc<Lib>,
    raw: *mut c_void,
}

// SAFETY: libzmq's contexts may be used by all threads at once (zmq_ctx_new(3)).
unsafe impl Send for Context {}
// SAFETY: As above.
unsafe impl Sync for Context {}

impl Context {
    /// A new context.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn new(lib: &Arc<Lib>) -> Result<Arc<Self>, ZmqError> {
        // SAFETY: The call has no arguments.
        let raw = unsafe { (lib.zmq_ctx_new)() };
        if raw.is_null() {
            return Err(lib.error());
        }
        Ok(Arc::new(Context { lib: lib.clone(), raw }))
    }

    /// Sets one of the context's options.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn set(&self, option: i32, value: i32) -> Result<(), ZmqError> {
        // SAFETY: The context is valid until it is dropped.
        self.lib
            .check(unsafe { (self.lib.zmq_ctx_set)(self.raw, option, value) })
    }

    /// A new socket of one of [`kind`].
    ///
    /// # Errors
    /// What libzmq says.
    pub fn socket(self: &Arc<Self>, kind: i32) -> Result<Socket, ZmqError> {
        // SAFETY: The context is valid until it is dropped, which the socket prevents.
        let raw = unsafe { (self.lib.zmq_socket)(self.raw, kind) };
        if raw.is_null() {
            return Err(self.lib.error());
        }
        Ok(Socket {
            context: self.clone(),
            raw,
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: Nobody else has the context any more, all sockets are closed as each holds it. The call waits for messages
        // that linger; a signal interrupts it and it is to be repeated.
        while unsafe { (self.lib.zmq_ctx_term)(self.raw) } < 0 && self.lib.error().code == EINTR {}
    }
}

/// A socket, closed when dropped.
#[derive(Debug)]
pub struct Socket {
    context: Arc<Context>,
    raw: *mut c_void,
}

// SAFETY: A socket may move to another thread with a full fence between the uses (zmq_socket(3)), which moving a value to
// another thread in Rust always implies. It is not `Sync`.
unsafe impl Send for Socket {}

impl Socket {
    fn lib(&self) -> &Lib {
        &self.context.lib
    }

    /// Sets an option that is a C integer.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn set(&self, option: i32, value: i32) -> Result<(), ZmqError> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// Sets an option that is a 64-bit integer.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn set_i64(&self, option: i32, value: i64) -> Result<(), ZmqError> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// Sets an option that is bytes.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn set_bytes(&self, option: i32, value: &[u8]) -> Result<(), ZmqError> {
        // SAFETY: The socket is open until dropped; pointer and length are those of a slice, which libzmq copies from.
        let rc = unsafe { (self.lib().zmq_setsockopt)(self.raw, option, value.as_ptr().cast(), value.len()) };
        self.lib().check(rc)
    }

    /// Binds to an endpoint and gives the one that it became where a port was left open.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn bind(&self, endpoint: &str) -> Result<String, ZmqError> {
        let text = c_string(endpoint)?;
        // SAFETY: The socket is open, the text NUL-terminated.
        let rc = unsafe { (self.lib().zmq_bind)(self.raw, text.as_ptr()) };
        self.lib().check(rc)?;
        let mut bound = [0u8; 1024];
        let mut len = bound.len();
        // SAFETY: The call writes at most `len` bytes to `bound` and sets `len`.
        let rc =
            unsafe { (self.lib().zmq_getsockopt)(self.raw, opt::LAST_ENDPOINT, bound.as_mut_ptr().cast(), &mut len) };
        self.lib().check(rc)?;
        let text = CStr::from_bytes_until_nul(&bound).map_or(endpoint.into(), CStr::to_string_lossy);
        Ok(text.into_owned())
    }

    /// Connects to an endpoint, now or whenever it is there.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn connect(&self, endpoint: &str) -> Result<(), ZmqError> {
        let text = c_string(endpoint)?;
        // SAFETY: The socket is open, the text NUL-terminated.
        let rc = unsafe { (self.lib().zmq_connect)(self.raw, text.as_ptr()) };
        self.lib().check(rc)
    }

    /// Has events of the socket's connections sent to a PAIR socket that connects to `endpoint`.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn monitor(&self, endpoint: &str, events: u16) -> Result<(), ZmqError> {
        let text = c_string(endpoint)?;
        // SAFETY: The socket is open, the text NUL-terminated.
        let rc = unsafe { (self.lib().zmq_socket_monitor)(self.raw, text.as_ptr(), events.into()) };
        self.lib().check(rc)
    }

    /// Sends one frame without waiting. Gives whether there was room.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn send(&self, frame: &[u8], more: bool) -> Result<bool, ZmqError> {
        let flags = DONTWAIT | if more { SNDMORE } else { 0 };
        loop {
            // SAFETY: The socket is open; pointer and length are those of a slice, which libzmq copies from.
            let rc = unsafe { (self.lib().zmq_send)(self.raw, frame.as_ptr().cast(), frame.len(), flags) };
            match self.went(rc)? {
                Some(went) => return Ok(went),
                None => continue,
            }
        }
    }

    /// Whether a call was done, or would have to wait; `None` if it is to be repeated.
    fn went(&self, rc: c_int) -> Result<Option<bool>, ZmqError> {
        if rc >= 0 {
            return Ok(Some(true));
        }
        match self.lib().error() {
            e if e.code == EAGAIN => Ok(Some(false)),
            e if e.code == EINTR => Ok(None),
            e => Err(e),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: The socket is open and nobody uses it after this.
        unsafe { (self.lib().zmq_close)(self.raw) };
    }
}

/// Room for one frame, used again and again.
pub struct Frame {
    lib: Arc<Lib>,
    /// Boxed: libzmq asks that messages stay where they are.
    raw: Box<RawMessage>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} bytes)", self.bytes().len())
    }
}

// SAFETY: A message belongs to no thread; it is used by one at a time.
unsafe impl Send for Frame {}

impl Frame {
    /// An empty frame.
    pub fn new(lib: &Arc<Lib>) -> Self {
        let mut raw = Box::new(RawMessage([0; 64]));
        // SAFETY: The storage has the size and alignment of `zmq_msg_t`. The call cannot fail.
        unsafe { (lib.zmq_msg_init)(&mut *raw) };
        Frame { lib: lib.clone(), raw }
    }

    /// Takes the next frame of a socket without waiting. Gives whether there was one.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn receive(&mut self, socket: &Socket) -> Result<bool, ZmqError> {
        loop {
            // SAFETY: The message is initialised and the socket open; what the message held is released by the call.
            let rc = unsafe { (self.lib.zmq_msg_recv)(&mut *self.raw, socket.raw, DONTWAIT) };
            if let Some(went) = socket.went(rc)? {
                return Ok(went);
            }
        }
    }

    /// Sends the frame on without waiting or copying, after which it is empty. Gives whether there was room.
    ///
    /// # Errors
    /// What libzmq says.
    pub fn forward(&mut self, socket: &Socket, more: bool) -> Result<bool, ZmqError> {
        let flags = DONTWAIT | if more { SNDMORE } else { 0 };
        loop {
            // SAFETY: The message is initialised and the socket open. On success libzmq owns the content and the message is
            // an empty one, otherwise it is as before.
            let rc = unsafe { (self.lib.zmq_msg_send)(&mut *self.raw, socket.raw, flags) };
            if let Some(went) = socket.went(rc)? {
                return Ok(went);
            }
        }
    }

    /// Whether more frames of the same message follow.
    pub fn more(&self) -> bool {
        // SAFETY: The message is initialised.
        unsafe { (self.lib.zmq_msg_more)(&*self.raw) != 0 }
    }

    /// The descriptor of the connection that the frame came through; `None` for what libzmq has made itself. The connection
    /// may have ended since, and the descriptor be another's.
    pub fn source(&self) -> Option<RawFd> {
        // SAFETY: The message is initialised; the call only reads.
        let fd = unsafe { (self.lib.zmq_msg_get)(&*self.raw, SRCFD) };
        (fd >= 0).then_some(fd)
    }

    /// The content.
    pub fn bytes(&self) -> &[u8] {
        let raw = std::ptr::from_ref(&*self.raw);
        // SAFETY: The message is initialised. `zmq_msg_data` takes a pointer to mutable for historical reasons and does not
        // change the message; the content stays while the message is not touched, which the borrow ensures.
        unsafe {
            let data = (self.lib.zmq_msg_data)(raw.cast_mut());
            let size = (self.lib.zmq_msg_size)(raw);
            if data.is_null() || size == 0 {
                return &[];
            }
            std::slice::from_raw_parts(data.cast(), size)
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: The message is initialised and not used after this.
        unsafe { (self.lib.zmq_msg_close)(&mut *self.raw) };
    }
}

/// Connections of libzmq, by their descriptors.
pub mod connection {
    use std::net::SocketAddr;
    use std::os::fd::{BorrowedFd, RawFd};

    use rustix::net::{Shutdown, getpeername, shutdown};

    /// The other end of a connection; `None` where there is none, or not over a network.
    pub fn peer(fd: RawFd) -> Option<SocketAddr> {
        if fd < 0 {
            return None;
        }
        // SAFETY: It is not -1, and used for one call of the system, which refuses what is no descriptor. libzmq may have
        // closed it: then it is another one or none, as callers know, who compare what they get.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        SocketAddr::try_from(getpeername(fd).ok()??).ok()
    }

    /// Bytes that have come through a connection and wait to be read.
    pub fn waiting(fd: RawFd) -> u64 {
        if fd < 0 {
            return 0;
        }
        // SAFETY: As above.
        rustix::io::ioctl_fionread(unsafe { BorrowedFd::borrow_raw(fd) }).unwrap_or(0)
    }

    /// Ends a connection as if its other end had done so; libzmq closes it when it sees that. Callers have just asked for its
    /// peer.
    pub fn cut(fd: RawFd) {
        if fd < 0 {
            return;
        }
        // SAFETY: As above.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        // It may have ended already.
        let _ = shutdown(fd, Shutdown::Both);
    }
}

/// What [`poll`] waits for.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// A socket has something to read.
    In(&'a Socket),
    /// A socket takes something.
    Out(&'a Socket),
    /// A file descriptor is readable.
    Fd(RawFd),
    /// Nothing.
    Never,
}

/// Waits until at least one of the wanted things is so, or the time is over, and marks those that are.
///
/// # Errors
/// What libzmq says.
pub fn poll<const N: usize>(lib: &Lib, wanted: [Wanted<'_>; N], at_most: Duration) -> Result<[bool; N], ZmqError> {
    // libzmq takes no entries without a descriptor, so those are left out.
    let mut items: Vec<PollItem> = Vec::with_capacity(N);
    let mut places = Vec::with_capacity(N);
    for (place, w) in wanted.iter().enumerate() {
        let (socket, fd, events) = match w {
            Wanted::In(s) => (s.raw, 0, POLLIN),
            Wanted::Out(s) => (s.raw, 0, POLLOUT),
            Wanted::Fd(fd) => (std::ptr::null_mut(), *fd, POLLIN),
            Wanted::Never => continue,
        };
        places.push(place);
        items.push(PollItem {
            socket,
            fd,
            events,
            revents: 0,
        });
    }
    let timeout = at_most.as_millis().min(60_000) as c_long;
    // SAFETY: Pointer and length are those of a vector of the structure that the call takes; its sockets are borrowed for
    // the length of the call and so open.
    let rc = unsafe { (lib.zmq_poll)(items.as_mut_ptr(), items.len() as c_int, timeout) };
    let mut ready = [false; N];
    if rc < 0 {
        let e = lib.error();
        return if e.code == EINTR { Ok(ready) } else { Err(e) };
    }
    for (item, place) in items.iter().zip(places) {
        ready[place] = item.revents != 0;
    }
    Ok(ready)
}
