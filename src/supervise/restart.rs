//! What follows a death: back-off, budget, quarantine.

use super::Machine;
use super::clock::{Millis, Moment, words};
use super::decision::{Act, Level, Rule};
use super::event::{End, Shows, Wanted};
use super::limit::{LONGEST, UNKNOWN};
use super::policy::Lifecycle;
use super::sight::ending;
use super::standing::State;
use super::timers::Timer;
use crate::ids::AgentName;
use crate::manifest::{RestartPolicy, RestartWhen};

/// Milliseconds.
pub(super) const DAY: Millis = 86_400_000;
/// An agent that is gone this soon after its start has not worked at all, in milliseconds.
pub(super) const RAPID: Millis = 15_000;
/// So many such deaths in a row are the runtime's fault, and more of them help nobody.
const RAPID_MAX: u32 = 3;

impl Machine {
    /// It is gone: what now?
    pub(super) fn after_end(&mut self, now: Moment, name: &AgentName, end: Option<End>) {
        let agent = &self.agents[name];
        if agent.memory.quarantine.is_some() {
            self.decide(Some(name), Rule::State, "it ended, and is quarantined already".to_owned(), vec![]);
            return;
        }
        if agent.wanted == Wanted::Held {
            let how = end.as_ref().map_or_else(|| "no record".to_owned(), ending);
            self.decide(Some(name), Rule::State, format!("stopped on purpose ({how})"), vec![]);
            return;
        }
        if let Some(why) = agent.memory.restarting.clone() {
            let step = end.as_ref().map_or("no record", |end| end.step.as_str());
            if why == STALLED {
                self.died(now, name, &format!("{why}; it ended at the step `{step}`"));
            } else {
                self.decide(Some(name), Rule::State, format!("stopped at the step `{step}`"), vec![]);
                self.want_start(name, &why);
            }
            return;
        }
        if let Some(verb) = agent.announced.clone() {
            let how = end.as_ref().map_or_else(|| "no record".to_owned(), ending);
            self.decide(Some(name), Rule::State, format!("ended for `fleet {verb}` ({how})"), vec![]);
            return;
        }
        let on_demand = matches!(agent.policy.lifecycle, Lifecycle::OnDemand { .. });
        let Some(end) = end else {
            self.with(name, |agent| agent.unrecorded = true);
            self.died(now, name, "it vanished: nothing says how it ended");
            return;
        };
        if end.stop_requested {
            let by = if on_demand { "stopped" } else { "stopped by hand" };
            self.decide(Some(name), Rule::State, format!("{by}, at the step `{}`", end.step), vec![]);
            if on_demand {
                self.want_start(name, "a message waits for it");
            }
            return;
        }
        let again = match agent.policy.restart.when {
            RestartWhen::Never => false,
            RestartWhen::OnFailure => end.code != Some(0),
            RestartWhen::Always => true,
        };
        if !again {
            let reason = format!("it ended ({}), and is not to be started again", ending(&end));
            let level = if end.code == Some(0) { Level::Info } else { Level::Action };
            self.notify(Some(name), Rule::State, level, format!("{name}: {reason}"));
            if on_demand {
                self.want_start(name, "a message waits for it");
            }
            return;
        }
        // The wall may have been set back meanwhile.
        let seen = agent.memory.run.as_ref().filter(|run| run.started == end.started);
        let seen = seen.map_or(0, |_| now.awake.saturating_sub(agent.begun));
        let lived = i128::from(end.ended) - i128::from(end.started) - agent.jumped;
        let lived = Millis::try_from(lived.max(0)).unwrap_or(Millis::MAX).max(seen);
        if let Shows::Limit { class, until, text } = &end.shows
            && class.is_transient()
            && self.agents[name].next_model().is_none()
            && until.is_none_or(|until| until > now.wall)
        {
            let wait = until.map_or(UNKNOWN, |until| (until - now.wall).clamp(60_000, LONGEST));
            let reason = format!("it ended ({}) at a limit of its provider: {text}", ending(&end));
            self.with(name, |agent| {
                agent.memory.back_off_until = Some(now.wall + wait);
                agent.start = Some(reason.clone());
            });
            self.decide(Some(name), Rule::Limit, format!("{reason}; started again in {} s", wait / 1_000), vec![]);
            self.timers.set(name, Timer::BackOff, now.awake + wait);
            return;
        }
        if lived < RAPID || matches!(end.shows, Shows::Fatal { .. } | Shows::Limit { .. }) {
            self.died_at_once(now, name, &end, lived);
        } else {
            self.with(name, |agent| agent.memory.rapid = 0);
            self.died(now, name, &format!("it ended ({}) after {} s", ending(&end), lived / 1_000));
        }
    }

    /// A death that says more about the runtime than about the agent.
    fn died_at_once(&mut self, now: Moment, name: &AgentName, end: &End, lived: Millis) {
        let last = end.screen.last().map(|line| format!("; its last line: {line}")).unwrap_or_default();
        let how =
            format!("it ended ({}) {}.{} s after its start{last}", ending(end), lived / 1_000, lived / 100 % 10);
        let class = match &end.shows {
            Shows::Fatal { class, .. } | Shows::Limit { class, .. } => Some(*class),
            _ => None,
        };
        self.with(name, |agent| agent.memory.rapid += 1);
        let cause =
            class.filter(|class| class.is_transient()).map_or("it died at once", super::standing::Class::word);
        if class.is_none_or(super::standing::Class::is_transient) && self.fall_back(now, name, &how, cause) {
            return;
        }
        let rapid = self.agents[name].memory.rapid;
        if class.is_some_and(|class| !class.is_transient()) || rapid >= RAPID_MAX {
            let runtime = self.agents[name].runtime().to_owned();
            self.quarantine(name, Rule::RapidDeath, format!("the runtime {runtime} does not work: {how}"));
            return;
        }
        self.died(now, name, &how);
    }

