//! File sizes as functions of the size below.

/// What a layer did to a file's size: a function of the size that the layer below left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeFn {
    /// The size is this, whatever it was.
    Absolute(u64),
    /// The size is at least this.
    AtLeast(u64),
}

impl SizeFn {
    /// Leaves the size as it was.
    pub const SAME: SizeFn = SizeFn::AtLeast(0);

    /// Whether this is a size itself, whatever the size below.
    pub fn is_absolute(self) -> bool {
        matches!(self, SizeFn::Absolute(_))
    }

    /// Whether `later` is of the same kind and not smaller.
    pub fn grows_to(self, later: SizeFn) -> bool {
        match (self, later) {
            (SizeFn::Absolute(size), SizeFn::Absolute(later))
            | (SizeFn::AtLeast(size), SizeFn::AtLeast(later)) => size <= later,
            _ => false,
        }
    }

    /// First `self`, then an extension to at least `end`.
    pub fn extended(self, end: u64) -> SizeFn {
        match self {
            SizeFn::Absolute(size) => SizeFn::Absolute(size.max(end)),
            SizeFn::AtLeast(size) => SizeFn::AtLeast(size.max(end)),
        }
    }

    /// The number of bytes from `offset` on that are inside the file, at most `len`: what a read of that
    /// range can tell of the size. `AtLeast` of the whole range is the same as an absolute size behind it.
    pub fn clamped(self, offset: u64, len: u64) -> SizeFn {
        let clamp = |size: u64| size.saturating_sub(offset).min(len);
        match self {
            SizeFn::Absolute(size) => SizeFn::Absolute(clamp(size)),
            SizeFn::AtLeast(size) if clamp(size) == len => SizeFn::Absolute(len),
            SizeFn::AtLeast(size) => SizeFn::AtLeast(clamp(size)),
        }
    }

    /// The size, given the size below.
    pub fn over(self, below: u64) -> u64 {
        match self {
            SizeFn::Absolute(size) => size,
            SizeFn::AtLeast(size) => size.max(below),
        }
    }
}
