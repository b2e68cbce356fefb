//! What the systemd user manager says of units unasked (org.freedesktop.systemd1(5)).

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;

use futures_core::Stream as _;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream, OwnedVariant};

use super::detect;
use crate::ids::{AgentName, FleetId, UnitName};

const NAME: &str = "org.freedesktop.systemd1";
const UNITS: &str = "/org/freedesktop/systemd1/unit";
/// Signals that may wait for this process. Lost ones are made up for by looking at everything.
const ROOM: usize = 4_096;

/// A unit of the fleet's is in another state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitChange {
    pub agent: AgentName,
    /// systemd's `Result` of the service where it changed: `success`, `exit-code`, `oom-kill`, …
    pub result: Option<String>,
}

/// Tells of every change of the units of `fleet`'s agents. Returns when `tell` says no more, or the bus is gone.
///
/// # Errors
/// When there is no bus, or it does not take the subscription.
pub async fn watch(fleet: &FleetId, tell: impl Fn(UnitChange) -> bool) -> zbus::Result<()> {
    let address = detect::session_bus().ok_or_else(|| zbus::Error::Failure("there is no session bus".to_owned()))?;
    let connection = zbus::connection::Builder::address(address.as_str()).build().await?;
    // systemd tells of units only while somebody has subscribed.
    let manager = Some("org.freedesktop.systemd1.Manager");
    match connection.call_method(Some(NAME), "/org/freedesktop/systemd1", manager, "Subscribe", &()).await {
        Err(zbus::Error::MethodError(name, ..)) if name.ends_with(".AlreadySubscribed") => {}
        other => drop(other?),
    }
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(NAME)
        .interface("org.freedesktop.DBus.Properties")
        .member("PropertiesChanged")
        .path_namespace(UNITS)
        .build()?;
    let mut signals = MessageStream::for_match_rule(rule, &connection, NonZeroUsize::new(ROOM)).await?;
    while let Some(message) = poll_fn(|context| Pin::new(&mut signals).poll_next(context)).await {
        let message = message?;
        let header = message.header();
        let Some(agent) = header.path().and_then(|path| agent_at(path.as_str(), fleet)) else { continue };
        let changed: zbus::Result<(String, BTreeMap<String, OwnedVariant>, Vec<String>)> =
            message.body().deserialize();
        let Ok((_, changed, _)) = changed else { continue };
        let result = changed.get("Result").and_then(|result| String::try_from(result.clone()).ok());
        if (result.is_some() || changed.contains_key("ActiveState")) && !tell(UnitChange { agent, result }) {
            return Ok(());
        }
    }
    Ok(())
}

/// The agent of `fleet` whose unit has this object path.
fn agent_at(path: &str, fleet: &FleetId) -> Option<AgentName> {
    let unit = unescape(path.strip_prefix(UNITS)?.strip_prefix('/')?)?;
    let agent = unit.strip_prefix(&format!("fleet-{fleet}-"))?.strip_suffix(".service")?;
    let agent = AgentName::new(agent).ok()?;
    (UnitName::agent(fleet, &agent).as_str() == unit).then_some(agent)
}

/// Undoes what systemd does to unit names in object paths: `_` and two hexadecimal digits for what is no letter or digit.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        let code = u8::from_str_radix(rest.get(at + 1..at + 3)?, 16).ok()?;
        out.push(char::from(code));
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_agents_of_this_fleet_only() {
        let shop = FleetId::new("shop").unwrap();
        let agent = |path: &str| agent_at(path, &shop).map(|agent| agent.as_str().to_owned());
        let at = |unit: &str| format!("{UNITS}/{unit}");
        assert_eq!(agent(&at("fleet_2dshop_2da_2d1_2eservice")).as_deref(), Some("a-1"));
        assert_eq!(agent(&at("fleet_2dshop_2dsupervisor_2eservice")), None);
        assert_eq!(agent(&at("fleet_2dshopping_2da_2eservice")), None);
        assert_eq!(agent(&at("fleet_2dshop_2da_2etarget")), None);
        assert_eq!(agent(&at("fleet_2")), None);
    }
}
