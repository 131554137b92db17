//! Script patterns over the automata of `tapir-signatures`.

use std::cell::RefCell;
use std::rc::Rc;

use tapir_data::value::PatternObject;
use tapir_signatures::pattern::Pattern;

/// A pattern value. `+=` replaces the automaton inside, so that everybody who shares the value sees it.
pub struct ScriptPattern(RefCell<Pattern>);

impl ScriptPattern {
    /// A value for a compiled pattern.
    pub fn wrap(p: Pattern) -> Rc<dyn PatternObject> {
        Rc::new(ScriptPattern(RefCell::new(p)))
    }

    /// The automaton behind a value; `None` if it is none of ours.
    pub fn inner(p: &Rc<dyn PatternObject>) -> Option<Pattern> {
        p.as_any().downcast_ref::<ScriptPattern>().map(|p| p.0.borrow().clone())
    }

    /// Replaces the automaton behind a value.
    pub fn replace(p: &Rc<dyn PatternObject>, with: Pattern) {
        if let Some(p) = p.as_any().downcast_ref::<ScriptPattern>() {
            *p.0.borrow_mut() = with;
        }
    }
}

impl PatternObject for ScriptPattern {
    fn text(&self) -> Rc<[u8]> {
        self.0.borrow().text().into()
    }

    fn matches_exactly(&self, s: &[u8]) -> bool {
        self.0.borrow().matches_exactly(s)
    }

    fn matches_within(&self, s: &[u8]) -> bool {
        self.0.borrow().matches_within(s)
    }

    fn longest_prefix(&self, s: &[u8], at_start: bool) -> Option<usize> {
        self.0.borrow().longest_prefix(s, at_start)
    }

    fn deep_copy(&self) -> Option<Rc<dyn PatternObject>> {
        Some(ScriptPattern::wrap(self.0.borrow().clone()))
    }

    fn find(&self, s: &[u8], from: usize, begin_anywhere: bool) -> Option<(usize, usize)> {
        let p = self.0.borrow();
        let tail = s.get(from..)?;
        let found = p.finder(tail, begin_anywhere).next_nonempty_at(0, true);
        found.map(|(a, b)| (a + from, b + from))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
