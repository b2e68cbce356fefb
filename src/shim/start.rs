//! From a manifest to a running agent.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::time::Instant;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::getpid;

use super::agent::{Ready, Shim};
use super::conversation::Conversation;
use super::deliver::Deliveries;
use super::lock::Listener;
use super::log::Log;
use super::mask::Mask;
use super::output::READY_QUIET;
use super::patterns::Patterns;
use super::pty::Pty;
use super::secrets::Secrets;
use super::serve::{Server, Words};
use super::terminal::{Model, Size};
use super::{StartError, environment, keeper, lock, models, process, records, report, runs, secrets};
use crate::ids::Digest;
use crate::manifest::{FORMAT, Manifest, RunRecord};
use crate::system::memory;
use crate::system::notify::Notifier;
use crate::system::proc;

/// Reads a manifest and refuses what this shim cannot run.
pub(super) fn load(path: &Path) -> Result<(Manifest, Digest), StartError> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        format: u32,
    }
    let named = |what: String| StartError::config(format!("{}: {what}", path.display()));
    let bytes = fs::read(path).map_err(|error| named(format!("{error}. Run `fleet apply` to write it")))?;
    let broken = |error: serde_json::Error| named(format!("not a manifest: {error}. Run `fleet apply` again"));
    let numbered: Numbered = serde_json::from_slice(&bytes).map_err(broken)?;
    if numbered.format > FORMAT {
        return Err(named(format!(
            "its format is {} and this fleet-shim knows {FORMAT}: a newer fleet wrote it, use that one's fleet-shim",
            numbered.format
        )));
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(broken)?;
    if manifest.launch.argv.is_empty() {
        return Err(named("the agent has no command: give its runtime one and apply again".to_owned()));
    }
    Ok((manifest, Digest::of(&bytes)))
}

/// Starts the agent of the manifest at `path`.
pub(super) fn start(path: &Path) -> Result<Shim, StartError> {
    let (manifest, digest) = load(path)?;
    let models::Chosen { manifest, with, environment } = models::choose(manifest, std::env::vars_os());
    if !manifest.folder.is_dir() {
        return Err(StartError::config(format!("{} is no folder: run `fleet apply`", manifest.folder.display())));
    }
    let lock = lock::take(&manifest)?;
    let listener = Listener::bind(&manifest.socket)?;
    let values = secrets::resolve(&manifest)?;
    // From here on a signal ends the agent and what was written for it, not the shim alone.
    let signals =
        take_signals().map_err(|error| StartError::config(format!("signals cannot be received: {error}")))?;
    let mut secrets = Secrets::deliver(&manifest, values)?;
    let nonce = proc::random_id();
    let environment = environment::build(environment.into_iter(), &manifest, &nonce, &secrets);
    let dir = &manifest.launch.dir;
    if !dir.is_dir() {
        return Err(StartError::config(format!(
            "the working folder {} does not exist: create it, or correct the roster's workspace",
            dir.display()
        )));
    }
    let program = environment::find_program(&manifest.launch.argv[0], &environment, dir)?;
    let conversation = Conversation::begin(&manifest);
    let argv = arguments(&manifest, &conversation);

    if let Err(error) = set_child_subreaper(true) {
        report(format_args!("not a subreaper ({error}): processes that the agent detaches will outlive it"));
    }
    let size = Size::new(manifest.launch.terminal.columns, manifest.launch.terminal.rows);
    let pty = Pty::open(size.columns, size.rows)
        .map_err(|error| StartError::config(format!("no pseudo-terminal: {error}. Is /dev/pts mounted?")))?;
    let started = records::now();
    let oom_kills = memory::oom_kills(&manifest.unit);
    runs::begin(&manifest.folder, &started);
    let agent = pty
        .spawn(&program, &argv, &environment, dir)
        .map_err(|error| StartError::config(format!("{} could not be started: {error}", program.display())))?;
    drop(environment);

    let notifier = Notifier::new(std::env::var_os("NOTIFY_SOCKET").as_deref(), super::report);
    let mask = Mask::new(&secrets.take_values());
    let now = Instant::now();
    let first = first_message(&manifest).filter(|_| !conversation.resumed);
    let mut shim = Shim {
        manifest_path: path.to_owned(),
        digest,
        with,
        patterns: Patterns::default(),
        mask,
        agent,
        started,
        oom_kills,
        pty,
        input: VecDeque::new(),
        model: Model::new(size, manifest.launch.terminal.scrollback),
        log: Log::new(manifest.folder.clone(), manifest.policy.log.clone()),
        bytes: 0,
        last_output: now,
        // An agent that writes nothing has to be looked at all the same.
        ready: Ready { seen: false, look_at: first.as_ref().map(|_| now + READY_QUIET) },
        deliveries: Deliveries::new(first),
        words: Words::new(nonce),
        stop: None,
        server: Server::new(listener),
        signals,
        notifier,
        hung_until: None,
        complaints: Vec::new(),
        conversation,
        begun: now,
        _lock: lock,
        secrets,
        manifest,
    };
    shim.set_policy(shim.manifest.policy.clone());
    shim.write_run_record();
    process::give_back_memory();
    shim.notifier.tell(&format!("READY=1\nSTATUS={} runs as process {agent}", shim.manifest.agent));
    Ok(shim)
}

/// The agent's argument vector, with the first message where the runtime takes one there.
fn arguments(manifest: &Manifest, conversation: &Conversation) -> Vec<String> {
    let mut argv = manifest.launch.argv.clone();
    argv.extend(conversation.words.iter().cloned());
    if let Some(prompt) = manifest.policy.prompt.as_ref().filter(|_| !conversation.resumed) {
        argv.extend(manifest.launch.prompt_argv.iter().map(|word| word.replace("{prompt}", prompt)));
    }
    argv
}

/// The first message when it has to be typed.
fn first_message(manifest: &Manifest) -> Option<String> {
    manifest.policy.prompt.clone().filter(|_| manifest.launch.prompt_argv.is_empty())
}

/// Blocks the signals that the loop wants to read, and ignores those that would end the shim over a mishap.
fn take_signals() -> nix::Result<SignalFd> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // A log that hits the file size limit is an error like a full disk.
    for signal in [Signal::SIGPIPE, Signal::SIGXFSZ] {
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { sigaction(signal, &ignore) }?;
    }
    let wanted: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD].into_iter().collect();
    // An inherited "ignore" would keep the children's ends from being reported.
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default disposition runs no code of ours.
    unsafe { sigaction(Signal::SIGCHLD, &default) }?;
    wanted.thread_block()?;
    SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

impl Shim {
    fn write_run_record(&self) {
        let written = process::identify(getpid()).and_then(|shim| {
            let record = RunRecord {
                format: FORMAT,
                shim,
                child: process::identify(self.agent)?,
                started: self.started.clone(),
                manifest: self.digest.clone(),
                launch: self.manifest.launch.clone(),
                invocation: std::env::var("INVOCATION_ID").ok(),
                nonce: Some(self.words.nonce.clone()).filter(|nonce| !nonce.is_empty()),
                keeper: keeper::of_this_shim(),
            };
            records::write_json(&self.manifest.folder, "run.json", &record)
        });
        if let Err(error) = written {
            report(format_args!(
                "{}: {error}: the agent runs, but fleet cannot see what it was started from",
                self.manifest.folder.join("run.json").display()
            ));
        }
    }
}
