//! The systemd user manager, over the session bus (org.freedesktop.systemd1(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout};
use zbus::{Connection, Message, OwnedObjectPath, OwnedVariant};

use super::cause::Cause;
use super::jobs::{Outcome, Verb};
use super::{ManagerError, ManagerKind, ServiceManager, UnitState, listed, names, patterns};
use crate::ids::{FleetId, UnitName};

pub(super) const NAME: &str = "org.freedesktop.systemd1";
pub(super) const PATH: &str = "/org/freedesktop/systemd1";
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Bound of one call that only asks or queues.
pub(super) const CALL: Duration = Duration::from_secs(10);
/// Bound of connecting. The first connection starts the bus daemon (measured: 10 ms).
const CONNECT: Duration = Duration::from_secs(5);
/// Bound of a reload, which runs every generator and reads every unit of the user.
const RELOAD: Duration = Duration::from_mins(1);

/// A connection to the user manager.
pub struct SystemdManager {
    pub(super) connection: Connection,
    // Dropped after the connection, whose tasks run on it.
    runtime: Runtime,
}

impl fmt::Debug for SystemdManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemdManager").finish_non_exhaustive()
    }
}

/// `ListUnitsByPatterns`' answer: name, description, load, active, sub, follows, path, job id, job type, job path.
type Listed = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

impl SystemdManager {
    /// Connects to the session bus at `address`, e.g. `unix:path=/run/user/1000/bus`.
    ///
    /// # Errors
    /// When nothing answers there within five seconds.
    pub fn connect(address: &str) -> Result<Self, ManagerError> {
        let action = format!("connect to the session bus at {address}");
        let fail = |message: String| {
            let help =
                "is the user manager running? `systemctl --user status` tells; `fleet doctor` looks at the rest";
            ManagerError::new(action.clone(), message, help)
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| fail(error.to_string()))?;
        let connection = runtime.block_on(async {
            let built = zbus::connection::Builder::address(address).build();
            timeout(CONNECT, built)
                .await
                .map_err(|_| fail(format!("no answer within {CONNECT:?}")))?
                .map_err(|error| fail(describe(&error)))
        })?;
        Ok(Self { connection, runtime })
    }

    /// The manager's version as it writes it, e.g. `252.38-1~deb12u1`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn version(&self) -> Result<String, ManagerError> {
        self.runtime
            .block_on(async {
                let reply = self.call_at(PATH, PROPERTIES, "Get", &(MANAGER, "Version"), CALL).await?;
                let value: OwnedVariant = reply.body().deserialize()?;
                Ok(text(&value))
            })
            .map_err(|error| unreachable(&error, "ask systemd for its version"))
    }

    pub(super) async fn call_at<B: serde::Serialize + zbus::DynamicType>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
        bound: Duration,
    ) -> zbus::Result<Message> {
        answer(self.connection.call_method(Some(NAME), path, Some(interface), method, body), bound).await
    }

    pub(super) async fn call<B: serde::Serialize + zbus::DynamicType>(
        &self,
        method: &str,
        body: &B,
    ) -> zbus::Result<Message> {
        self.call_at(PATH, MANAGER, method, body, CALL).await
    }

    async fn cause(&self, unit: &UnitName) -> Cause {
        let ask = async {
            let reply = self.call("GetUnit", &(unit.as_str(),)).await?;
            let path: OwnedObjectPath = reply.body().deserialize()?;
            let reply = self.call_at(path.as_str(), PROPERTIES, "GetAll", &(SERVICE,), CALL).await?;
            let all: BTreeMap<String, OwnedVariant> = reply.body().deserialize()?;
            let word = |key: &str| all.get(key).map(text).unwrap_or_default();
            let number = |key: &str| all.get(key).and_then(|value| i32::try_from(value).ok()).unwrap_or_default();
            Ok::<_, zbus::Error>(Cause {
                result: word("Result"),
                code: number("ExecMainCode"),
                status: number("ExecMainStatus"),
                text: word("StatusText"),
            })
        };
        // The cause explains another error: without it that one still stands.
        ask.await.unwrap_or_default()
    }

    fn run_jobs(&self, verb: Verb, units: &[UnitName], bound: Duration) -> Vec<Result<(), ManagerError>> {
        if units.is_empty() {
            return Vec::new();
        }
        self.runtime.block_on(async {
            let outcomes = match self.jobs(verb, units, Instant::now() + bound).await {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    let each = |unit: &UnitName| Err(unreachable(&error, format!("{} {unit}", verb.word())));
                    return units.iter().map(each).collect();
                }
            };
            let mut results = Vec::with_capacity(units.len());
            for (unit, outcome) in units.iter().zip(outcomes) {
                results.push(match outcome {
                    Outcome::Ended(result) if result == "done" => Ok(()),
                    Outcome::Ended(result) => Err(self.cause(unit).await.error(verb.word(), unit, &result)),
                    Outcome::Refused(message) => Err(ManagerError::new(
                        format!("{} {unit}", verb.word()),
                        message,
                        format!("look at `systemctl --user status {unit}`"),
                    )),
                    Outcome::Waiting => Err(ManagerError::new(
                        format!("{} {unit}", verb.word()),
                        format!("systemd was still at it after {bound:?}"),
                        format!("it goes on by itself; `systemctl --user status {unit}` shows how far it is"),
                    )),
                });
            }
            results
        })
    }
}

