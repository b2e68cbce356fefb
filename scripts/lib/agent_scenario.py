"""One agent CLI under fleet, from an empty folder to a destroyed fleet. Started by scripts/test-agents.

Every wait is for a condition, with a deadline. Only processes that this run started are ended, by their ids.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time

LONG = 90.0
KEY = "sk-ant-stub"
MODEL = {"claude": "sonnet", "codex": "stub-2", "opencode": "stub/stub-2"}
# A CLI whose hooks fleet may set says itself that a prompt arrived.
OUTCOME = {"claude": "confirmed", "codex": "submitted", "opencode": "submitted"}
SEEN_MODEL = {"claude": r"claude-sonnet-", "codex": r"^stub-2$", "opencode": r"^stub-2$"}


class Failed(Exception):
    """A step did not do what it should."""


def wait_for(what, condition, seconds=LONG):
    """The first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"never happened in {seconds:.0f} s: {what}")
        time.sleep(0.1)


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait_for(f"process {pid} is gone", lambda: not alive(pid))


class Run:
    def __init__(self, options):
        self.cli, self.manager, self.base = options.cli, options.manager, options.base
        self.stage = options.stage
        self.home = os.path.join(self.base, "home")
        self.project = os.path.join(self.base, "project")
        self.fleet_id = "t" + self.cli
        self.env = dict(os.environ)
        cli_bin = os.path.join(self.stage, "agents", self.cli, "node_modules", ".bin")
        node = os.path.dirname(subprocess.check_output(["sh", "-c", "command -v node"], text=True).strip())
        self.env.update(
            HOME=self.home,
            XDG_CONFIG_HOME=f"{self.home}/.config",
            XDG_STATE_HOME=f"{self.home}/.local/state",
            XDG_DATA_HOME=f"{self.home}/.local/share",
            XDG_CACHE_HOME=f"{self.home}/.cache",
            XDG_RUNTIME_DIR=f"{self.base}/run",
            PATH=":".join([cli_bin, node, "/usr/local/bin", "/usr/bin", "/bin"]),
            LANG="C.UTF-8",
            TERM="xterm-256color",
        )
        for name in ("TMUX", "TMUX_PANE", "FLEET_FILE"):
            self.env.pop(name, None)
        if self.manager == "local":
            self.env.pop("DBUS_SESSION_BUS_ADDRESS", None)
        for folder in (self.home, self.project, self.env["XDG_RUNTIME_DIR"]):
            os.makedirs(folder, exist_ok=True)
        os.chmod(self.env["XDG_RUNTIME_DIR"], 0o700)
        self.stub = None
        self.tmux_server = f"fleetagents-{os.getpid()}"

    # --- tools

    def fleet(self, *words, status=0, timeout=180):
        """Runs fleet in the project; fails on another exit status."""
        command = [f"{self.stage}/bin/fleet", *words]
        done = subprocess.run(
            command, cwd=self.project, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )
        allowed = (status,) if isinstance(status, int) else status
        if done.returncode not in allowed:
            raise Failed(f"`fleet {' '.join(words)}` ended with {done.returncode}, not {status}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def agents(self):
        status = json.loads(self.fleet("status", "--json", status=(0, 1)))
        assert status["format"] == 1, status
        return {agent["name"]: agent for agent in status["agents"]}

    def wait_state(self, name, *states, seconds=LONG):
        last = {}

        def there():
            last.update(self.agents()[name])
            return last["state"] in states and last

        try:
            return wait_for(f"{name} is {' or '.join(states)}", there, seconds)
        except Failed as failed:
            raise Failed(f"{failed}; it is {last.get('state')} ({last.get('reason')})\n{self.screen(name)}") from None

    def screen(self, name):
        return self.fleet("screen", name, status=(0, 1))

    def agent_pid(self, name):
        """The agent's own process: the shim's record of its run."""
        path = f"{self.home}/.local/state/fleet/{self.fleet_id}/agents/{name}/run.json"
        try:
            with open(path) as file:
                return json.load(file)["child"]["pid"]
        except (OSError, ValueError):
            return None

    def tmux(self, *words):
        return subprocess.run(
            ["tmux", "-L", self.tmux_server, "-f", "/dev/null", *words],
            env=self.env, cwd=self.project, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
        ).stdout

    def pane(self):
        return self.tmux("capture-pane", "-p", "-t", "=view:")

    def requests(self):
        with open(f"{self.base}/requests.jsonl") as file:
            return [json.loads(line) for line in file]

    def step(self, text):
        print(f"   {time.monotonic() - self.began:5.1f} s  {text}", flush=True)

    # --- what a login of the CLI's would have left

    def start_stub(self):
        self.stub = subprocess.Popen(
            [sys.executable, f"{self.stage}/lib/llm_stub.py", "--port", "0", "--log", f"{self.base}/requests.jsonl"],
            stdout=subprocess.PIPE, text=True,
        )
        self.url = "http://" + self.stub.stdout.readline().split()[-1]

    def write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def log_in(self):
        if self.cli == "codex":
            # Without trust for the folder: fleet's own flag has to give it.
            self.write(
                f"{self.home}/.codex/config.toml",
                'model = "stub-1"\nmodel_provider = "stub"\ncheck_for_update_on_startup = false\n'
                f'[model_providers.stub]\nname = "stub"\nbase_url = "{self.url}/v1"\nenv_key = "STUB_KEY"\n'
                'wire_api = "responses"\nrequest_max_retries = 1\nstream_max_retries = 1\n',
            )
        elif self.cli == "opencode":
            provider = {
                "npm": "@ai-sdk/openai-compatible",
                "options": {"baseURL": f"{self.url}/v1", "apiKey": "x"},
                "models": {"stub-1": {}, "stub-2": {}},
            }
            config = {"$schema": "https://opencode.ai/config.json", "model": "stub/stub-1", "small_model": "stub/stub-1", "share": "disabled", "provider": {"stub": provider}}
            self.write(f"{self.home}/.config/opencode/opencode.json", json.dumps(config))
        else:
            # Logged in, but never yet in this folder: its question is for a person.
            config = {"hasCompletedOnboarding": True, "customApiKeyResponses": {"approved": [KEY], "rejected": []}}
            self.write(f"{self.home}/.claude.json", json.dumps(config))
        self.before = self.config_text()

    def config_path(self):
        return {
            "codex": f"{self.home}/.codex/config.toml",
            "opencode": f"{self.home}/.config/opencode/opencode.json",
            "claude": f"{self.home}/.claude.json",
        }[self.cli]

    def config_text(self):
        with open(self.config_path()) as file:
            return file.read()

    def settings(self):
        """What the roster has to say for the stub."""
        if self.cli == "codex":
            self.write(f"{self.base}/key", KEY)
            return f'    secret "STUB_KEY" from="file:{self.base}/key" as="env"\n'
        if self.cli == "claude":
            self.write(f"{self.base}/key", KEY)
            return (
                f'    env "ANTHROPIC_BASE_URL" "{self.url}"\n'
                f'    secret "ANTHROPIC_API_KEY" from="file:{self.base}/key" as="env"\n'
            )
        return ""

    # --- the scenario

    def edit(self, pattern, replacement):
        path = f"{self.project}/fleet.kdl"
        with open(path) as file:
            text = file.read()
        edited, count = re.subn(pattern, replacement, text, count=1, flags=re.M)
        if count != 1:
            raise Failed(f"the roster has no place for {replacement!r}:\n{text}")
        with open(path, "w") as file:
            file.write(edited)

    def answer_trust_dialog(self):
        """What a person does once: attach, choose, leave."""
        state = self.wait_state("lead", "waiting-for-human")
        self.step(f"lead waits for a person: {state['reason']}")
        said = self.fleet("send", "lead", "into the dialog")
        message = re.search(r"\bm-[0-9a-f]+", self.fleet("messages", "lead"))
        if not said.startswith("queued") or not message:
            raise Failed(f"a message into a dialog: {said!r}")
        self.fleet("messages", "--cancel", message[0])
        self.step("a message into the dialog waits, and is taken back")
        for name in ("lead", "coder-1", "coder-2"):
            self.wait_state(name, "waiting-for-human", "idle")
            if self.agents()[name]["state"] == "idle":
                continue
            self.attach(name)
            wait_for("the question in tmux", lambda: "Yes, I trust this folder" in self.pane())
            self.tmux("send-keys", "-t", "=view:", "Down")
            wait_for("the second answer is chosen", lambda: re.search(r"❯ Yes, I trust this folder", self.pane()))
            self.tmux("send-keys", "-t", "=view:", "Enter")
            wait_for("the input line in tmux", lambda: re.search(r"^❯", self.pane(), re.M) and "trust this" not in self.pane())
            self.detach(name)

    def attach(self, name):
        self.tmux("new-session", "-d", "-s", "view", "-x", "120", "-y", "40", f"{self.stage}/bin/fleet", "attach", name)
        # Before it draws, it may print a notice, with words of the agent's screen; what is typed then is thrown away.
        wait_for("the attached pane draws", lambda: self.pane().strip() and "unread notice" not in self.pane())

    def detach(self, name):
        before = self.agent_pid(name)
        self.tmux("send-keys", "-t", "=view:", "C-\\")
        wait_for("the viewer has left", lambda: "view" not in self.tmux("list-sessions"))
        if not alive(before) or self.agent_pid(name) != before:
            raise Failed(f"{name} did not survive its viewer")

    def send(self, name, text, reply):
        """Sends, and expects an outcome that counts as delivered, and the answer on the screen."""
        self.wait_state(name, "idle")
        said = self.fleet("send", name, f"{text} [[stub:say={reply}]]", status=0).strip()
        if not re.match(OUTCOME[self.cli], said):
            raise Failed(f"the outcome is {said!r}")
        wait_for(f"{reply!r} on the screen of {name}", lambda: re.search(rf"^\W{{0,8}}{reply}", self.screen(name), re.M))
        self.step(f"{name}: {said.splitlines()[0]}; the answer is on its screen")

    def check_request(self, text, model=None):
        """The role text and the model reached the provider."""
        def asked():
            # A hidden request for a title carries the same words, and no role text.
            requests = [request for request in self.requests() if text in request.get("user", "")]
            return [request for request in requests if re.search("(in|of) this fleet", request["system"])]

        asked = wait_for(f"a request with {text!r} and a role text", asked, 20)
        if model and not re.search(model, asked[-1]["model"]):
            raise Failed(f"the model asked is {asked[-1]['model']}, not {model}")
        self.step(f"the request named the model {asked[-1]['model']} and held the role text")

    def run(self):
        self.began = time.monotonic()
        self.start_stub()
        self.log_in()
        subprocess.run(["git", "init", "-q", self.project], check=True, env=self.env)
        self.fleet("init", "--profile", "coding", "--id", self.fleet_id)
        # Light enough for a small machine: the reviewer stays in the roster and is not started.
        self.edit(r'^(agent "reviewer" \{)$', r"\1\n    autostart #false")
        self.edit(r"^(defaults \{)$", lambda found: f"{found.group(1)}\n{self.settings()}")
        self.fleet("validate")
        self.fleet("plan", "--manager", self.manager, "--detailed-exitcode", status=2)
        self.fleet("apply", "--manager", self.manager, "--yes")
        self.fleet("plan", "--detailed-exitcode", status=0)
        self.step("applied, and the plan is empty")
        if self.cli == "claude":
            self.answer_trust_dialog()
        for name in ("lead", "coder-1", "coder-2"):
            self.wait_state(name, "idle")
        self.step("lead and both coders are idle")

        self.send("lead", "hello from the first test", "ANSWER-ONE")
        self.check_request("hello from the first test")
        self.send("lead", "a long one " + "x" * 1500, "ANSWER-TWO")
        self.send("lead", "three\nlines of\ntext", "ANSWER-THREE")

        self.attach("lead")
        wait_for("the answer in tmux", lambda: "ANSWER-THREE" in self.pane())
        self.detach("lead")
        self.wait_state("lead", "idle")
        self.step("attached and left; lead goes on")

        self.change_model()
        self.kill_things()
        if self.cli == "claude":
            self.own_words()
        # The other two write into theirs.
        if self.cli == "opencode" and self.config_text() != self.before:
            raise Failed(f"{self.config_path()} was changed")
        self.destroy()

    def word(self, name):
        """What the agent's hooks said last, and the notes that wait to be read."""
        folder = f"{self.home}/.local/state/fleet/{self.fleet_id}/agents/{name}"
        try:
            with open(f"{folder}/heartbeat") as file:
                word = json.load(file)
        except (OSError, ValueError):
            return {}, []
        notes = []
        if os.path.isdir(f"{folder}/reports"):
            for kept in sorted(os.listdir(f"{folder}/reports")):
                with open(f"{folder}/reports/{kept}") as file:
                    notes.append(json.load(file).get("note"))
        return word, notes

    def own_words(self):
        """Every state that the hooks can say."""
        def said(state, event):
            there = lambda: (lambda word: word.get("state") == state and word.get("event") == event)(self.word("lead")[0])
            try:
                wait_for(f"lead's hook {event} says {state}", there)
            except Failed as failed:
                raise Failed(f"{failed}; it says {self.word('lead')}, and shows:\n{self.fleet('screen', 'lead')}") from None
            return self.word("lead")

        word, _ = said("idle", "Stop")
        if not word.get("session") or word["progress"] < 3:
            raise Failed(f"a word without its conversation or its progress: {word}")
        self.fleet("send", "lead", "say it [[stub:run=fleet report done --note the-stub-says-so]]", status=0)
        # It waits in the agent's folder until the supervisor has taken it down.
        kept = lambda: "done: the-stub-says-so" in self.fleet("events", "--all", "--agent", "lead")
        told = lambda: "the-stub-says-so" in self.word("lead")[1] or kept()
        wait_for("the agent's own report, without a question", told)
        said("idle", "Stop")
        self.wait_state("lead", "idle")
        self.fleet("send", "lead", "run it [[stub:run=touch made-by-the-stub]]", status=0)
        said("waiting", "PermissionRequest")
        self.wait_state("lead", "waiting-for-human")
        self.attach("lead")
        # As with the first dialog: what is chosen shows that it takes keys. An Enter right after it was drawn was passed over.
        wait_for("the question in tmux", lambda: "1. Yes" in self.pane())
        for key, chosen in [("Down", "2"), ("Up", "1")]:
            self.tmux("send-keys", "-t", "=view:", key)
            wait_for(f"answer {chosen} is chosen", lambda: re.search(rf"❯ {chosen}\. Yes", self.pane()))
        self.tmux("send-keys", "-t", "=view:", "Enter")
        said("idle", "Stop")
        self.detach("lead")
        if not os.path.exists(f"{self.project}/made-by-the-stub"):
            raise Failed("the command was agreed to and did not run")
        self.wait_state("lead", "idle")
        self.fleet("send", "lead", "fail it [[stub:fail=budget]]", status=0)
        said("blocked", "StopFailure")
        why = lambda: re.search(r"blocked: .*billing_error.*", self.fleet("events", "--all", "--agent", "lead"))
        wait_for("the journal's word on why it is blocked", why)
        self.step(f"lead's hooks said idle, waiting, idle, blocked; kept: {why()[0]!r}")

    def change_model(self):
        before = {name: self.agent_pid(name) for name in ("lead", "coder-1", "coder-2")}
        model = MODEL[self.cli]
        self.edit(r'^(    role "coder")$', rf'\1\n    runtime "{self.cli}" model="{model}"')
        plan = self.fleet("plan", "--detailed-exitcode", status=2)
        if "coder-1" not in plan or "restart" not in plan or re.search(r"\blead\b.*restart", plan):
            raise Failed(f"the plan does not say who restarts:\n{plan}")
        self.fleet("apply", "--restart=now", "--yes")
        self.fleet("plan", "--detailed-exitcode", status=0)
        after = {name: self.agent_pid(name) for name in before}
        if after["lead"] != before["lead"] or after["coder-1"] == before["coder-1"] or after["coder-2"] == before["coder-2"]:
            raise Failed(f"restarted were the wrong ones: {before} -> {after}")
        self.step("the model of the coders changed: both restarted, lead did not, and the plan is empty")
        self.send("coder-1", "hello to the coder", "ANSWER-FOUR")
        self.check_request("hello to the coder", SEEN_MODEL[self.cli])

    def kill_things(self):
        self.attach("lead")
        lead = self.agent_pid("lead")
        server = int(self.tmux("display-message", "-p", "#{pid}").strip())
        kill(server)
        if self.agent_pid("lead") != lead or not alive(lead):
            raise Failed("lead died with the tmux server")
        self.send("lead", "after tmux was killed", "ANSWER-FIVE")

        agent, shim = self.agent_pid("coder-1"), self.agents()["coder-1"]["pid"]
        kill(agent)
        wait_for("the shim ends after its agent", lambda: not alive(shim))
        self.come_back("coder-1", agent, "the agent was killed")

        agent, shim = self.agent_pid("coder-2"), self.agents()["coder-2"]["pid"]
        kill(shim)
        wait_for("the agent ends with its shim", lambda: not alive(agent))
        self.come_back("coder-2", agent, "the shim was killed")

    def come_back(self, name, old, why):
        """By itself under systemd after its delay; under the local manager when told."""
        state = wait_for(
            f"{name} is seen down or up again",
            lambda: (lambda a: a["state"] in ("stopped", "backing-off") or self.agent_pid(name) not in (None, old) and a)(self.agents()[name])
            and self.agents()[name],
        )
        told = f"{state['state']} ({state['reason']})"
        if self.manager == "local":
            self.fleet("apply", "--yes")
        wait_for(f"{name} runs again", lambda: (self.agent_pid(name) or old) != old and alive(self.agent_pid(name)))
        self.wait_state(name, "idle")
        self.step(f"{name}: {why}; it was {told}, and is idle again")

    def destroy(self):
        pids = [self.agent_pid(name) for name in ("lead", "coder-1", "coder-2")]
        pids += [agent["pid"] for agent in self.agents().values() if agent["pid"]]
        self.fleet("destroy", "--yes")
        for pid in pids:
            wait_for(f"process {pid} is gone", lambda pid=pid: not alive(pid), 30)
        left = self.left_processes()
        if left:
            raise Failed(f"processes are left: {left}")
        paths = []
        for top in (self.home, self.env["XDG_RUNTIME_DIR"], self.project):
            for folder, folders, files in os.walk(top):
                paths += [os.path.join(folder, name) for name in folders + files if "fleet" in os.path.join(folder, name)[len(top):]]
        # The user's roster stays, and what the CLI itself wrote about a folder or a name is its own.
        paths = [path for path in paths if path != f"{self.project}/fleet.kdl" and not self.is_the_clis_own(path)]
        if paths:
            raise Failed(f"files are left: {paths}")
        if self.manager == "systemd":
            units = subprocess.run(
                ["systemctl", "--user", "list-units", "--all", "--plain", "--no-legend", "fleet-*"],
                env=self.env, capture_output=True, text=True, timeout=30,
            ).stdout.strip()
            if units:
                raise Failed(f"units are left:\n{units}")
        self.step("destroyed; no process, unit or file of fleet's is left")

    def is_the_clis_own(self, path):
        own = {"codex": [".codex"], "claude": [".claude", ".claude.json"], "opencode": [".config/opencode", ".local/share/opencode", ".local/state/opencode", ".cache/opencode"]}
        return any(path.startswith(os.path.join(self.home, folder)) for folder in own[self.cli])

    def left_processes(self):
        """Processes that carry this fleet's mark."""
        found = []
        mark, home = f"FLEET_ID={self.fleet_id}".encode(), f"HOME={self.home}".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    variables = file.read().split(b"\0")
                with open(f"/proc/{pid}/cmdline") as file:
                    command = file.read().replace("\0", " ")
            except OSError:
                continue
            if mark in variables and home in variables and alive(pid):
                found.append((int(pid), command))
        return found

    def end(self):
        """After a failure: the fleet, what it left, our tmux server and our stub."""
        if self.tmux("list-sessions"):
            self.tmux("kill-server")
        subprocess.run(
            [f"{self.stage}/bin/fleet", "destroy", "--yes"],
            cwd=self.project, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
        )
        for pid, _ in self.left_processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.stub:
            self.stub.kill()
            self.stub.wait()


def main():
    arguments = argparse.ArgumentParser()
    for name in ("cli", "manager", "base", "stage"):
        arguments.add_argument(f"--{name}", required=True)
    run = Run(arguments.parse_args())
    try:
        run.run()
        return 0
    except (Failed, AssertionError, subprocess.TimeoutExpired) as failed:
        print(f"   FAILED: {failed}", flush=True)
        return 1
    finally:
        run.end()


if __name__ == "__main__":
    sys.exit(main())
