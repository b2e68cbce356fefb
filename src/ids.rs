//! Newtypes for every name that travels through the program.
//!
//! A value of one of these types has been checked once; nothing downstream escapes or re-checks it. Names are kept so
//! narrow that a unit name, a file name, a socket path, a branch and a tmux target can be made from them by joining.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

/// Agent names that would be read as something else in commands, rules or unit names.
pub const RESERVED_AGENT_NAMES: &[&str] =
    &["supervisor", "target", "slice", "all", "fleet", "host", "none", "self", "author", "human"];

/// Longest fleet id, in bytes.
pub const FLEET_ID_MAX: usize = 24;
/// Longest agent, role or runtime name, in bytes.
pub const NAME_MAX: usize = 32;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// Nothing was written.
    Empty,
    /// More bytes than the limit given.
    TooLong { limit: usize },
    /// The first character is not a lower-case ASCII letter.
    BadStart(char),
    /// A character that this kind of name cannot hold.
    BadChar(char),
    /// The word means something else to fleet.
    Reserved,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it is empty"),
            Self::TooLong { limit } => write!(f, "it is longer than {limit} bytes"),
            Self::BadStart(c) => write!(f, "it starts with {c:?}, and a name starts with a lower-case letter"),
            Self::BadChar(c) => write!(f, "it contains {c:?}"),
            Self::Reserved => write!(f, "that word is reserved"),
        }
    }
}

impl std::error::Error for NameError {}

fn check(text: &str, limit: usize, dash: bool) -> Result<(), NameError> {
    let first = text.chars().next().ok_or(NameError::Empty)?;
    if !first.is_ascii_lowercase() {
        return Err(NameError::BadStart(first));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (dash && c == '-');
    if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
        return Err(NameError::BadChar(bad));
    }
    if text.len() > limit {
        return Err(NameError::TooLong { limit });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and keeps it.
            ///
            /// # Errors
            /// Says what makes `text` unfit for this kind of name.
            pub fn new(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> Result<(), NameError> = $check;
                check(text).map(|()| Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(|error| serde::de::Error::custom(format!("{text:?}: {error}")))
            }
        }
    };
}

name!(
    /// A fleet's id: `[a-z][a-z0-9]{0,23}`. No dash, because a dash in a slice name nests the slice.
    FleetId,
    |text| check(text, FLEET_ID_MAX, false)
);
name!(
    /// An agent's name: `[a-z][a-z0-9-]{0,31}`, and not a reserved word.
    AgentName,
    |text| {
        check(text, NAME_MAX, true)?;
        if RESERVED_AGENT_NAMES.contains(&text) { Err(NameError::Reserved) } else { Ok(()) }
    }
);
name!(
    /// A role's name: `[a-z][a-z0-9-]{0,31}`.
    RoleName,
    |text| check(text, NAME_MAX, true)
);
name!(
    /// A runtime's name: `[a-z][a-z0-9-]{0,31}`.
    RuntimeName,
    |text| check(text, NAME_MAX, true)
);

name!(
    /// The name of a fall-back chain of models: `[a-z][a-z0-9-]{0,31}`.
    ChainName,
    |text| check(text, NAME_MAX, true)
);
name!(
    /// A connector's name: `[a-z][a-z0-9-]{0,31}`, and not a reserved word, because `to=` takes both.
    ConnectorName,
    |text| {
        check(text, NAME_MAX, true)?;
        if RESERVED_AGENT_NAMES.contains(&text) { Err(NameError::Reserved) } else { Ok(()) }
    }
);
name!(
    /// A gate's name: `[a-z][a-z0-9-]{0,31}`.
    GateName,
    |text| check(text, NAME_MAX, true)
);

/// The names of the systemd objects that belong to one fleet.
///
/// Made only from checked names, so the result is always a valid unit name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitName(String);