    /// Starts it again after a wait, if the budget allows.
    pub(super) fn died(&mut self, now: Moment, name: &AgentName, how: &str) {
        let snapshot = Act::Snapshot { agent: name.clone(), why: how.to_owned() };
        let agent = self.agents.get_mut(name).expect("the caller has looked it up");
        agent.memory.restarting = None;
        if agent.wanted == Wanted::Held || agent.memory.quarantine.is_some() {
            self.decide(Some(name), Rule::State, how.to_owned(), vec![snapshot]);
            return;
        }
        if agent.policy.restart.when == RestartWhen::Never {
            self.decide(Some(name), Rule::Restart, format!("{how}; it is never started again"), vec![snapshot]);
            return;
        }
        let RestartPolicy { within_ms, burst, .. } = agent.policy.restart;
        let wait = delay(name, &agent.policy.restart, agent.memory.attempt);
        // Starts count, not deaths: the wait between the two differs. A clock set back must not keep old ones for ever.
        let next = now.wall + wait;
        agent.memory.restarts.retain(|at| *at <= next + super::JUMP && next.saturating_sub(*at) < within_ms);
        let count = agent.memory.restarts.len();
        if count >= burst as usize {
            self.decide(Some(name), Rule::Restart, how.to_owned(), vec![snapshot]);
            let reason = format!("{how}; that was after {count} restarts within {}", words(within_ms));
            self.quarantine(name, Rule::Quarantine, reason);
            return;
        }
        agent.memory.restarts.push_back(next);
        agent.counted = true;
        agent.memory.attempt += 1;
        agent.memory.back_off_until = Some(next);
        let reason = format!("{how}; restart {} of {burst} in {} s", count + 1, wait.div_ceil(1_000));
        agent.start = Some(reason.clone());
        self.decide(Some(name), Rule::Restart, reason, vec![snapshot]);
        self.timers.set(name, Timer::BackOff, now.awake + wait);
    }

    pub(super) fn quarantine(&mut self, name: &AgentName, rule: Rule, why: String) {
        self.timers.clear(name, Timer::BackOff);
        if self.agents.get(name).is_none_or(|agent| agent.memory.quarantine.is_some()) {
            return;
        }
        self.with(name, |agent| {
            agent.memory.restarting = None;
            agent.memory.quarantine = Some(why.clone());
            agent.memory.back_off_until = None;
            agent.start = None;
        });
        let text = format!(
            "{name} is quarantined: {why}; `fleet why {name}` tells more, `fleet clear {name}` lets it start again"
        );
        self.decide(Some(name), rule, why, vec![Act::Notify { level: Level::Action, text }]);
    }

    /// It has run for long enough.
    pub(super) fn healthy(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let quiet = agent.standing.state == State::Unknown && agent.ready && agent.unreachable.is_none();
        if !quiet && !matches!(agent.standing.state, State::Working | State::Idle | State::WaitingForHuman) {
            // Merely being there is not health: what hangs from its start on would be started for ever.
            self.timers.set(name, Timer::Healthy, now.awake + agent.policy.restart.healthy_ms.max(1_000));
            return;
        }
        let memory = &mut agent.memory;
        if memory.attempt == 0 && memory.rapid == 0 && memory.restarts.is_empty() {
            return;
        }
        (memory.attempt, memory.rapid) = (0, 0);
        memory.restarts.clear();
        let span = words(agent.policy.restart.healthy_ms);
        self.decide(Some(name), Rule::Restart, format!("healthy for {span}: its restarts are forgotten"), vec![]);
    }
}

/// Why a stalled agent is restarted: the one restart of the machine's own that counts against the budget.
pub(super) const STALLED: &str = "it made no progress";

/// Why an agent is restarted that `apply` left.
pub(super) const PENDING: &str = "the restart that `fleet apply` left for an idle moment";

/// The wait before a restart: doubled each time up to the longest, and up to a quarter more, so that agents which died together
/// do not come back together. The same agent and attempt always give the same wait.
fn delay(name: &AgentName, policy: &RestartPolicy, attempt: u32) -> Millis {
    let doubled = policy.delay_ms.saturating_mul(1_u64.checked_shl(attempt.min(32)).unwrap_or(u64::MAX));
    let wait = doubled.min(policy.max_delay_ms.max(policy.delay_ms));
    // FNV-1a: any spread will do.
    let seed = name.as_str().bytes().chain(attempt.to_le_bytes());
    let hash =
        seed.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    wait + wait / 4 * (hash >> 32 & 0xff) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = RestartPolicy {
            when: RestartWhen::OnFailure,
            delay_ms: 15_000,
            max_delay_ms: 600_000,
            burst: 5,
            within_ms: 3_600_000,
            healthy_ms: 1_800_000,
        };
        let name = AgentName::new("coder").unwrap();
        for attempt in 0..70 {
            let least = (15_000_u64 << attempt.min(20)).min(600_000);
            let wait = delay(&name, &policy, attempt);
            assert!((least..=least + least / 4).contains(&wait), "{attempt}: {wait}");
            assert_eq!(wait, delay(&name, &policy, attempt));
        }
    }
}
