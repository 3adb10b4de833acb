"""A real `convoy serve` for a test: its own directory, a free port, ended by its own process id."""

import itertools
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import requests

BINARY = os.environ.get("CONVOY_BINARY")
START_SECONDS = 60
STOP_SECONDS = 5
# Within which any request is answered, on a machine that is busy or stands still for seconds.
ANSWER_SECONDS = 60

# Below those that the kernel takes for outgoing connections: one of these could sit on a node's port before the
# node does, or while it is down. As FreePort.swift.
PORTS = range(12_000, 32_000)
untried_ports = itertools.islice(itertools.cycle(PORTS), os.getpid() % 199 * 100, None)


def free_port():
    """A port that could be bound just now, and that this process was not given before."""
    for port in itertools.islice(untried_ports, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port in {PORTS}")


class RunningNode:
    """Use it in a `with`; `kill` and `start` again keep data, name and port."""

    def __init__(self, name="n1"):
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self._directory = tempfile.TemporaryDirectory(prefix=f"convoy-{name}-")
        self._log = Path(self._directory.name, "stderr.log")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self._directory.cleanup()

    def start(self):
        # Every flag can also come from CONVOY_…: what the caller has set must not leak into the node.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CONVOY_")}
        command = [
            BINARY, "serve", "--name", self.name,
            "--data", str(Path(self._directory.name, "data")), "--http", f"127.0.0.1:{self.port}",
        ]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self._wait_until_ready()

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS
        answer = "no answer"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                response = requests.get(f"{self.url}/readyz", timeout=5)
                if response.status_code == 200:
                    return
                answer = response.text
            except requests.RequestException as error:
                answer = str(error)
            time.sleep(0.05)
        code = self.process.poll()
        self.stop()
        raise AssertionError(f"{self.name} is not ready (exit code {code}): {answer}\n{self.log_tail()}")

    def close_to_strangers(self):
        """Makes the first admin token, with every scope, and answers it: from now on a token is needed."""
        scopes = ["cluster:read", "topology:write", "topology:force", "namespaces:write", "tokens:admin"]
        answer = requests.post(f"{self.url}/v1/tokens", json={"scopes": scopes}, timeout=ANSWER_SECONDS)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def add(self, other, **more):
        """Takes another node in as a replica, and answers the operation. One that is silent for 3 s is looked at anew."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            answer = requests.post(
                f"{self.url}/v1/nodes", json={"address": other.url, **more}, timeout=ANSWER_SECONDS)
            if answer.status_code != 502 or time.monotonic() >= deadline:
                break
        assert answer.status_code == 202, answer.text
        return answer.json()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a crash: nothing is flushed, nobody is told."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if not self.is_running():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_tail(self, lines=40):
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
