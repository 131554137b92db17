//! The compact form in which rows travel from the engine to a writer.
//!
//! A cell is a tag byte and its body; strings and lists carry a 32-bit length. Rows of one writer stand one after the
//! other in a batch, each with exactly as many cells as the writer has columns.

/// Appends cells to a batch.
#[derive(Debug)]
pub struct RowEncoder<'a> {
    pub(crate) out: &'a mut Vec<u8>,
}

/// A cell as read from a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CellRef<'a> {
    Unset,
    Bool(bool),
    Int(i64),
    Count(u64),
    Double(f64),
    /// Seconds since the epoch.
    Time(f64),
    /// Seconds.
    Interval(f64),
    /// Number and IP protocol (0 when unknown).
    Port(u16, u8),
    /// Network order, IPv4 v4-mapped.
    Addr([u8; 16]),
    /// Address and width as written (on 32 bits for IPv4).
    Subnet([u8; 16], u8),
    /// A string: subject to the escaping of text.
    Str(&'a [u8]),
    /// The name of an enumerator, file or function.
    Name(&'a [u8]),
    /// The number of elements, which follow as cells.
    List(u32),
}

mod tag {
    pub const UNSET: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const INT: u8 = 3;
    pub const COUNT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const TIME: u8 = 6;
    pub const INTERVAL: u8 = 7;
    pub const PORT: u8 = 8;
    pub const ADDR: u8 = 9;
    pub const SUBNET: u8 = 10;
    pub const STR: u8 = 11;
    pub const NAME: u8 = 12;
    pub const LIST: u8 = 13;
}

impl<'a> RowEncoder<'a> {
    /// An encoder that appends to a buffer.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        RowEncoder { out }
    }

    fn fixed(&mut self, tag: u8, body: [u8; 8]) {
        let mut cell = [tag; 9];
        cell[1..].copy_from_slice(&body);
        self.out.extend_from_slice(&cell);
    }

    fn bytes(&mut self, tag: u8, body: &[u8]) {
        let mut head = [tag; 5];
        head[1..].copy_from_slice(&(body.len() as u32).to_le_bytes());
        self.out.extend_from_slice(&head);
        self.out.extend_from_slice(body);
    }

    /// Appends cells that were encoded before.
    pub fn raw(&mut self, cells: &[u8]) {
        self.out.extend_from_slice(cells);
    }

    /// Appends one cell; a `List` must be followed by its elements.
    pub fn cell(&mut self, cell: CellRef<'_>) {
        match cell {
            CellRef::Unset => self.out.push(tag::UNSET),
            CellRef::Bool(false) => self.out.push(tag::FALSE),
            CellRef::Bool(true) => self.out.push(tag::TRUE),
            CellRef::Int(v) => self.fixed(tag::INT, v.to_le_bytes()),
            CellRef::Count(v) => self.fixed(tag::COUNT, v.to_le_bytes()),
            CellRef::Double(v) => self.fixed(tag::DOUBLE, v.to_le_bytes()),
            CellRef::Time(v) => self.fixed(tag::TIME, v.to_le_bytes()),
            CellRef::Interval(v) => self.fixed(tag::INTERVAL, v.to_le_bytes()),
            CellRef::Port(n, proto) => {
                let [a, b] = n.to_le_bytes();
                self.out.extend_from_slice(&[tag::PORT, a, b, proto]);
            }
            CellRef::Addr(a) => {
                self.out.push(tag::ADDR);
                self.out.extend_from_slice(&a);
            }
            CellRef::Subnet(a, width) => {
                self.out.push(tag::SUBNET);
                self.out.extend_from_slice(&a);
                self.out.push(width);
            }
            CellRef::Str(s) => self.bytes(tag::STR, s),
            CellRef::Name(s) => self.bytes(tag::NAME, s),
            CellRef::List(n) => {
                self.out.push(tag::LIST);
                self.out.extend_from_slice(&n.to_le_bytes());
            }
        }
    }
}

/// Reads cells from a batch.
#[derive(Clone, Debug)]
pub struct RowReader<'a> {
    rest: &'a [u8],
}

impl<'a> RowReader<'a> {
    /// A reader over the bytes of a batch.
    pub fn new(rest: &'a [u8]) -> Self {
        RowReader { rest }
    }

    /// Whether all cells were read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// The next cell; `None` at the end or where the bytes are no cell.
    // Each row has many, and a call with its answer in memory takes longer than most of them.
    #[inline(always)]
    pub fn cell(&mut self) -> Option<CellRef<'a>> {
        let [t] = self.array::<1>()?;
        Some(match t {
            tag::UNSET => CellRef::Unset,
            tag::FALSE => CellRef::Bool(false),
            tag::TRUE => CellRef::Bool(true),
            tag::INT => CellRef::Int(i64::from_le_bytes(self.array()?)),
            tag::COUNT => CellRef::Count(u64::from_le_bytes(self.array()?)),
            tag::DOUBLE => CellRef::Double(f64::from_le_bytes(self.array()?)),
            tag::TIME => CellRef::Time(f64::from_le_bytes(self.array()?)),
            tag::INTERVAL => CellRef::Interval(f64::from_le_bytes(self.array()?)),
            tag::PORT => {
                let [a, b, proto] = self.array::<3>()?;
                CellRef::Port(u16::from_le_bytes([a, b]), proto)
            }
            tag::ADDR => CellRef::Addr(self.array()?),
            tag::SUBNET => {
                let addr = self.array()?;
                let [width] = self.array::<1>()?;
                CellRef::Subnet(addr, width)
            }
            tag::STR | tag::NAME => {
                let n = u32::from_le_bytes(self.array()?) as usize;
                let s = self.take(n)?;
                if t == tag::STR {
                    CellRef::Str(s)
                } else {
                    CellRef::Name(s)
                }
            }
            tag::LIST => CellRef::List(u32::from_le_bytes(self.array()?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_survive_the_way_through_a_batch() {
        let cells = [
            CellRef::Unset,
            CellRef::Bool(true),
            CellRef::Int(-3),
            CellRef::Count(u64::MAX),
            CellRef::Time(1.5),
            CellRef::Port(80, 6),
            CellRef::Addr([7; 16]),
            CellRef::Subnet([1; 16], 64),
            CellRef::List(2),
            CellRef::Str(b"a\0b"),
            CellRef::Name(b"tcp"),
        ];
        let mut out = Vec::new();
        let mut enc = RowEncoder::new(&mut out);
        cells.iter().for_each(|c| enc.cell(*c));
        let mut reader = RowReader::new(&out);
        let back: Vec<_> = std::iter::from_fn(|| reader.cell()).collect();
        assert_eq!(back, cells);
        for cut in 0..out.len() {
            let mut reader = RowReader::new(&out[..cut]);
            while reader.cell().is_some() {}
        }
    }
}
