"""Runs the scripts of examples/clients/curl as their guide does, each beside the same server, and compares what they print.

Takes the path of the binary `countersign` and a file for the verdicts.
Exit code: 0 all is as expected, 1 something is not.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from clients import ROOT, Server, follow

SCRIPTS = ROOT / "examples/clients/curl"


def statuses(server, script):
    """The statuses that a script prints, a word each."""
    environment = {**server.environment(), "AUTH_SERVER": server.url}
    done = subprocess.run([SCRIPTS / script], env=environment, stdout=subprocess.PIPE, text=True, timeout=60)
    return [line for line in done.stdout.splitlines() if line.isdecimal()] if done.returncode == 0 else []


signal.signal(signal.SIGTERM, lambda *_: sys.exit(124))
verdicts = {}
with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "examples").symlink_to(ROOT / "examples")
    for algorithm in ("HS256", "ES256"):
        server = Server(sys.argv[1], algorithm, Path(folder))
        try:
            os.environ["AUTH_SERVER"] = server.url
            verdicts.setdefault("its guide", {})[algorithm] = follow("docs/guides/curl.md", folder, {})
            # The account is there by now.
            tokens, session = statuses(server, "tokens.sh"), statuses(server, "session.sh")
        finally:
            server.stop()
        verdicts.setdefault("with tokens", {})[algorithm] = tokens == "409 200 201 200 401 200 200 200 401 401".split()
        verdicts.setdefault("with a session", {})[algorithm] = session == "409 200 200 403 403 201 200 401".split()
Path(sys.argv[2]).write_text(json.dumps({"name": "curl", "verdicts": verdicts}))
held = [holds for each in verdicts.values() for holds in each.values()]
print(f"curl: {sum(held)} of {len(held)} checks hold")
sys.exit(0 if all(held) else 1)
