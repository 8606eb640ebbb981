"""What is measured: servers as processes of their own on the first processor, stopped by their own ids."""

import http.client
import json
import os
import socket
import subprocess
import time
from pathlib import Path

SERVER_CORE = "0"
LOAD_CORE = "1"
PATIENCE = 30.0
PASSWORD = "a walk through the wet garden"
TICK = os.sysconf("SC_CLK_TCK")


class Trouble(Exception):
    """Something does not answer as it has to, or not at all."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(more: dict[str, str]) -> dict[str, str]:
    """This environment without settings of ours."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    return own | more


def ask(port, path, *, method="GET", headers=None, body=None):
    """One request on a connection of its own: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        headers = dict(headers or {})
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def want(status, port, path, **request):
    """The same, where only this status will do."""
    found, headers, body = ask(port, path, **request)
    if found != status:
        raise Trouble(f"{path} answered {found} in place of {status}: {body[:200]!r}")
    return headers, body


class Server:
    """A running server; `with` stops it."""

    def __init__(self, name, command, log: Path, env=None, cwd=None, ready="/posts"):
        self.name = name
        self.port = free_port()
        command = [part.replace("{port}", str(self.port)) for part in command]
        env = environment({"PORT": str(self.port)} | (env or {}))
        self.log = log
        begun = time.monotonic()
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                ["taskset", "--cpu-list", SERVER_CORE, *command],
                env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )
        try:
            self._wait(ready)
        except BaseException:
            self.stop()
            raise
        self.start_ms = (time.monotonic() - begun) * 1e3

    def _wait(self, path):
        """Returns with the first answer, whatever it is."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                ask(self.port, path)
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    said = self.log.read_text(errors="replace")[-2000:]
                    raise Trouble(f"{self.name} did not start: {said}") from None
                time.sleep(0.001)

    def cpu(self) -> float:
        """Seconds of processor time that it has used, all threads together."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self) -> float:
        """Resident memory, in MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise Trouble(f"{self.name} has no memory")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def sign_in(server: Server):
    """An account, its token and its session cookie, as headers."""
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    account = credentials | {"name": "Ada Lovelace"}
    want(201, server.port, "/register", method="POST", body=account)
    _, body = want(200, server.port, "/login", method="POST", body=credentials)
    token = json.loads(body)["access_token"]
    headers, _ = want(200, server.port, "/login/session", method="POST", body=credentials)
    cookie = headers["Set-Cookie"].split(";")[0]
    return {"Authorization": f"Bearer {token}"}, {"Cookie": cookie}


def tampered(credential: dict[str, str]) -> dict[str, str]:
    """The same credential with one character changed."""
    ((name, value),) = credential.items()
    at = len(value) - 9
    other = "A" if value[at] != "A" else "B"
    return {name: value[:at] + other + value[at + 1 :]}
