//! Keys that the operator hands out.

/// How a key begins that `portcullis key new` made: what a scanner looks for, and what must not stand in a file.
pub const API_KEY_PREFIX: &str = "portcullis_";
