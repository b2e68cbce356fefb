//! The shim as others meet it: the real binary, real agents in real pseudo-terminals, a raw socket.

mod bench;
mod ends;
mod send;
mod starts;
mod support;
mod verbs;
