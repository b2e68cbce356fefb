//! What systemd says of the agents' units: a second way to hear of an end, and the only one to hear of its cause.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::{Input, report};
use crate::ids::FleetId;
use crate::system::service::signals;

/// From a lost bus to the next try.
const AGAIN: Duration = Duration::from_secs(30);

/// Listens as long as the supervisor lives. Without a bus the shims' sockets and the relist tell of everything but causes.
pub(super) async fn listen(fleet: FleetId, inputs: UnboundedSender<Input>) {
    let mut said = false;
    loop {
        let tell = |change| inputs.send(Input::Unit(change)).is_ok();
        if let Err(error) = signals::watch(&fleet, tell).await
            && !std::mem::replace(&mut said, true)
        {
            report(format_args!("systemd's signals are not heard: {error}"));
        }
        if inputs.is_closed() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
        // Whatever was said meanwhile shows in the records.
        let _ = inputs.send(Input::Files(super::watch::Changed::All));
    }
}