impl UnitName {
    /// The unit of one agent: `fleet-<id>-<agent>.service`.
    #[must_use]
    pub fn agent(fleet: &FleetId, agent: &AgentName) -> Self {
        Self(format!("fleet-{fleet}-{agent}.service"))
    }

    /// The target that starts and stops the whole fleet: `fleet-<id>.target`.
    #[must_use]
    pub fn target(fleet: &FleetId) -> Self {
        Self(format!("fleet-{fleet}.target"))
    }

    /// The slice that holds all agents of the fleet: `fleet-<id>.slice`.
    #[must_use]
    pub fn slice(fleet: &FleetId) -> Self {
        Self(format!("fleet-{fleet}.slice"))
    }

    /// The unit of the fleet's supervisor: `fleet-<id>-supervisor.service`. No agent can be called so.
    #[must_use]
    pub fn supervisor(fleet: &FleetId) -> Self {
        Self(format!("fleet-{fleet}-supervisor.service"))
    }

    /// The transient unit of the fleet's viewer: `fleet-<id>.view.service`. With a dash in place of the first dot it
    /// would be the unit of an agent called `view`.
    #[must_use]
    pub fn view(fleet: &FleetId) -> Self {
        Self(format!("fleet-{fleet}.view.service"))
    }

    /// The name as systemd writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The agent whose unit this is, when it is one of `fleet`'s agents.
    #[must_use]
    pub fn agent_of(&self, fleet: &FleetId) -> Option<AgentName> {
        let rest = self.0.strip_prefix("fleet-")?.strip_prefix(fleet.as_str())?.strip_prefix('-')?;
        AgentName::new(rest.strip_suffix(".service")?).ok()
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The SHA-256 of some bytes, as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Self(text)
    }

    /// The digest of a value's JSON form. Field order is the type's own, so equal values give equal digests.
    ///
    /// # Panics
    /// Never for the types of this crate: their JSON form always exists.
    #[must_use]
    pub fn of_json<T: Serialize>(value: &T) -> Self {
        Self::of(&serde_json::to_vec(value).expect("a manifest part always serialises"))
    }

    /// All 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_accept_what_the_grammar_says_and_nothing_else() {
        assert!(FleetId::new("payments2").is_ok());
        assert_eq!(FleetId::new("pay-ments"), Err(NameError::BadChar('-')));
        assert_eq!(FleetId::new(""), Err(NameError::Empty));
        assert_eq!(FleetId::new(&"a".repeat(25)), Err(NameError::TooLong { limit: 24 }));
        assert!(AgentName::new("coder-1").is_ok());
        assert_eq!(AgentName::new("1coder"), Err(NameError::BadStart('1')));
        assert_eq!(AgentName::new("../x"), Err(NameError::BadStart('.')));
        assert_eq!(AgentName::new("cödér"), Err(NameError::BadChar('ö')));
        assert_eq!(AgentName::new("human"), Err(NameError::Reserved));
        assert_eq!(AgentName::new(&"a".repeat(33)), Err(NameError::TooLong { limit: 32 }));
    }

    #[test]
    fn unit_names_find_their_agent_and_never_another_fleets() {
        let shop = FleetId::new("shop").unwrap();
        let agent = AgentName::new("coder-1").unwrap();
        let unit = UnitName::agent(&shop, &agent);
        assert_eq!(unit.as_str(), "fleet-shop-coder-1.service");
        assert_eq!(unit.agent_of(&shop), Some(agent));
        assert_eq!(unit.agent_of(&FleetId::new("sho").unwrap()), None);
        assert_eq!(UnitName::target(&shop).agent_of(&shop), None);
        assert_eq!(UnitName::view(&shop).agent_of(&shop), None);
        assert_eq!(UnitName::supervisor(&shop).as_str(), "fleet-shop-supervisor.service");
        assert_eq!(UnitName::supervisor(&shop).agent_of(&shop), None);
    }

    #[test]
    fn a_digest_is_the_known_sha256() {
        assert_eq!(Digest::of(b"abc").as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
