//! Named internal steps, at which a test may stop the process: `module::before_step`. They cost nothing, and are
//! not there, without the feature `failpoints`. What the file system does wrong is injected at the seam, not here.

/// A step of this name is about to be made, or has been.
#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    ($name:literal) => {
        fail::fail_point!($name)
    };
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($name:literal) => {};
}
