//! File analysis between analyzers, scripts and the file manager.
//!
//! Analyzers hand over bytes; scripts are asked for the handle (`get_file_handle`), which becomes the file's id; the
//! manager runs handlers in the middle of a packet through [`InPacket`], and built-ins reach it through [`InCall`].

use std::rc::Rc;

use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};
use tapir_analyzers::core::{ConnInfo, FileChunk, FileHandler, Tag};
use tapir_analyzers::registry;
use tapir_builtins::x509::CertificateCache;
use tapir_data::text::enum_text;
use tapir_data::value::{Str, Value};
use tapir_files::manager::NoConnection;
use tapir_files::{Carrier, Chunk, FileHost, FileManager, Kind, Options};
use tapir_flow::Uid;
use tapir_interface::queue::EventQueue;
use tapir_interface::{events, records, slots};
use tapir_vm::{CallCtx, Severity};

use crate::core::{SharedCore, with_queue};
use crate::host::EngineHost;
use crate::script::raise_value;
use crate::sigs::Signatures;

/// What built-ins about files work on.
pub struct FileState {
    pub manager: Rc<FileManager>,
    /// The rules that recognise files.
    pub rules: Option<Rc<Signatures>>,
    /// The answer of `set_file_handle` to the question that is being asked.
    pub handle: Option<Str>,
    salt_key: [u64; 4],
    /// Warnings about protocols without a handle function, told once each.
    pub max_error: u32,
}

impl Default for FileState {
    fn default() -> Self {
        FileState {
            manager: Rc::new(FileManager::new(Options::default())),
            rules: None,
            handle: None,
            salt_key: salt_key(b"Please change this value."),
            max_error: 0,
        }
    }
}

fn salt_key(salt: &[u8]) -> [u64; 4] {
    let digest = Sha256::digest(salt);
    let word = |i: usize| {
        let mut b = [0; 8];
        b.copy_from_slice(&digest[i * 8..i * 8 + 8]);
        u64::from_le_bytes(b)
    };
    [word(0), word(1), word(2), word(3)]
}

impl FileState {
    /// Sets `digest_salt`.
    pub fn set_salt(&mut self, salt: &[u8]) {
        self.salt_key = salt_key(salt);
    }

    /// The file id of a handle.
    pub fn id(&self, handle: &[u8]) -> Rc<str> {
        let mut h = HighwayHasher::new(Key(self.salt_key));
        h.append(handle);
        let [a, b] = h.finalize128();
        Uid::from_values(b'F', [a >> 32, b]).as_str().into()
    }

    /// MIME types that the beginning of a file suggests, strongest first.
    pub fn identify(&self, data: &[u8]) -> Vec<(i64, String)> {
        match &self.rules {
            Some(m) => m
                .rules
                .file_magic(data)
                .into_iter()
                .map(|(s, t)| (s, t.to_string()))
                .collect(),
            None => Vec::new(),
        }
    }
}

fn all_tag(vm: &tapir_vm::Vm, kind: Kind) -> Value {
    crate::tags::all_analyzers(vm, &format!("FILES_ANALYZER_{}", kind.name()))
}

fn confirm(vm: &tapir_vm::Vm, q: &mut EventQueue, kind: Kind, file: Value) {
    if q.wants(events::ANALYZER_CONFIRMATION_INFO) {
        let info = records::AnalyzerConfirmationInfo {
            f: file,
            ..Default::default()
        }
        .build(q.bindings());
        q.push(events::ANALYZER_CONFIRMATION_INFO, vec![all_tag(vm, kind), info]);
    }
}

fn violate(vm: &tapir_vm::Vm, q: &mut EventQueue, kind: Kind, file: Value, reason: &str) {
    if q.wants(events::ANALYZER_VIOLATION_INFO) {
        let info = records::AnalyzerViolationInfo {
            reason: reason.as_bytes().into(),
            f: file,
            ..Default::default()
        }
        .build(q.bindings());
        q.push(events::ANALYZER_VIOLATION_INFO, vec![all_tag(vm, kind), info]);
    }
}

