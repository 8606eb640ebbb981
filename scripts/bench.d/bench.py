"""What `scripts/bench` measures, after it has built and installed everything. See there."""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import page
from load import Route
from servers import LOAD_CORE, Server, Trouble, environment, sign_in, want

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "benches/peers"
POSTS = 10
# Rounds, seconds of each part of one, seconds of a part of the login flood, its rounds, starts, logouts, rounds of
# refreshes.
FULL = {
    "rounds": 7, "seconds": 3, "flood": 5, "flood_rounds": 5, "starts": 9, "logouts": 150, "refresh": 9
}
QUICK = {
    "rounds": 3, "seconds": 2, "flood": 3, "flood_rounds": 1, "starts": 3, "logouts": 30, "refresh": 3
}


def say(text):
    print(f"== {text}", file=sys.stderr, flush=True)


def post(number):
    return {"title": f"Post {number}", "content": "text " * 20}


class Bench:
    def __init__(self, target: Path, scratch: Path, plan):
        self.target, self.scratch, self.plan = target, scratch, plan
        self.release = target / "release"
        self.binary = self.release / "countersign"
        self.secret = scratch / "secret"
        self.secret.write_text(os.urandom(32).hex() + "\n")
        self.secret.chmod(0o600)

    def server(self, name, command, **more):
        return Server(name, [str(part) for part in command], self.scratch / f"{name}.log", **more)

    def dev(self):
        """`countersign dev`, whose posts lie in SQLite."""
        settings = {
            "COUNTERSIGN_LIMITS__ENABLED": "false", "COUNTERSIGN_TOKENS__ACCESS_LIFETIME": "1d"
        }
        command = [self.binary, "dev", "--ephemeral", "--listen", "127.0.0.1:{port}"]
        return self.server("dev", [*command, "--secret-file", self.secret], env=settings)

    def peers(self, posts: Path, database: Path):
        """The same posts as others serve them, by name."""
        node, python = self.target / "bench/node", self.target / "bench/python/bin/python"
        # Node.js looks for packages above the file that imports them.
        program = node / "server.mjs"
        program.write_bytes((PEERS / "express/server.mjs").read_bytes())
        uvicorn = [python, "-m", "uvicorn", "--no-access-log", "--port", "{port}"]
        axum = [self.target / "bench/axum/release/peer-axum-jsonwebtoken"]
        memory = {"SECRET_FILE": str(self.secret), "POSTS_JSON": str(posts)}
        stored = memory | {"POSTS_DB": str(database)}
        folder = PEERS / "fastapi"
        return {
            "axum": lambda: self.server("axum", axum, env=memory),
            "axum_sqlx": lambda: self.server("axum-sqlx", axum, env=stored),
            "express": lambda: self.server(
                "express", ["node", program], env=memory | {"NODE_ENV": "production"}
            ),
            "fastapi": lambda: self.server(
                "fastapi", [*uvicorn, "memory:app"], env=memory, cwd=folder
            ),
            "fastapi_stored": lambda: self.server(
                "fastapi-stored", [*uvicorn, "stored:app"], env=stored, cwd=folder
            ),
        }

    def embedded(self, posts: Path):
        """The server of production with posts in memory."""
        command = [self.release / "examples/posts_in_memory", "--listen", "127.0.0.1:{port}"]
        command += ["--data-dir", self.scratch / "embedded", "--secret-file", self.secret]
        return self.server("embedded", [*command, "--posts", posts])

    def serve(self):
        """All servers side by side: requests, and what each takes of the machine."""
        with ExitStack() as stack:
            dev = stack.enter_context(self.dev())
            bearer, dev_cookie = sign_in(dev)
            for number in range(POSTS):
                want(201, dev.port, "/posts", method="POST", headers=bearer, body=post(number))
            _, expected = want(200, dev.port, "/posts", headers=bearer)
            items = json.loads(expected)["items"]
            if len(items) != POSTS:
                raise Trouble(f"{len(items)} posts in place of {POSTS}")
            posts, database = self.scratch / "posts.json", self.scratch / "posts.db"
            posts.write_bytes(expected)
            fill(database, items)
            embedded = stack.enter_context(self.embedded(posts))
            _, cookie = sign_in(embedded)
            routes = [
                Route("open", embedded, "/open/posts"),
                Route("open_sent", embedded, "/open/posts", credential=bearer, is_guarded=False),
                Route("token", embedded, credential=bearer),
                Route("cookie", embedded, credential=cookie),
                Route("stored_token", dev, credential=bearer),
                Route("stored_cookie", dev, credential=dev_cookie),
            ]
            for key, start in self.peers(posts, database).items():
                server = stack.enter_context(start())
                routes.append(Route(key, server, credential=bearer))
                if key == "axum":
                    routes.append(Route("axum_open", server, "/open/posts"))
            for route in routes:
                route.check(expected)
            idle = {route.key: route.server.memory() for route in routes}
            rounds = self.rounds(routes)
            for route in routes:
                route.check(expected)
            rows = {
                route.key: median_of([one[route.key] for one in rounds])
                | {"idle": idle[route.key], "rss": route.server.memory()}
                for route in routes
            }
        return rows, rounds

    def rounds(self, routes):
        """Everyone in turn, forth and back; the first round is for warming up."""
        rounds = []
        for number in range(self.plan["rounds"] + 1):
            seconds = self.plan["seconds"] if number else 1
            order = routes if number % 2 else routes[::-1]
            measured = {route.key: route.measure(seconds) for route in order}
            if number:
                rounds.append(measured)
                line = ", ".join(f"{key} {one['rate']:.0f}" for key, one in measured.items())
                say(f"round {number} of {self.plan['rounds']}, requests a second: {line}")
        return rounds

    def starts(self):
        """From nothing to the first answer of `serve`, on a new folder and on one that is there; memory then."""
        first, again, memory = [], [], []
        for number in range(self.plan["starts"]):
            folder = self.scratch / f"start{number}"
            command = [self.binary, "serve", "--listen", "127.0.0.1:{port}", "--data-dir", folder]
            for times in (first, again):
                with self.server("serve", command, ready="/healthz") as server:
                    want(200, server.port, "/readyz")
                    times.append(server.start_ms)
                    memory.append(server.memory())
        return {
            "first_ms": statistics.median(first),
            "again_ms": statistics.median(again),
            "idle_mib": statistics.median(memory),
        }

    def program(self, name, *options, load_core=False):
        """A measuring program of crates/server/examples; what it printed as JSON, whether or not its targets were met."""
        launcher = ["taskset", "--cpu-list", LOAD_CORE] if load_core else []
        command = [*launcher, self.release / "examples" / name, "--server", self.binary, "--json"]
        command = [str(part) for part in [*command, *options]]
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=900, check=False,
            env=environment({
                name: value for name, value in os.environ.items() if name == "COUNTERSIGN_TEST_POSTGRES"
            }),
        )
        if not ran.stdout:
            raise Trouble(f"{name} ended with {ran.returncode}")
        return json.loads(ran.stdout)

    def refreshes(self):
        """Durable refreshes a second on a file beside the build, by what was measured."""
        command = ["cargo", "bench", "--quiet", "--locked", "--package", "countersign-auth"]
        command += ["--bench", "refresh", "--", str(self.scratch), f"--rounds={self.plan['refresh']}"]
        ran = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=900, check=False
        )
        cells = [line.split("|") for line in ran.stdout.splitlines() if line.startswith("| ")]
        found = {one[1].strip(): float(one[2]) for one in cells if one[2].strip().isdigit()}
        if ran.returncode or len(found) != 3:
            raise Trouble(f"the bench of refreshes said: {ran.stdout}")
        keys = ("transaction", "refresh", "route")
        return dict(zip(keys, found.values(), strict=True))