/// What comes back, when it does within `bound`.
pub(super) async fn answer(
    call: impl Future<Output = zbus::Result<Message>>,
    bound: Duration,
) -> zbus::Result<Message> {
    timeout(bound, call).await.unwrap_or_else(|_| Err(zbus::Error::Failure(format!("no answer within {bound:?}"))))
}

pub(super) fn text(value: &OwnedVariant) -> String {
    <&str>::try_from(value).unwrap_or_default().to_owned()
}

/// The sentence of an error, without the bus's name for it where there is one.
pub(super) fn describe(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(_, Some(text), _) => text.clone(),
        other => other.to_string(),
    }
}

fn unreachable(error: &zbus::Error, action: impl Into<String>) -> ManagerError {
    ManagerError::new(
        action,
        describe(error),
        "is the user manager running? `systemctl --user status` tells; `fleet doctor` looks at the rest",
    )
}

impl ServiceManager for SystemdManager {
    fn kind(&self) -> ManagerKind {
        ManagerKind::Systemd
    }

    fn observe(&self, fleet: &FleetId) -> Result<Vec<UnitState>, ManagerError> {
        let states: [&str; 0] = [];
        let ask = async {
            let reply = self.call("ListUnitsByPatterns", &(&states[..], &patterns(fleet)[..])).await?;
            reply.body().deserialize::<Vec<Listed>>()
        };
        let units = self.runtime.block_on(ask).map_err(|error| unreachable(&error, "list the fleet's units"))?;
        let mut units: Vec<UnitState> = units
            .iter()
            .filter_map(|(name, _, load, active, sub, ..)| listed(fleet, name, load, active, sub))
            .collect();
        units.sort_by(|a, b| a.unit.cmp(&b.unit));
        Ok(units)
    }

    fn reload(&self) -> Result<(), ManagerError> {
        self.runtime
            .block_on(self.call_at(PATH, MANAGER, "Reload", &(), RELOAD))
            .map(drop)
            .map_err(|error| unreachable(&error, "make systemd read its unit files again"))
    }

    fn reset_failed(&self, units: &[UnitName]) {
        self.runtime.block_on(async {
            for unit in units {
                let _ = self.call("ResetFailedUnit", &(unit.as_str(),)).await;
            }
        });
    }

    fn variables(&self) -> BTreeSet<String> {
        let ask = async {
            let reply = self.call_at(PATH, PROPERTIES, "Get", &(MANAGER, "Environment"), CALL).await?;
            let value: OwnedVariant = reply.body().deserialize()?;
            Ok::<_, zbus::Error>(Vec::<String>::try_from(value).unwrap_or_default())
        };
        names(self.runtime.block_on(ask).unwrap_or_default().iter().map(String::as_str))
    }

    fn start_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>> {
        self.run_jobs(Verb::Start, units, timeout)
    }

    fn stop_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>> {
        self.run_jobs(Verb::Stop, units, timeout)
    }
}
