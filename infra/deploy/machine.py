"""What the drills share: a machine with HAProxy, Redis and `blue-green` in a folder of its own, a load on it, and the history of that load."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BLUE_GREEN = pathlib.Path(__file__).resolve().parent / "blue-green"
SERVICES = ["memory", "guardrails", "patterns", "orchestrator"]
KEY = "key-of-the-drill-key-of-the-drill-key-of-the-drill"
# Longest wait for anything; the whole drill takes a few times less.
PATIENCE = 120
# A change that another client was faster with is refused, and that is the right answer.
RIGHT_ANSWERS = ["ok", {"failed": {"tool": "version_conflict"}}]


def prove(claim, holds, evidence=""):
    """Prints a proof. Ends the drill if it does not hold."""
    print(f"{'ok  ' if holds else 'FAIL'} {claim}{f': {evidence}' if evidence else ''}", flush=True)
    if not holds:
        raise SystemExit(1)


def programs_of(arguments, document):
    """Returns the folder of the programs, which is the only argument of a drill."""
    if len(arguments) != 2 or arguments[1].startswith("-"):
        print(document.strip(), file=sys.stderr)
        raise SystemExit(64)
    folder = pathlib.Path(arguments[1]).resolve()
    missing = [name for name in ["harness", "liar", *[f"mcp-{service}" for service in SERVICES]] if not os.access(folder / name, os.X_OK)]
    if missing:
        print(f"drill: `{folder}` has no program {', '.join(missing)}\nhint: `make release` builds them", file=sys.stderr)
        raise SystemExit(64)
    return folder


def free_ports(count):
    """Returns ports that were free a moment ago, each another one."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for(condition, process, what):
    """Waits until the condition holds, while the process runs."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"drill: {what}")
        time.sleep(0.05)


class Machine:
    """Use it in a `with`: at the end everything is stopped, and removed if the drill succeeded."""

    def __init__(self, programs, needs_redis=True):
        self.programs, self.needs_redis = programs, needs_redis
        self.bake_seconds, self.drain_seconds = 5, 15
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="drill-"))
        self.settings, self.secrets = self.work / "deploy.toml", self.work / "secrets"
        self.ports = {service: dict(zip(["live", "test", "blue", "green"], free_ports(4), strict=True)) for service in SERVICES}
        (self.redis_port,) = free_ports(1)
        self.secrets.mkdir(mode=0o700)
        (self.secrets / "JWT_SECRET").write_text(KEY)
        self.write_settings()
        self.loads = []
        self.redis = None

    def __enter__(self):
        if not self.needs_redis:
            return self
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.redis_port), "--save", "", "--appendonly", "no", "--dir", str(self.work)]
        with open(self.work / "redis.log", "w") as log:
            self.redis = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(self, kind, *_):
        for load in self.loads:
            if load.poll() is None:
                load.send_signal(signal.SIGINT)
                load.wait(timeout=PATIENCE)
        self.run("stop")
        if self.redis:
            self.redis.terminate()
            self.redis.wait(timeout=PATIENCE)
        if kind is None:
            shutil.rmtree(self.work)
        else:
            print(f"drill: everything that was written is in `{self.work}`", file=sys.stderr)

    def write_settings(self, required="JWT_SECRET"):
        ports = "\n".join(f"{service} = {{ {', '.join(f'{name} = {port}' for name, port in ports.items())} }}" for service, ports in self.ports.items())
        self.settings.write_text(f"""
