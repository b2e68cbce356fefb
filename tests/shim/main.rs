//! The shim as others meet it: the real binary, real agents in real pseudo-terminals, a raw socket.

#![allow(clippy::disallowed_methods, reason = "tests act on the machine")]

mod attach;
mod canary;
mod chains;
mod costs;
mod ends;
mod floods;
mod glass;
mod hostile;
mod load;
mod logs;
mod manifest;
mod secrets;
mod send;
mod starts;
mod subscribe;
mod support;
mod verbs;
mod versions;
mod words;
mod writers;
