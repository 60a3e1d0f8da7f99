//! Keys in memory: short ones lie where they are compared, so that a search follows no pointer for each of them.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The longest key that needs no allocation of its own: with it, a key is as large as three words.
const INLINE_MAX: usize = 22;

/// The bytes of a key.
#[derive(Clone)]
pub(crate) struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE_MAX]),
    Shared(Arc<[u8]>),
}

impl Key {
    /// The bytes that a key of this length points to.
    pub(crate) fn allocated_bytes(len: usize) -> u64 {
        if len <= INLINE_MAX { 0 } else { crate::tree::allocated_bytes(len) }
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Key {
        let mut inline = [0; INLINE_MAX];
        Key(match inline.get_mut(..bytes.len()) {
            Some(to) => {
                to.copy_from_slice(bytes);
                Repr::Inline(bytes.len() as u8, inline)
            }
            None => Repr::Shared(bytes.into()),
        })
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, bytes) => &bytes[..usize::from(*len).min(INLINE_MAX)],
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        **self == **other
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_bytes_whatever_its_length() {
        assert_eq!(size_of::<Key>(), 24);
        let bytes: Vec<u8> = (0..60).rev().collect();
        for len in 0..bytes.len() {
            let key = Key::from(&bytes[..len]);
            assert_eq!(*key, bytes[..len]);
            assert_eq!(key.clone(), key);
            let longer = Key::from(&bytes[..len + 1]);
            assert!(key < longer && key != longer);
            assert!(Key::from(&[255][..]) > key);
        }
    }
}
