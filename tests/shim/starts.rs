//! Starting: what the agent gets, and what is refused.