fn weird(host: &mut EngineHost, q: &mut EventQueue, name: &str, file: Value, addl: &str) {
    let passes = host.sampler.borrow_mut().net(name.as_bytes(), q.now());
    if passes && q.wants(events::FILE_WEIRD) {
        let text = |s: &str| Value::Str(s.as_bytes().into());
        q.push(events::FILE_WEIRD, vec![text(name), file, text(addl), text("")]);
    }
}

fn nested(host: &EngineHost, parent: &str, index: u64) -> Rc<str> {
    host.files.id(format!("{parent}/{index}").as_bytes())
}

/// The host of the file manager while a packet is being processed.
pub struct InPacket(pub SharedCore);

impl FileHost for InPacket {
    fn drain(&mut self, q: &mut EventQueue) {
        with_queue(&self.0, q, |core| core.drain());
    }
    fn identify(&mut self, data: &[u8]) -> Vec<(i64, String)> {
        self.0.borrow().host.files.identify(data)
    }
    fn raise(&mut self, q: &mut EventQueue, event: &Value, args: Vec<Value>) {
        with_queue(&self.0, q, |core| raise_value(&mut core.vm, event, args));
    }
    fn weird(&mut self, q: &mut EventQueue, name: &str, file: Value, addl: &str) {
        weird(&mut self.0.borrow_mut().host, q, name, file, addl);
    }
    fn confirmation(&mut self, q: &mut EventQueue, kind: Kind, file: Value) {
        confirm(&self.0.borrow().vm, q, kind, file);
    }
    fn violation(&mut self, q: &mut EventQueue, kind: Kind, file: Value, reason: &str) {
        violate(&self.0.borrow().vm, q, kind, file, reason);
    }
    fn error(&mut self, message: &str) {
        let mut core = self.0.borrow_mut();
        let core = &mut *core;
        core.vm
            .report(&mut core.host, Severity::Error, message.to_string(), None);
    }
    fn nested(&mut self, q: &mut EventQueue, parent: &Rc<str>, index: u64, data: Option<&[u8]>, end: bool) -> Rc<str> {
        let (id, manager) = {
            let host = &self.0.borrow().host;
            (nested(host, parent, index), host.files.manager.clone())
        };
        feed_nested(&manager, self, q, parent, &id, data, end);
        id
    }

    fn caches_certificates(&self) -> bool {
        self.0.borrow_mut().vm.state::<CertificateCache>().table.is_some()
    }

    fn cached_certificate(&mut self, q: &mut EventQueue, file: Value, sha256: &str) -> bool {
        with_queue(&self.0, q, |core| {
            match core.vm.state::<CertificateCache>().lookup(sha256) {
                Some((hook, entry)) => {
                    core.call(&hook, &[file, entry, Value::Str(sha256.as_bytes().into())]);
                    true
                }
                None => false,
            }
        })
    }
}

/// Hands the content of a file inside another to the manager.
fn feed_nested(
    manager: &FileManager,
    host: &mut dyn FileHost,
    q: &mut EventQueue,
    parent: &str,
    id: &Rc<str>,
    data: Option<&[u8]>,
    end: bool,
) {
    if let Some(data) = data {
        let piece = Chunk {
            offset: None,
            data,
            mime: None,
        };
        manager.data(q, host, id, &mut NoConnection("ZIP"), piece);
        manager.set_parent(id, parent);
    }
    if end {
        manager.end(q, host, id);
    }
}

/// The host of the file manager during a built-in's call: handlers are running already, so nothing is drained, unless
/// native code outside any handler made the call.
pub struct InCall<'a, 'b> {
    cx: &'a mut CallCtx<'b>,
    drains: bool,
}

impl<'a, 'b> InCall<'a, 'b> {
    /// For a built-in.
    pub fn new(cx: &'a mut CallCtx<'b>) -> Self {
        InCall { cx, drains: false }
    }

    /// For native code between handlers.
    pub fn draining(cx: &'a mut CallCtx<'b>) -> Self {
        InCall { cx, drains: true }
    }
}

