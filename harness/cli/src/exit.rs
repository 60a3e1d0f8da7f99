//! What the process's exit code says. The codes are an interface.

/// Every scenario ended as it declares (held; or, for a planted bug, caught); every fixture replayed as
/// expected; a violation to reproduce is gone.
pub const OK: u8 = 0;
/// A mistake of the program itself.
pub const INTERNAL: u8 = 1;
/// A wrong command line, scenario, report or token.
pub const USAGE: u8 = 2;
/// A file or disk that cannot be read or written. A closed pipe too, then without a message.
pub const ENVIRONMENT: u8 = 3;
/// Nothing was selected.
pub const NOTHING_SELECTED: u8 = 4;
/// A budget, a limit or ^C ended the work before it was done.
pub const INCOMPLETE: u8 = 5;
/// An unexpected verdict, a fixture mismatch, a reproduced violation. Beats [`INCOMPLETE`] and
/// [`ENVIRONMENT`].
pub const UNEXPECTED: u8 = 100;
