//! The socket's control verbs.
