//! Every code a diagnostic can carry. A code's number never changes its meaning; F0212 was used once and is not again.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $title:literal;)*) => {
        /// The kind of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable number, e.g. `F0105`.
            #[must_use]
            pub fn number(self) -> &'static str {
                match self { $(Self::$name => $number,)* }
            }

            /// The page that `fleet explain` shows: the meaning, a wrong example and a right one.
            #[must_use]
            pub fn page(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("../../docs/codes/", $number, ".md")),)* }
            }

            /// What the code means, in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// F01: the text itself.
    TooLarge = "F0101", "the roster is too large";
    Unbalanced = "F0102", "braces, quotes or comments do not match";
    TooDeep = "F0103", "nested too deeply";
    Syntax = "F0104", "not KDL";
    BareWord = "F0105", "a value that needs quotes or a #";
    BadCharacter = "F0106", "a character that does not belong in a roster";
    OtherLanguage = "F0107", "YAML, TOML or JSON where KDL is expected";
    OldSyntax = "F0108", "the syntax of KDL 1";
    /// F02: one node.
    UnknownNode = "F0201", "a node this language does not have";
    UnknownProperty = "F0202", "a property this node does not have";
    DuplicateProperty = "F0203", "the same property twice";
    MissingArgument = "F0204", "an argument is missing";
    TooManyArguments = "F0205", "more arguments than the node takes";
    WrongType = "F0206", "a value of another type";
    BadValue = "F0207", "a value outside its range or list";
    BadName = "F0208", "a name that is not a name";
    MissingProperty = "F0209", "a property is missing";
    DuplicateNode = "F0210", "a node that may stand once stands twice";
    UnexpectedChildren = "F0211", "a node that has no children has some";
    MissingChild = "F0213", "a child node is missing";
    ConnectorKey = "F0214", "a key of another kind of connector";
    /// F03: the whole roster.
    NoFleet = "F0301", "the roster does not start with a fleet node";
    Version = "F0302", "a roster version this fleet does not read";
    Floor = "F0303", "a fleet has one orchestrator and at least one enhancer";
    DuplicateAgent = "F0304", "two agents of one name";
    UnknownAgent = "F0305", "an agent that is not declared";
    UnknownRole = "F0306", "a role that is not known";
    UnknownRuntime = "F0307", "a runtime that is not known";
    Cycle = "F0308", "a circle";
    NoRuntime = "F0309", "an agent without a runtime";
    LimiterNeverTrips = "F0310", "a restart limit that can never be reached";
    SecretLiteral = "F0311", "a secret written into the roster";
    SocketPath = "F0312", "a socket path longer than 107 bytes";
    RefusedVariable = "F0313", "an environment variable fleet does not set";
    Capability = "F0314", "a role that does not fit what its agent is set up for";
    RuntimeLacks = "F0315", "something this runtime cannot be told";
    HostLimit = "F0316", "a limit above what this machine has";
    DuplicateRole = "F0317", "two roles of one name";
    BadRuntimeFile = "F0318", "a runtime file that cannot be used";
    BadRoleFile = "F0319", "a role file that cannot be used";
    StateFolder = "F0320", "a state folder that systemd cannot name";
    Include = "F0321", "an include that cannot be taken in";
    UnknownChain = "F0322", "a chain of models that is not declared";
    ModelNotInChain = "F0323", "a model that is not in its chain";
    UnknownConnector = "F0324", "a connector that is not declared";
    UnknownGate = "F0325", "a gate that is not declared";
    UnknownTarget = "F0326", "nobody of that name to address";
    DuplicateName = "F0327", "two things of one kind and one name";
    UnusedConnector = "F0328", "a connector that nobody uses";
    UnusedGate = "F0329", "a gate that nothing requires";
    ReviewImpossible = "F0330", "a review that nobody can give";
    ApprovalImpossible = "F0331", "an approval that nobody can give";
    CannotFix = "F0332", "a reaction that sends work to someone who may not do it";
    NoSource = "F0333", "an event that nothing reports";
    Identity = "F0334", "a former name that is taken";
    SharedBranch = "F0335", "a branch that a worktree cannot have for itself";
    Envelope = "F0336", "an envelope that does not fit the fleet";
    LayoutPane = "F0337", "a pane that nobody is in";
    /// F04: this machine.
    ProgramNotFound = "F0401", "the agent's program is not on its path";
    NoFolder = "F0402", "a working folder that cannot be used";
    FileNotRead = "F0403", "a file the roster names cannot be read";
    SecretAbsent = "F0404", "a secret that is not there now";
    NotEnforced = "F0405", "a requirement that this version cannot keep";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_order() {
        let numbers: Vec<_> = Code::ALL.iter().map(|code| code.number()).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(numbers, sorted);
    }
}
