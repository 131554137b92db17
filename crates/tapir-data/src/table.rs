//! Tables and sets: insertion-ordered hash containers with the bookkeeping that attributes need.
//!
//! Keys are snapshots. A single index is its own key, a composite index is a [`Value::List`].
//! Iteration is in insertion order, and an iterator position survives changes.

use crate::types::TypeId;

/// A table or set value.
pub struct Table {
    /// The container's own type.
    pub ty: TypeId,
}
