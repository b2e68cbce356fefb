"""An agent for tests: raw terminal, an input line at the bottom, and faults on demand.

usage: agent.py [fault ...]. What it was sent goes to the file `got`, one JSON string a line.
"""
import json, os, select, signal, subprocess, sys, termios, time, tty

faults = dict((word.split("=", 1) + ["1"])[:2] for word in sys.argv[1:])
out = lambda text: os.write(1, text.encode())
columns, rows = os.get_terminal_size()
said, draft, pasting, pending = [], "", False, b""
swallow = int(faults.get("swallow", "0"))
busy_until, queued, question, beats = 0.0, [], "", 0


def beat(state):
    global beats
    beats += 1
    folder = os.environ["FLEET_AGENT_DIR"]
    nonce = "another run's" if "stranger" in faults else os.environ["FLEET_RUN_NONCE"]
    with open(folder + "/heartbeat.tmp", "w") as file:
        json.dump({"format": 1, "ts": int(time.time() * 1000), "pid": os.getpid(), "nonce": nonce, "state": state, "progress": beats}, file)
    os.rename(folder + "/heartbeat.tmp", folder + "/heartbeat")


def draw():
    if "blind" in faults:
        return
    lines = said[-(rows - 3):]
    shown = draft.replace("\n", "⏎")
    if "placeholder" in faults and len(shown) > 40:
        shown = "[Pasted text #1]"
    bottom = "* working" if time.time() < busy_until else ("? " + question if question else "ready")
    body = "".join(f"\x1b[{n + 1};1H{line}\x1b[K" for n, line in enumerate(lines))
    out(f"{body}\x1b[{rows - 1};1H{bottom}\x1b[K\x1b[{rows};1H> {shown or 'Ask me anything'}\x1b[K")


def submit(text):
    global busy_until
    if time.time() < busy_until and "busy" in faults:
        queued.append(text)
        said.append("queued: " + text)
        if "other" in faults:
            # At this very moment it takes up another message, which waited before.
            beat("prompt-submitted")
        return
    with open("got", "a") as file:
        file.write(json.dumps(text) + "\n")
    said.append("got: " + text)
    if "hook" in faults:
        beat("prompt-submitted")
    if "say" in faults:
        # Its prompt hook, and at once another one, as when a turn begins with a tool.
        for state in ("prompt-submitted", "tool"):
            subprocess.run([faults["say"], "heartbeat", "--state", state], stdin=subprocess.DEVNULL)
    if "busy" in faults:
        busy_until = time.time() + float(faults["busy"])


def key(char):
    global draft, swallow
    if char == "\r":
        if "deaf" in faults or swallow > 0:
            swallow -= 1
        elif draft == "/quit":
            out("\x1b[2J\x1b[Hbye\r\n")
            sys.exit(0)
        elif draft:
            text, draft = draft, ""
            submit(text)
    elif char == "\x7f":
        draft = draft[:-1]
    elif char == "\x15":
        draft = ""
    elif char >= " " or pasting:
        draft += char


def feed(data):
    global pending, pasting, question
    pending += data
    while pending:
        if pending.startswith(b"\x1b[200~"):
            pasting, pending = True, pending[6:]
            if "dialog" in faults:
                question = "Trust this folder?"
        elif pending.startswith(b"\x1b[201~"):
            pasting, pending = False, pending[6:]
        elif pending[:1] == b"\x1b" and len(pending) < 6:
            return
        else:
            size = 1 if pending[0] < 0x80 else 2 if pending[0] < 0xe0 else 3 if pending[0] < 0xf0 else 4
            if len(pending) < size:
                return
            char, pending = pending[:size].decode(), pending[size:]
            key(char)


if "term" in faults:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(faults["term"])))
tty.setraw(0)
if "plain" not in faults:
    out("\x1b[?2004h")
if "hook" in faults:
    beat("started")
if "ask" in faults:
    question = "Trust this folder?"
time.sleep(float(faults.get("late", "0")))
if "late" in faults:
    out("READY\r\n")
draw()
if "startbusy" in faults:
    busy_until = time.time() + float(faults["startbusy"])
    faults["busy"] = "0"
    draw()
while True:
    left = busy_until - time.time()
    waiting, _, _ = select.select([0], [], [], 0.1 if left > 0 else None)
    if waiting:
        data = os.read(0, 65536)
        if not data:
            break
        feed(data)
    if queued and time.time() >= busy_until:
        text = queued.pop(0)
        with open("got", "a") as file:
            file.write(json.dumps(text) + "\n")
        said.append("got: " + text)
    draw()
