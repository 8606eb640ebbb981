"""Three instances behind nginx, under load: each is killed, each is restarted, one signs somebody out.

    three.py ADDRESS EMAIL

The password is in the variable PASSWORD. The tokens that were used are written to `tokens` beside this file. It runs as root
on the machine of the services. Exit code: 0 all as promised, 1 not.
"""

import json
import os
import pathlib
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from types import TracebackType

UNITS = {8000: "countersign", 8001: "countersign@8001", 8002: "countersign@8002"}
THREADS = 4
PAUSE = 0.01  # seconds between two requests of a thread
UNTIL_ASKED = 2  # seconds after which nginx asks one again: fail_timeout of the guide, and one
MOST = 60  # seconds that a load may last, whatever happens
TOKENS = pathlib.Path(__file__).with_name("tokens")
NGINX_ERRORS = pathlib.Path("/var/log/nginx/error.log")
TRUST = ssl.create_default_context()

ADDRESS, EMAIL = sys.argv[1:]
HOST = ADDRESS.removeprefix("https://")
ACCOUNT = {"email": EMAIL, "password": os.environ["PASSWORD"]}


def ask(
    connection: HTTPConnection, method: str, path: str, token: str = "", body: object = None
) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def outside() -> HTTPSConnection:
    return HTTPSConnection(HOST, timeout=20, context=TRUST)


def instance(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=5)


def logged_in() -> str:
    status, body = ask(outside(), "POST", "/login", body=ACCOUNT)
    assert status == 200, f"login: {status} {body!r}"
    token: str = json.loads(body)["access_token"]
    with TOKENS.open("a", encoding="utf-8") as file:
        file.write(f"{token}\n")
    return token


def systemctl(*words: str) -> str:
    return subprocess.run(["systemctl", *words], check=True, capture_output=True, text=True).stdout


def shown(unit: str, name: str) -> str:
    return systemctl("show", "--value", f"--property={name}", unit).strip()


def passed_on() -> int:
    """How often nginx has got no answer from an instance."""
    return sum(" upstream" in line for line in NGINX_ERRORS.read_text(encoding="utf-8").splitlines())


class Load:
    """Requests with a token through nginx, to the server and to the API behind it, until the block is left."""

    def __init__(self, token: str, logins: bool = False) -> None:
        self.token = token
        self.counts: Counter[str] = Counter()
        self.longest = 0.0
        self.over = threading.Event()
        self.lock = threading.Lock()
        status, body = ask(outside(), "GET", "/me", token)
        self.me = json.loads(body)["id"].encode()
        work = [threading.Thread(target=self.reads) for _ in range(THREADS)]
        self.threads = work + [threading.Thread(target=self.logins)] * logins

    def __enter__(self) -> "Load":
        self.end = time.monotonic() + MOST
        self.before = passed_on()
        for thread in self.threads:
            thread.start()
        time.sleep(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(1)
        self.over.set()
        for thread in self.threads:
            thread.join()

    def goes_on(self, pause: float) -> bool:
        return not self.over.wait(pause) and time.monotonic() < self.end

    def count(self, what: str, connection: HTTPConnection, method: str, path: str, body: object = None) -> None:
        began = time.monotonic()
        try:
            status, said = ask(connection, method, path, self.token if body is None else "", body)
            good = status == 200 and (not path.startswith("/api") or said == self.me)
            outcome = f"{what} {status}" if good or status != 200 else f"{what} of somebody else"
        except (OSError, HTTPException) as error:
            connection.close()
            outcome = f"{what} {type(error).__name__}"
        with self.lock:
            self.counts[outcome] += 1
            self.longest = max(self.longest, time.monotonic() - began)

    def reads(self) -> None:
        connection = outside()
        while self.goes_on(PAUSE):
            self.count("GET /me", connection, "GET", "/me")
            self.count("GET /api", connection, "GET", "/api/posts")

    def logins(self) -> None:
        connection = outside()
        while self.goes_on(2.5):  # an address has 30 in a minute
            self.count("POST /login", connection, "POST", "/login", ACCOUNT)

    def told(self, what: str) -> None:
        counts = ", ".join(f"{count} x {outcome}" for outcome, count in sorted(self.counts.items()))
        passed = passed_on() - self.before
        print(
            f"{what}: {counts}; nginx asked another one {passed} times; the slowest took {self.longest * 1000:.0f} ms",
            flush=True,
        )
        assert passed, "no request met an instance that was gone"
        bad = [outcome for outcome in self.counts if not outcome.endswith(" 200")]
        assert not bad and sum(self.counts.values()) > 200, f"{bad or 'too few requests'}"


def one_installation() -> None:
    token = logged_in()
    for port in UNITS:
        status, _ = ask(instance(port), "GET", "/me", token)
        assert status == 200, f"{port} answers {status}"
    status, _ = ask(instance(8002), "POST", "/logout", token)
    assert status == 200, f"logout: {status}"
    began = time.monotonic()
    for port in UNITS:
        while ask(instance(port), "GET", "/me", token)[0] != 401:
            assert time.monotonic() < began + 1, f"{port} accepts the token after a second"
            time.sleep(0.005)
    took = (time.monotonic() - began) * 1000
    status, _ = ask(outside(), "GET", "/api/posts", token)
    assert status == 401, f"the gateway lets it through: {status}"
    print(f"logout on one: 401 on all three, and at the gateway, within {took:.0f} ms", flush=True)


def each_is_killed() -> None:
    took = []
    with Load(logged_in()) as load:
        for unit in UNITS.values():
            killed = shown(unit, "MainPID")
            assert int(killed) > 1, f"{unit} does not run"
            began = time.monotonic()
            os.kill(int(killed), 9)
            while shown(unit, "ActiveState") != "active" or shown(unit, "MainPID") in (killed, "0"):
                assert time.monotonic() < began + 30, "systemd does not bring it back"
                time.sleep(0.1)
            took.append(f"{time.monotonic() - began:.1f} s")
            assert shown(unit, "NRestarts") == "1"
            time.sleep(UNTIL_ASKED)
    load.told(f"each killed in turn, and back after {', '.join(took)}")


def one_after_the_other() -> None:
    with Load(logged_in(), logins=True) as load:
        for unit in UNITS.values():
            before = shown(unit, "MainPID")
            systemctl("restart", unit)
            assert shown(unit, "MainPID") != before
            time.sleep(UNTIL_ASKED)
    load.told("all restarted, one after the other")


one_installation()
each_is_killed()
one_after_the_other()
