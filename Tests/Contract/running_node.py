"""A real `convoy serve` for a test: its own directory, a free port, ended by its own process id."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import requests

BINARY = os.environ.get("CONVOY_BINARY")
START_SECONDS = 20
STOP_SECONDS = 5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
                response = requests.get(f"{self.url}/readyz", timeout=1)
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
        answer = requests.post(f"{self.url}/v1/tokens", json={"scopes": scopes}, timeout=5)
        assert answer.status_code == 201, answer.text
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
