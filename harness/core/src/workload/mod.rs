//! Workloads as data.
