//! What a log record says: a sequence number and the operations of one atomic step.
//!
//! ```text
//! record      sequence u64 │ count u32 │ operation × count
//! put         1 u8 │ key length u32 │ value length u32 │ key │ value
//! delete      2 u8 │ key length u32 │ key
//! ```

use std::sync::Arc;

use crate::error::Error;
use crate::header::{u32_at, u64_at};
use crate::key::Key;

/// The longest key, in bytes. The empty key is a key like any other.
pub const KEY_BYTES_MAX: usize = 64 << 10;

/// The longest value, in bytes. The empty value is a value like any other.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

/// The largest batch: the bytes of all its keys and values, with 9 more for each operation.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const RECORD_HEADER: usize = 12;

/// Operations that take effect together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) ops: Vec<Op>,
}

/// One operation: a value to put, or none to delete.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) key: Key,
    pub(crate) value: Option<Arc<[u8]>>,
}

impl Batch {
    /// A batch without operations.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Adds a put. Limits are checked when the batch is written.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> &mut Batch {
        self.ops.push(Op { key: key.into(), value: Some(value.into()) });
        self
    }

    /// Adds a delete; of a key that is not there, it does nothing.
    pub fn delete(&mut self, key: &[u8]) -> &mut Batch {
        self.ops.push(Op { key: key.into(), value: None });
        self
    }

    /// How many operations it holds.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut bytes = 0;
        for op in &self.ops {
            let value_len = op.value.as_ref().map_or(0, |v| v.len());
            check_lengths(op.key.len(), value_len)?;
            bytes += 9 + op.key.len() + value_len;
        }
        if bytes > BATCH_BYTES_MAX {
            let what = format!("a batch of {bytes} bytes; at most {BATCH_BYTES_MAX} are allowed");
            return Err(Error::InvalidArgument { what });
        }
        Ok(())
    }
}

pub(crate) fn check_lengths(key_len: usize, value_len: usize) -> Result<(), Error> {
    let (name, len, max) = if key_len > KEY_BYTES_MAX {
        ("key", key_len, KEY_BYTES_MAX)
    } else if value_len > VALUE_BYTES_MAX {
        ("value", value_len, VALUE_BYTES_MAX)
    } else {
        return Ok(());
    };
    Err(Error::InvalidArgument { what: format!("a {name} of {len} bytes; at most {max} are allowed") })
}

/// Begins a record in `out`, replacing what was there.
pub(crate) fn begin(out: &mut Vec<u8>, sequence: u64, count: usize) {
    out.clear();
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

/// Gives a record another sequence number.
pub(crate) fn renumber(record: &mut [u8], sequence: u64) {
    record[..8].copy_from_slice(&sequence.to_le_bytes());
}

/// Appends an operation to a record.
pub(crate) fn push_op(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    out.push(if value.is_some() { PUT } else { DELETE });
    out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    if let Some(value) = value {
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    out.extend_from_slice(key);
    out.extend_from_slice(value.unwrap_or_default());
}

/// Appends operations to a record.
pub(crate) fn push_ops(out: &mut Vec<u8>, ops: &[Op]) {
    for op in ops {
        push_op(out, &op.key, op.value.as_deref());
    }
}

/// The length of a record with these operations, at most.
pub(crate) fn encoded_len(ops: &[Op]) -> usize {
    let len = |op: &Op| 9 + op.key.len() + op.value.as_ref().map_or(0, |value| value.len());
    RECORD_HEADER + ops.iter().map(len).sum::<usize>()
}

/// A record that makes sense.
pub(crate) struct Record<'a> {
    pub(crate) sequence: u64,
    pub(crate) ops: Ops<'a>,
}

/// A record's operations, in order; they end early where the bytes make no sense.
#[derive(Clone)]
pub(crate) struct Ops<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Record<'a> {
    /// Reads a record and checks all of its operations before handing out any.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Record<'a>> {
        let record = Record::decode_prefix(bytes)?;
        let mut ops = record.ops.clone();
        ops.by_ref().for_each(drop);
        (ops.left == 0 && ops.rest.is_empty()).then_some(record)
    }

    /// Reads as much of a record as is there.
    pub(crate) fn count(&self) -> u32 {
        self.ops.left
    }

    /// Reads as much of a record as is there.
    pub(crate) fn decode_prefix(bytes: &'a [u8]) -> Option<Record<'a>> {
        let (header, rest) = bytes.split_at_checked(RECORD_HEADER)?;
        Some(Record { sequence: u64_at(header, 0), ops: Ops { rest, left: u32_at(header, 8) } })
    }
}

impl<'a> Iterator for Ops<'a> {
    /// Key, and the value of a put.
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let (&tag, rest) = self.rest.split_first()?;
        let (key_len, rest) = length(rest)?;
        let (value_len, rest) = match tag {
            PUT => length(rest).map(|(len, rest)| (Some(len), rest))?,
            DELETE => (None, rest),
            _ => return None,
        };
        if key_len > KEY_BYTES_MAX || value_len.is_some_and(|len| len > VALUE_BYTES_MAX) {
            return None;
        }
        let (key, rest) = rest.split_at_checked(key_len)?;
        let (value, rest) = rest.split_at_checked(value_len.unwrap_or(0))?;
        self.rest = rest;
        self.left -= 1;
        Some((key, value_len.map(|_| value)))
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (len, rest) = bytes.split_at_checked(4)?;
    Some((u32_at(len, 0) as usize, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut out = vec![1, 2, 3];
        begin(&mut out, 7, 4);
        push_op(&mut out, b"a", Some(b"1"));
        push_op(&mut out, b"", Some(b""));
        push_op(&mut out, b"bb", None);
        push_op(&mut out, b"c", Some(&[9; 300]));
        out
    }

    #[test]
    fn a_record_reads_back_as_written() {
        let bytes = sample();
        let record = Record::decode(&bytes).unwrap();
        assert_eq!(record.sequence, 7);
        let ops: Vec<_> = record.ops.collect();
        let expected: Vec<(&[u8], Option<&[u8]>)> =
            vec![(b"a", Some(b"1")), (b"", Some(b"")), (b"bb", None), (b"c", Some(&[9; 300]))];
        assert_eq!(ops, expected);
    }

    #[test]
    fn a_cut_or_lengthened_record_makes_no_sense() {
        let mut bytes = sample();
        for len in 0..bytes.len() {
            assert!(Record::decode(&bytes[..len]).is_none(), "length {len}");
        }
        bytes.push(0);
        assert!(Record::decode(&bytes).is_none());
    }

    #[test]
    fn a_huge_length_is_refused_without_allocating() {
        let mut bytes = sample();
        bytes[RECORD_HEADER + 1..RECORD_HEADER + 5].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Record::decode(&bytes).is_none());
    }

    #[test]
    fn limits_are_inclusive() {
        assert!(check_lengths(KEY_BYTES_MAX, VALUE_BYTES_MAX).is_ok());
        assert!(check_lengths(KEY_BYTES_MAX + 1, 0).unwrap_err().is_invalid_argument());
        assert!(check_lengths(0, VALUE_BYTES_MAX + 1).unwrap_err().is_invalid_argument());
    }
}
