"""One measurement: wrk on the second processor, and what the server used meanwhile."""

import re
import subprocess

from servers import LOAD_CORE, Trouble, tampered, want

CONNECTIONS = 64
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class Route:
    """A route of a server, with which credential it is asked, and whether it looks at it."""

    def __init__(self, key, server, path="/posts", credential=None, is_guarded=True):
        self.key, self.server, self.path, self.credential = key, server, path, credential
        self.is_guarded = is_guarded and credential is not None

    def check(self, expected: bytes):
        """It answers with the posts, byte for byte, and refuses a credential that was changed, or none."""
        port = self.server.port
        headers = self.credential or {}
        _, body = want(200, port, self.path, headers=headers)
        if body != expected:
            raise Trouble(f"{self.key} answered with something else: {body[:300]!r}")
        if self.is_guarded:
            want(401, port, self.path, headers=tampered(self.credential))
            want(401, port, self.path)

    def measure(self, seconds: int) -> dict[str, float]:
        """Requests a second, processor time of each, and latencies."""
        headers = []
        for name, value in (self.credential or {}).items():
            headers += ["-H", f"{name}: {value}"]
        command = ["taskset", "--cpu-list", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}"]
        command += [f"-d{seconds}s", "--timeout", "30s", "--latency", *headers]
        command.append(f"http://127.0.0.1:{self.server.port}{self.path}")
        # On a machine that does much else it may come to nothing, once.
        for _ in range(2):
            before = self.server.cpu()
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds + 60, check=False
            )
            used = self.server.cpu() - before
            if ran.returncode:
                raise Trouble(f"wrk: {ran.stderr or ran.stdout}")
            if found := parse(ran.stdout, used):
                return found
        raise Trouble(f"{self.key} answered nothing in {seconds} s")


def parse(text: str, used: float) -> dict[str, float] | None:
    """What wrk printed; nothing when there was no answer."""
    if "Non-2xx" in text or "Socket errors" in text:
        raise Trouble(f"not every request was answered as it has to be:\n{text}")
    total = re.search(r"(\d+) requests in ([\d.]+)(m?s|m),", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not total or not rate:
        raise Trouble(f"wrk said:\n{text}")
    if int(total[1]) == 0:
        return None
    requests, elapsed = int(total[1]), float(total[2]) * UNITS[total[3]] / 1e3
    latency = {}
    for percent in (50, 99):
        found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.M)
        if not found:
            raise Trouble(f"wrk said:\n{text}")
        latency[f"p{percent}"] = float(found[1]) * UNITS[found[2]]
    return {
        "rate": float(rate[1]), "cpu": used / requests * 1e6, "busy": used / elapsed, **latency
    }