impl FileHost for InCall<'_, '_> {
    fn drain(&mut self, q: &mut EventQueue) {
        if !self.drains {
            return;
        }
        std::mem::swap(self.cx.queue(), q);
        let result = self.cx.vm.drain(self.cx.host);
        std::mem::swap(self.cx.queue(), q);
        if let Err(e) = result {
            // Errors of handlers were reported by the machine; an exit request is kept there.
            let _ = self.cx.vm.report_error(self.cx.host, e);
        }
    }
    fn identify(&mut self, data: &[u8]) -> Vec<(i64, String)> {
        self.cx
            .host_as::<EngineHost>()
            .map(|h| h.files.identify(data))
            .unwrap_or_default()
    }
    fn raise(&mut self, q: &mut EventQueue, event: &Value, args: Vec<Value>) {
        // The queue that stands in the machine meanwhile is not the one that stays.
        std::mem::swap(self.cx.queue(), q);
        raise_value(self.cx.vm, event, args);
        std::mem::swap(self.cx.queue(), q);
    }
    fn weird(&mut self, q: &mut EventQueue, name: &str, file: Value, addl: &str) {
        if let Some(h) = self.cx.host_as::<EngineHost>() {
            weird(h, q, name, file, addl);
        }
    }
    fn confirmation(&mut self, q: &mut EventQueue, kind: Kind, file: Value) {
        confirm(self.cx.vm, q, kind, file);
    }
    fn violation(&mut self, q: &mut EventQueue, kind: Kind, file: Value, reason: &str) {
        violate(self.cx.vm, q, kind, file, reason);
    }
    fn error(&mut self, message: &str) {
        self.cx.error(message);
    }
    fn nested(&mut self, q: &mut EventQueue, parent: &Rc<str>, index: u64, data: Option<&[u8]>, end: bool) -> Rc<str> {
        let Some((id, manager)) = self
            .cx
            .host_as::<EngineHost>()
            .map(|h| (nested(h, parent, index), h.files.manager.clone()))
        else {
            return "".into();
        };
        feed_nested(&manager, self, q, parent, &id, data, end);
        id
    }
}

/// A connection as the carrier of a file.
struct OnConn<'a> {
    source: &'static str,
    is_orig: bool,
    info: &'a ConnInfo,
}

impl Carrier for OnConn<'_> {
    fn source(&self) -> &str {
        self.source
    }
    fn is_orig(&self) -> Option<bool> {
        Some(self.is_orig)
    }
    fn key(&self) -> Option<u64> {
        // The uid tells connections apart; a short hash of it is enough within one file.
        let mut h = HighwayHasher::new(Key([1, 2, 3, 4]));
        h.append(self.info.uid.as_bytes());
        Some(h.finalize64())
    }
    fn conn(&mut self, _: &mut EventQueue) -> Option<(Value, Value)> {
        let value = self.info.value.clone()?;
        let Value::Record(r) = &value else { return None };
        let id = r.get(slots::connection::ID);
        Some((value, id))
    }
}

/// Hands files from analyzers to the manager.
pub struct FileBridge {
    pub core: SharedCore,
    pub manager: Rc<FileManager>,
}

impl FileBridge {
    /// Asks scripts for the handle of what a direction of a connection transports.
    fn ask(&mut self, q: &mut EventQueue, conn: &ConnInfo, tag: Tag, is_orig: bool) -> Option<Rc<str>> {
        let value = conn.value.clone()?;
        with_queue(&self.core, q, |core| {
            core.host.files.handle = None;
            let tag = core.host.tag_value(tag);
            core.vm
                .queue()
                .push(events::GET_FILE_HANDLE, vec![tag, value, Value::Bool(is_orig)]);
            core.drain();
            let handle = core.host.files.handle.take()?;
            (!handle.is_empty()).then(|| core.host.files.id(&handle))
        })
    }

