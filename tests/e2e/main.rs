//! fleet against real service managers, started by the tests themselves.
