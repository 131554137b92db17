//! Looking on while scripts run: which bodies are entered from outside and how long they take.
//!
//! Owns: the interface of onlookers. Must not know: what they do with what they see.

use std::time::Duration;

use crate::code::Code;
use crate::errors::location_of;
use crate::vm::Vm;

/// A body that is run: an event's, a hook's, or a function that native code calls.
#[derive(Clone, Copy, Debug)]
pub struct Entered<'a> {
    pub name: &'a str,
    pub file: &'a str,
    pub line: u32,
    /// The network time.
    pub now: f64,
    /// How many bodies wait for this one.
    pub depth: usize,
}

/// Somebody who looks on.
pub trait Watcher {
    /// A body begins.
    fn enter(&mut self, body: Entered<'_>);
    /// It has ended, after so long.
    fn leave(&mut self, body: Entered<'_>, took: Duration);
}

impl Vm {
    /// Lets somebody look on, or nobody any more; gives back who did so far.
    pub fn set_watcher(&mut self, watcher: Option<Box<dyn Watcher>>) -> Option<Box<dyn Watcher>> {
        std::mem::replace(&mut self.watcher, watcher)
    }

    /// Tells who looks on of a body that begins or, with a time, has ended.
    #[cold]
    pub(crate) fn watched(&mut self, code: &Code, took: Option<Duration>) {
        let Some(mut watcher) = self.watcher.take() else {
            return;
        };
        let prog = self.prog();
        let place = location_of(prog, code.span);
        let body = Entered {
            name: &code.name,
            file: place.as_ref().map_or("", |p| &p.file),
            line: place.as_ref().map_or(0, |p| p.line),
            now: self.network_time(),
            depth: self.frames.len(),
        };
        match took {
            None => watcher.enter(body),
            Some(took) => watcher.leave(body, took),
        }
        self.watcher = Some(watcher);
    }
}
