//! What analyzers need from the layers beside them, as traits: file analysis and signature matching.

use crate::core::conn::ConnInfo;
use crate::core::{Shared, Tag};
use std::rc::Rc;
use tapir_interface::queue::EventQueue;

/// A piece of a file as an analyzer sees it.
#[derive(Clone, Copy, Debug)]
pub struct FileChunk<'a> {
    /// The analyzer that transports the file.
    pub tag: Tag,
    pub is_orig: bool,
    /// The offset of the data; `None` continues where the last piece ended.
    pub offset: Option<u64>,
    pub data: &'a [u8],
    /// A file id that the analyzer already knows, else the handle is asked from the scripts.
    pub id: Option<&'a Rc<str>>,
    /// A MIME type that the protocol says for sure.
    pub mime: Option<&'a [u8]>,
}

/// File analysis, as analyzers see it. The handler asks scripts for the handle (`get_file_handle`) itself.
pub trait FileHandler {
    /// Hands over bytes; gives the file's id, `None` when there is no file (empty handle).
    fn data(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, chunk: FileChunk) -> Option<Rc<str>>;
    /// `len` bytes at an offset are missing.
    fn gap(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        tag: Tag,
        is_orig: bool,
        offset: u64,
        len: u64,
        id: Option<&Rc<str>>,
    ) -> Option<Rc<str>>;
    /// The expected size.
    fn set_size(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        tag: Tag,
        is_orig: bool,
        size: u64,
        id: Option<&Rc<str>>,
    ) -> Option<Rc<str>>;
    /// The file of one direction has ended (a handle is asked for); with an id, that file.
    fn end(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, tag: Tag, is_orig: bool, id: Option<&Rc<str>>);
    /// What the file magic says of the first bytes of something.
    fn mime_of(&mut self, _data: &[u8]) -> Option<Vec<u8>> {
        None
    }
    /// A whole file from a handle that the analyzer knows (certificates, OCSP staples). Gives its id.
    fn whole(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        tag: Tag,
        is_orig: bool,
        handle: &[u8],
        mime: &[u8],
        data: &[u8],
    ) -> Option<Rc<str>>;
}

/// What a signature pattern is matched against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatKind {
    Payload,
    HttpRequest,
    HttpRequestHeader,
    HttpReplyHeader,
    HttpRequestBody,
    HttpReplyBody,
    Ftp,
    Finger,
}

/// An `enable` action of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enable {
    /// The parent's name when the signature says `parent:child`.
    pub parent: Option<String>,
    pub name: String,
}

/// The signature state of one connection.
pub trait ConnMatcher {
    /// The first packet of a direction, from its IP header on: header conditions are tested. Without a header, as for
    /// the stream within a proxy or upgrade, they see a made-up TCP header of the endpoints.
    fn begin(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared, is_orig: bool, ip_header: &[u8]);
    /// Matches a chunk; `bol` and `eol` mark the ends of the matched text. Matching `enable` actions are appended.
    fn feed(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        sh: &mut Shared,
        kind: PatKind,
        is_orig: bool,
        data: &[u8],
        bol: bool,
        eol: bool,
        enables: &mut Vec<Enable>,
    );
    /// Whether any rule looks at texts of a kind; texts that nobody looks at need not be fed.
    fn wants(&self, kind: PatKind) -> bool;
    /// Forgets the partial matches of one kind in one direction, as before a new text.
    fn reset(&mut self, kind: PatKind, is_orig: bool);
    /// When all that is known is which rules apply to the direction that was seen, and how long its last datagram was:
    /// the former. From both [`SigHost::resumed`] makes the same again. A matcher without an end to wait for, at that.
    fn idle(&self) -> Option<Rc<[u32]>>;
    /// The connection ends: pending rules are tested a last time.
    fn end(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared);
}

/// Makes matchers.
pub trait SigHost {
    /// A matcher for a connection that has seen nothing yet.
    fn matcher(&mut self) -> Box<dyn ConnMatcher>;
    /// A matcher that was [`ConnMatcher::idle`], after a datagram of so many bytes in a direction.
    fn resumed(&self, rules: Rc<[u32]>, is_orig: bool, len: usize) -> Box<dyn ConnMatcher>;
}
