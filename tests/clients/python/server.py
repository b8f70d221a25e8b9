"""Starts the built server for a suite: its own data folder, its own port, clients and people made by the command line."""

import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("TEST_BINARY", str(HERE.parents[2] / "target/debug/keywright"))


def free_port() -> int:
    """A port at which nobody listens, below those that the system gives away: one that it gave to us and took back it may
    give to somebody else before the program that is told of it listens there."""
    while True:
        with socket.socket() as probe:
            port = random.randrange(20000, 32000)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    def __init__(self, clients: dict, people: dict, environment: dict | None = None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keywright-clients-"))
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        self.config = self.folder / "keywright.toml"
        text = (HERE.parent / "keywright.toml").read_text()
        self.config.touch(mode=0o600)
        self.config.write_text(text.replace("{port}", str(port)).replace("{folder}", str(self.folder)))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **(environment or {})}
        self.cli("migrate")
        self.clients = {}
        for name, metadata in clients.items():
            given = json.dumps({"client_name": name, **metadata})
            self.clients[name] = self.cli("client", "add", "--metadata", "-", stdin=given)
        for name, password in people.items():
            self.cli("user", "add", name, "--password-stdin", stdin=password + "\n")
        self.log = open(self.folder / "server.log", "w")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--config", self.config], env=self.env, stdout=self.log, stderr=self.log
        )
        self._wait()

    def cli(self, *args: str, stdin: str = ""):
        """Runs the command line to its end and returns what it printed, as JSON."""
        done = subprocess.run(
            [BINARY, *args, "--config", self.config, "-o", "json"],
            input=stdin, capture_output=True, text=True, env=self.env, timeout=300,
        )
        if done.returncode != 0:
            raise RuntimeError(f"keywright {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def _wait(self):
        for _ in range(2400):
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.issuer}/readyz", timeout=2)
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        log = (self.folder / "server.log").read_text()
        self.stop()
        raise RuntimeError(f"the server did not become ready:\n{log}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
