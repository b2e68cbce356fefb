//! A `systemd --user` of this process's own, and questions to it over its bus.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use zbus::Connection;
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

/// Says where the login's manager is, and takes our files away when we have ended.
const OF_THIS_LOGIN: &str = r#"
units=$XDG_RUNTIME_DIR/systemd/user
[ -n "$XDG_RUNTIME_DIR" ] && mkdir -p "$units" && [ ! -e "$units/w" ] || exit 1
echo "${DBUS_SESSION_BUS_ADDRESS:-unix:path=$XDG_RUNTIME_DIR/bus}"
echo "$units"
cat >/dev/null
rm -rf "$units/w" "$units"/fleet-odd* "$units/fleet-fuzz-env.service"
systemctl --user daemon-reload
"#;

/// Everything systemd says of one unit, as it stands on the bus: exact, typed, nothing joined or escaped.
pub type Properties = BTreeMap<String, OwnedVariant>;

const BUS: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

pub struct Manager {
    /// Where it looks for unit files.
    pub units: PathBuf,
    /// An empty folder for what units need; short.
    pub folder: PathBuf,
    /// systemd's version.
    pub version: u32,
    runtime: Runtime,
    connection: Connection,
    // It ends when this is closed.
    _stop: (Child, ChildStdin),
}

impl Manager {
    /// As root a new one in control groups of its own (`scripts/lib/user-manager.sh`), else that of the login.
    ///
    /// # Panics
    /// When there is none: a target without its oracle would find nothing and say so of nothing.
    #[must_use]
    pub fn start() -> Self {
        // It reads from us and ends when we do, in whatever way: `cat` first, then the manager and its folder.
        let mut command = Command::new("bash");
        if is_root() {
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/lib/user-manager.sh"));
            command.args([
                "sh",
                "-c",
                "echo \"$DBUS_SESSION_BUS_ADDRESS\"; echo \"$HOME/.config/systemd/user\"; exec cat",
            ]);
        } else {
            // Units in the runtime folder are gone with the login at the latest.
            command.args(["-c", OF_THIS_LOGIN]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash");
        let stdin = child.stdin.take().expect("piped");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut line = || lines.next().and_then(Result::ok).filter(|line| !line.is_empty());
        let (Some(address), Some(units)) = (line(), line()) else {
            panic!("there is no user manager here, and none can be started: {:?}", child.wait());
        };
        let units = PathBuf::from(units);
        let folder = units.join("w");
        fs::create_dir_all(&folder).expect("a work folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connection = runtime
            .block_on(async { zbus::connection::Builder::address(address.as_str()).build().await })
            .expect("the manager's bus");
        let mut this = Self { units, folder, version: 0, runtime, connection, _stop: (child, stdin) };
        let answer = this.get(OBJECT, MANAGER, "Version");
        let digits: String = answer.trim_start_matches(|c: char| !c.is_ascii_digit()).to_owned();
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        this.version = digits.parse().expect("systemd's version");
        this
    }

    fn call<A, T>(&self, path: &str, interface: &str, method: &str, arguments: &A) -> T
    where
        A: serde::Serialize + zbus::DynamicType,
        T: serde::de::DeserializeOwned + zbus::Type,
    {
        let call = self.connection.call_method(Some(BUS), path, Some(interface), method, arguments);
        let reply = self.runtime.block_on(call).unwrap_or_else(|error| panic!("{method} of {path}: {error}"));
        reply.body().deserialize().unwrap_or_else(|error| panic!("{method} of {path}: {error}"))
    }

    fn get(&self, path: &str, interface: &str, name: &str) -> String {
        let value: OwnedVariant = self.call(path, PROPERTIES, "Get", &(interface, name));
        match &*value {
            Variant::Str(text) => text.as_str().to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// Makes it read all unit files anew.
    pub fn reload(&self) {
        self.call::<_, ()>(OBJECT, MANAGER, "Reload", &());
    }

    /// Keeps `unit` loaded, which it otherwise is only while somebody needs it.
    pub fn hold(&self, unit: &str) {
        self.call::<_, ()>(OBJECT, MANAGER, "RefUnit", &(unit,));
    }

    /// The opposite of [`Manager::hold`].
    pub fn release(&self, unit: &str) {
        self.call::<_, ()>(OBJECT, MANAGER, "UnrefUnit", &(unit,));
    }

    /// All properties of `unit` in `org.freedesktop.systemd1.Unit` and in the interface of its type.
    #[must_use]
    pub fn properties(&self, unit: &str) -> Properties {
        let kind = match unit.rsplit_once('.') {
            Some((_, "service")) => "Service",
            Some((_, "slice")) => "Slice",
            _ => "Target",
        };
        let path = self.load(unit);
        let mut found = Properties::new();
        for interface in ["Unit", kind] {
            let part: Properties = self.call(path.as_str(), PROPERTIES, "GetAll", &(format!("{BUS}.{interface}"),));
            found.extend(part);
        }
        found
    }

    fn load(&self, unit: &str) -> OwnedObjectPath {
        self.call(OBJECT, MANAGER, "LoadUnit", &(unit,))
    }

    /// What `systemd-analyze dump` prints of these units, for what is on no bus.
    #[must_use]
    pub fn dump(&self, units: &[String]) -> String {
        self.call(OBJECT, MANAGER, "DumpUnitsMatchingPatterns", &(units,))
    }

    /// Starts `unit`, a one-shot service, and waits until it has ended. Whether it went well.
    #[must_use]
    pub fn run(&self, unit: &str) -> bool {
        let _: OwnedObjectPath = self.call(OBJECT, MANAGER, "StartUnit", &(unit, "replace"));
        let path = self.load(unit);
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let state = self.get(path.as_str(), UNIT, "ActiveState");
            match state.as_str() {
                // Not because it has yet to begin.
                "inactive" if self.get(path.as_str(), UNIT, "Job").contains("(0") => return true,
                "failed" => return false,
                _ => assert!(Instant::now() < end, "{unit} is still {state}"),
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Forgets that units failed.
    pub fn reset(&self) {
        self.call::<_, ()>(OBJECT, MANAGER, "ResetFailed", &());
    }
}

fn is_root() -> bool {
    // The owner of a process's own entry is its effective user.
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}
