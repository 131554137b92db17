//! What a file analyzer is, and which ones there are.

use tapir_data::value::{Record, Str, Value};
use tapir_interface::queue::EventQueue;
use tapir_interface::{enums, slots};

use std::rc::Rc;

use crate::manager::FileHost;

/// The analyzers, in the script's spelling behind `Files::ANALYZER_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    DataEvent,
    Entropy,
    Extract,
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Pe,
    X509,
    OcspRequest,
    OcspReply,
    Zip,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 14] = [
        Kind::DataEvent,
        Kind::Entropy,
        Kind::Extract,
        Kind::Md5,
        Kind::Sha1,
        Kind::Sha224,
        Kind::Sha256,
        Kind::Sha384,
        Kind::Sha512,
        Kind::Pe,
        Kind::X509,
        Kind::OcspRequest,
        Kind::OcspReply,
        Kind::Zip,
    ];

    /// The canonical name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::DataEvent => "DATA_EVENT",
            Kind::Entropy => "ENTROPY",
            Kind::Extract => "EXTRACT",
            Kind::Md5 => "MD5",
            Kind::Sha1 => "SHA1",
            Kind::Sha224 => "SHA224",
            Kind::Sha256 => "SHA256",
            Kind::Sha384 => "SHA384",
            Kind::Sha512 => "SHA512",
            Kind::Pe => "PE",
            Kind::X509 => "X509",
            Kind::OcspRequest => "OCSP_REQUEST",
            Kind::OcspReply => "OCSP_REPLY",
            Kind::Zip => "ZIP",
        }
    }

    /// The kind of an enumerator of `Files::Tag`.
    pub fn from_number(n: i64) -> Option<Kind> {
        use enums::files_tag as t;
        Some(match n {
            t::ANALYZER_DATA_EVENT => Kind::DataEvent,
            t::ANALYZER_ENTROPY => Kind::Entropy,
            t::ANALYZER_EXTRACT => Kind::Extract,
            t::ANALYZER_MD5 => Kind::Md5,
            t::ANALYZER_SHA1 => Kind::Sha1,
            t::ANALYZER_SHA224 => Kind::Sha224,
            t::ANALYZER_SHA256 => Kind::Sha256,
            t::ANALYZER_SHA384 => Kind::Sha384,
            t::ANALYZER_SHA512 => Kind::Sha512,
            t::ANALYZER_PE => Kind::Pe,
            t::ANALYZER_X509 => Kind::X509,
            t::ANALYZER_OCSP_REQUEST => Kind::OcspRequest,
            t::ANALYZER_OCSP_REPLY => Kind::OcspReply,
            t::ANALYZER_ZIP => Kind::Zip,
            _ => return None,
        })
    }

    /// The kind of an enumerator such as `Files::ANALYZER_MD5`, or of a canonical name.
    pub fn from_name(name: &str) -> Option<Kind> {
        let short = name.strip_prefix("Files::ANALYZER_").unwrap_or(name);
        Kind::ALL.into_iter().find(|k| k.name() == short)
    }
}

/// The surroundings of an analyzer while it runs.
pub struct Cx<'a> {
    pub q: &'a mut EventQueue,
    pub host: &'a mut dyn FileHost,
    /// The script's record of the file.
    pub file: &'a Rc<Record>,
    pub id: &'a Rc<str>,
    pub kind: Kind,
}

impl Cx<'_> {
    /// The file as an event argument.
    pub fn file_value(&self) -> Value {
        Value::Record(self.file.clone())
    }

    /// Reports something odd about the file.
    pub fn weird(&mut self, name: &str, addl: &str) {
        let f = self.file_value();
        self.host.weird(self.q, name, f, addl);
    }

    /// Says that the data is what the analyzer takes it for.
    pub fn confirm(&mut self) {
        let f = self.file_value();
        self.host.confirmation(self.q, self.kind, f);
    }

    /// Says that the data is not what the analyzer takes it for.
    pub fn violation(&mut self, reason: &str) {
        let f = self.file_value();
        self.host.violation(self.q, self.kind, f, reason);
    }
}

/// An analyzer attached to one file. Answering false removes it.
pub trait FileAnalyzer {
    /// The next bytes of the stream.
    fn stream(&mut self, _cx: &mut Cx, _data: &[u8]) -> bool {
        true
    }
    /// Bytes at an offset, in the order of arrival.
    fn chunk(&mut self, _cx: &mut Cx, _data: &[u8], _offset: u64) -> bool {
        true
    }
    /// Bytes of the stream that will not come.
    fn gap(&mut self, _cx: &mut Cx, _offset: u64, _len: u64) -> bool {
        true
    }
    /// The end of the file.
    fn end(&mut self, _cx: &mut Cx) -> bool {
        true
    }
}

/// Fields of `Files::AnalyzerArgs`.
pub fn arg(args: &Value, slot: usize) -> Value {
    match args {
        Value::Record(r) => r.get(slot),
        _ => Value::Unset,
    }
}

/// Whether two argument records mean the same analyzer.
pub fn same_args(a: &Value, b: &Value) -> bool {
    use slots::files_analyzerargs as s;
    let same = |slot: usize| match (arg(a, slot), arg(b, slot)) {
        (Value::Unset, Value::Unset) => true,
        (Value::Str(x), Value::Str(y)) => x == y,
        (Value::Count(x), Value::Count(y)) => x == y,
        (Value::Bool(x), Value::Bool(y)) => x == y,
        (Value::Func(x), Value::Func(y)) => x.id == y.id,
        _ => false,
    };
    [s::CHUNK_EVENT, s::STREAM_EVENT, s::EXTRACT_FILENAME]
        .into_iter()
        .all(same)
}

/// Raises script events for the file's data.
pub struct DataEvent {
    pub chunk_event: Value,
    pub stream_event: Value,
}

impl FileAnalyzer for DataEvent {
    fn stream(&mut self, cx: &mut Cx, data: &[u8]) -> bool {
        if !matches!(self.stream_event, Value::Unset) {
            let args = vec![cx.file_value(), Value::Str(Str::from(data))];
            cx.host.raise(cx.q, &self.stream_event, args);
        }
        true
    }

    fn chunk(&mut self, cx: &mut Cx, data: &[u8], offset: u64) -> bool {
        if !matches!(self.chunk_event, Value::Unset) {
            let args = vec![cx.file_value(), Value::Str(Str::from(data)), Value::Count(offset)];
            cx.host.raise(cx.q, &self.chunk_event, args);
        }
        true
    }
}