state = "state"
harness = "{self.programs / 'harness'}"
smoke_seconds = {PATIENCE}
bake_seconds = {self.bake_seconds}
start_seconds = 30
drain_seconds = {self.drain_seconds}
[ports]
{ports}
[data]
folder = "data"
[settings]
REDIS_URL = "redis://127.0.0.1:{self.redis_port}"
RATE_LIMIT_INSTANCES = "2"
# A load reads everything back without a pause at its end.
QUOTA_BURST_PER_SECOND = "100000"
# The time in which a revision that ends is not ready and still answers.
DRAIN_NOTICE_MS = "3000"
# On a busy machine a peer that is late would be a fallback, which is no fault of a deployment.
PEER_DEADLINE_MS = "3000"
WORKFLOW_DEADLINE_MS = "9000"
REDIS_DEADLINE_MS = "5000"
[secrets]
folder = "secrets"
required = ["{required}"]
""")

    def run(self, *command):
        """Runs a command of blue-green. Returns its exit code and what it wrote to stdout and stderr."""
        done = subprocess.run([BLUE_GREEN, self.settings, *command], capture_output=True, text=True, timeout=3 * PATIENCE, check=False)
        self.note(done.stderr)
        return done.returncode, done.stdout, done.stderr

    def note(self, text):
        with open(self.work / "deploy.log", "a") as log:
            log.write(text)

    def status(self):
        return json.loads(self.run("status")[1])

    def revision(self, name, lie=None):
        """Returns a folder with the programs of a revision. With a lie, memory is the liar in front of the real memory."""
        folder = self.work / name
        folder.mkdir()
        for service in SERVICES:
            (folder / f"mcp-{service}").symlink_to(self.programs / f"mcp-{service}")
        if lie:
            memory = folder / "mcp-memory"
            memory.unlink()
            memory.write_text(f"#!/bin/sh\nexec '{self.programs}/liar' --service memory --real '{self.programs}/mcp-memory' --lie {lie}\n")
            memory.chmod(0o755)
        return folder

    def url(self, service):
        return f"http://127.0.0.1:{self.ports[service]['live']}"

    def load(self, seconds, key=KEY):
        """Starts a load on all four services through HAProxy, and waits until its calls arrive."""
        number, before = len(self.loads), self.calls()
        runs = self.work / f"load-{number}"
        command = [self.programs / "harness", "load", "smoke", "--think-time", "100ms", "--duration", f"{seconds}s",
                   # A seed of its own, so that no load meets the organisations of an earlier one in the same database.
                   "--seed", str(7 + number), "--threshold", "error_rate<0.1%", "--runs", runs]
        for service in SERVICES:
            command += ["--url", f"{service}={self.url(service)}"]
        with open(self.work / f"load-{number}.log", "w") as log:
            load = subprocess.Popen(command, env=os.environ | {"JWT_SECRET": key}, cwd=self.work, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.loads.append(load)
        # By the proxy: the harness writes its history in blocks of many seconds.
        wait_for(lambda: self.calls() > before + 100, load, f"the load does not run; see `{self.work}/load-{number}.log`")
        return load

    def calls(self):
        """Returns the number of calls of clients so far."""
        return sum(self.status()["calls"].values())

    def history(self, number=0):
        """Returns the calls of a load that has ended."""
        return [json.loads(line) for file in sorted(self.work.glob(f"load-{number}/*/history.jsonl*")) for line in file.read_text().splitlines()]

    def prove_load(self, number=0):
        """Waits for the end of a load, and proves that none of its calls failed. Returns its calls."""
        load = self.loads[number]
        load.wait(timeout=3 * PATIENCE)
        calls, log = self.history(number), (self.work / f"load-{number}.log").read_text()
        failed = [call for call in calls if call["outcome"] not in RIGHT_ANSWERS]
        prove("no call of the load failed", len(calls) > 500 and not failed, json.dumps(failed[:3]) if failed else f"{len(calls)} calls")
        prove("and the harness judges it as pass: nothing lost, leaked or stale", load.returncode == 0,
              log.strip().splitlines()[-1] if load.returncode == 0 else log)
        return calls

    def organisations_in_log(self, slot):
        """Returns the organisations in the log lines of a revision."""
        names = set()
        for file in (self.work / "state" / slot).glob("*.log"):
            for line in file.read_text(errors="replace").splitlines():
                with contextlib.suppress(json.JSONDecodeError, AttributeError):
                    names.add(json.loads(line).get("orgId"))
        return names - {None, ""}
