//! What built-ins of the script language do with files.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tapir_data::value::Value;
use tapir_interface::slots::{fa_file, files_analyzerargs};

use super::{FileHost, FileManager, Slot};
use crate::analyzer::{DataEvent, FileAnalyzer, Kind, arg, same_args};
use crate::entropy::EntropyAnalyzer;
use crate::extract::Extract;
use crate::hash::Hash;
use crate::ocsp::Ocsp;
use crate::pe::Pe;
use crate::x509::X509Analyzer;
use crate::zip::Zip;

impl FileManager {
    /// `Files::__file_exists`.
    pub fn exists(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    /// `Files::__lookup_file`: the record.
    pub fn lookup(&self, id: &str) -> Option<Value> {
        self.find(id).map(|f| Value::Record(f.rec.clone()))
    }

    /// `Files::__set_timeout_interval`; within `file_timeout` it postpones removal.
    pub fn set_timeout_interval(&self, id: &str, interval: f64) -> bool {
        let Some(f) = self.find(id) else { return false };
        f.timeout.set(interval);
        f.rec.set(fa_file::TIMEOUT_INTERVAL, Value::Interval(interval));
        if interval > 0.0 {
            f.postpone.set(true);
        }
        true
    }

    /// `Files::__enable_reassembly`, `Files::__disable_reassembly`.
    pub fn set_reassembly(&self, id: &str, on: bool) -> bool {
        let Some(f) = self.find(id) else { return false };
        f.reassembly.set(on);
        if !on {
            f.reassembler.take();
        }
        true
    }

    /// `Files::__set_reassembly_buffer`.
    pub fn set_reassembly_buffer(&self, id: &str, max: u64) -> bool {
        let Some(f) = self.find(id) else { return false };
        f.reassembly_max.set(max);
        true
    }

    /// `Files::__enable_analyzer` and `Files::__disable_analyzer`.
    pub fn set_enabled(&self, kind: Kind, on: bool) {
        let mut inner = self.inner.borrow_mut();
        if on {
            inner.disabled.remove(&kind);
        } else {
            inner.disabled.insert(kind);
        }
    }

    /// `Files::__analyzer_enabled`.
    pub fn enabled(&self, kind: Kind) -> bool {
        !self.inner.borrow().disabled.contains(&kind)
    }

    /// `Files::__add_analyzer`.
    pub fn add_analyzer(&self, host: &mut dyn FileHost, id: &str, kind: Kind, args: &Value) -> bool {
        let Some(f) = self.find(id) else { return false };
        if !self.enabled(kind) || f.done.get() {
            return false;
        }
        if f.slots
            .borrow()
            .iter()
            .any(|s| !s.removed.get() && s.kind == kind && same_args(&s.args, args))
        {
            return true;
        }
        let limit = Rc::new(Cell::new(0));
        let analyzer: Box<dyn FileAnalyzer> = match kind {
            Kind::DataEvent => {
                let chunk_event = arg(args, files_analyzerargs::CHUNK_EVENT);
                let stream_event = arg(args, files_analyzerargs::STREAM_EVENT);
                if matches!((&chunk_event, &stream_event), (Value::Unset, Value::Unset)) {
                    return false;
                }
                Box::new(DataEvent {
                    chunk_event,
                    stream_event,
                })
            }
            Kind::Entropy => Box::<EntropyAnalyzer>::default(),
            Kind::Extract => {
                let Value::Str(name) = arg(args, files_analyzerargs::EXTRACT_FILENAME) else {
                    return false;
                };
                let options = self.inner.borrow().options.clone();
                // Fields that nobody read yet may still lack their defaults.
                limit.set(match arg(args, files_analyzerargs::EXTRACT_LIMIT) {
                    Value::Count(n) => n,
                    _ => options.extract_limit,
                });
                let missing = match arg(args, files_analyzerargs::EXTRACT_LIMIT_INCLUDES_MISSING) {
                    Value::Bool(b) => b,
                    _ => options.extract_limit_includes_missing,
                };
                let path = format!("{}{}", options.extract_prefix, String::from_utf8_lossy(&name));
                match Extract::open(&path, args.clone(), limit.clone(), missing) {
                    Ok(e) => Box::new(e),
                    Err(e) => {
                        host.error(&e);
                        return false;
                    }
                }
            }
            Kind::Pe => Box::<Pe>::default(),
            Kind::X509 => Box::<X509Analyzer>::default(),
            Kind::OcspRequest => Box::new(Ocsp::request()),
            Kind::OcspReply => Box::new(Ocsp::reply()),
            Kind::Zip => Box::<Zip>::default(),
            hash => match Hash::new(hash) {
                Some(h) => Box::new(h),
                None => return false,
            },
        };
        f.slots.borrow_mut().push(Rc::new(Slot {
            kind,
            args: args.clone(),
            analyzer: RefCell::new(analyzer),
            got_stream: Cell::new(false),
            removed: Cell::new(false),
            applied: Cell::new(false),
            limit,
        }));
        true
    }

    /// `Files::__remove_analyzer`.
    pub fn remove_analyzer(&self, id: &str, kind: Kind, args: &Value) -> bool {
        let Some(f) = self.find(id) else { return false };
        let slots = f.slots.borrow();
        let slot = slots
            .iter()
            .find(|s| !s.removed.get() && s.kind == kind && same_args(&s.args, args));
        slot.is_some_and(|s| {
            s.removed.set(true);
            s.applied.get()
        })
    }

    /// `FileExtract::__set_limit`.
    pub fn set_extract_limit(&self, id: &str, args: &Value, limit: u64) -> bool {
        let Some(f) = self.find(id) else { return false };
        let slots = f.slots.borrow();
        let slot = slots
            .iter()
            .find(|s| !s.removed.get() && s.kind == Kind::Extract && same_args(&s.args, args));
        slot.is_some_and(|s| {
            s.limit.set(limit);
            true
        })
    }

    /// `Files::__stop`: the rest of the file is ignored.
    pub fn stop(&self, id: &str) -> bool {
        let Some(f) = self.find(id) else { return false };
        f.ignored.set(true);
        true
    }
}