    fn id(
        &mut self,
        q: &mut EventQueue,
        conn: &ConnInfo,
        tag: Tag,
        is_orig: bool,
        known: Option<&Rc<str>>,
    ) -> Option<Rc<str>> {
        match known {
            Some(id) => Some(id.clone()),
            None => self.ask(q, conn, tag, is_orig),
        }
    }
}

impl FileBridge {
    /// Makes the connection known to built-ins that handlers call in the middle of its packet.
    fn enter(&self, conn: &ConnInfo) {
        self.core.borrow_mut().host.current = conn.value.clone();
    }

    fn leave(&self) {
        self.core.borrow_mut().host.current = None;
    }

    /// Tells the manager something about the file that a connection carries. Gives the file's id if it goes on after that.
    fn tell(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        (tag, is_orig): (Tag, bool),
        known: Option<&Rc<str>>,
        what: impl FnOnce(&FileManager, &mut EventQueue, &mut InPacket, &Rc<str>, &mut OnConn<'_>),
    ) -> Option<Rc<str>> {
        self.enter(conn);
        let id = self.id(q, conn, tag, is_orig, known);
        if let Some(id) = &id {
            let mut carrier = OnConn {
                source: registry::name(tag),
                is_orig,
                info: conn,
            };
            what(&self.manager, q, &mut InPacket(self.core.clone()), id, &mut carrier);
        }
        // A file that is complete is gone; what follows is another.
        let id = id.filter(|id| self.manager.contains(id));
        self.leave();
        id
    }
}

impl FileHandler for FileBridge {
    fn data(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, chunk: FileChunk) -> Option<Rc<str>> {
        let piece = Chunk {
            offset: chunk.offset,
            data: chunk.data,
            mime: chunk.mime,
        };
        self.tell(
            q,
            conn,
            (chunk.tag, chunk.is_orig),
            chunk.id,
            |m, q, host, id, carrier| {
                m.data(q, host, id, carrier, piece);
            },
        )
    }

    fn gap(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        tag: Tag,
        is_orig: bool,
        offset: u64,
        len: u64,
        id: Option<&Rc<str>>,
    ) -> Option<Rc<str>> {
        self.tell(q, conn, (tag, is_orig), id, |m, q, host, id, carrier| {
            m.gap(q, host, id, carrier, offset, len);
        })
    }

    fn set_size(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        tag: Tag,
        is_orig: bool,
        size: u64,
        id: Option<&Rc<str>>,
    ) -> Option<Rc<str>> {
        self.tell(q, conn, (tag, is_orig), id, |m, q, host, id, carrier| {
            m.set_size(q, host, id, carrier, size);
        })
    }

    fn end(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, tag: Tag, is_orig: bool, id: Option<&Rc<str>>) {
        self.enter(conn);
        if let Some(id) = self.id(q, conn, tag, is_orig, id) {
            self.manager.end(q, &mut InPacket(self.core.clone()), &id);
        }
        self.leave();
    }

    fn mime_of(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let types = self.core.borrow().host.files.identify(data);
        types.into_iter().next().map(|(_, t)| t.into_bytes())
    }

    fn whole(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        tag: Tag,
        is_orig: bool,
        handle: &[u8],
        mime: &[u8],
        data: &[u8],
    ) -> Option<Rc<str>> {
        self.enter(conn);
        let id = self.core.borrow().host.files.id(handle);
        let mut carrier = OnConn {
            source: registry::name(tag),
            is_orig,
            info: conn,
        };
        let mime = (!mime.is_empty()).then_some(mime);
        let piece = Chunk {
            offset: None,
            data,
            mime,
        };
        self.manager
            .whole(q, &mut InPacket(self.core.clone()), &id, &mut carrier, piece);
        self.leave();
        Some(id)
    }
}

/// The name of a file analyzer's enumerator.
pub fn kind_of(cx: &CallCtx<'_>, v: Option<&Value>) -> Option<Kind> {
    match v {
        Some(Value::Enum(ty, n)) => Kind::from_name(enum_text(cx.types(), *ty, *n)),
        _ => None,
    }
}