def fill(path: Path, items):
    """A SQLite file with the posts, for the peers."""
    columns = list(items[0])
    kinds = {int: "INTEGER NOT NULL", str: "TEXT NOT NULL"}
    declared = ", ".join(
        f"{name} {kinds[type(items[0][name])]}{' PRIMARY KEY' if name == 'id' else ''}" for name in columns
    )
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"CREATE TABLE posts ({declared})")
        marks = ", ".join("?" * len(columns))
        database.executemany(
            f"INSERT INTO posts VALUES ({marks})", [tuple(item.values()) for item in items]
        )
    database.close()


def median_of(measured):
    return {name: statistics.median(one[name] for one in measured) for name in measured[0]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    bench = Bench(options.target, options.scratch, plan)
    say("posts, side by side")
    rows, rounds = bench.serve()
    say("starts")
    starts = bench.starts()
    say("logins, and reads beside them")
    flood = bench.program(
        "login_flood", f"--rounds={plan['flood_rounds']}", f"--seconds={plan['flood']}", load_core=True
    )
    say("refreshes")
    refreshes = bench.refreshes()
    say("logouts on three instances")
    logout = bench.program("logout_latency", f"--logouts={plan['logouts']}")
    text, quoted, met = page.render(rows, rounds, starts, flood, refreshes, logout, plan)
    print(text)
    if options.write:
        page.write(ROOT / "docs/reference/performance.md", text)
        page.write(ROOT / "COMPARE.md", quoted)
    return 0 if met else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        sys.exit(3)
