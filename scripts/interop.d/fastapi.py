"""Asks examples/clients/fastapi, in the Python that runs this.

Takes the path of the binary `countersign` and a file for the verdicts.
Exit code: 0 all is as expected, 1 something is not.
"""

import socket
import subprocess
import sys
import time
import urllib.error
from contextlib import contextmanager

from clients import ROOT, ask, run

# Its port is known before the server starts, which is told the origin of its page.
LISTENER = socket.create_server(("127.0.0.1", 0))
PAGE = "http://127.0.0.1:%d" % LISTENER.getsockname()[1]


@contextmanager
def start(environment):
    program = [sys.executable, "-m", "uvicorn", "main:app", "--log-level", "warning", "--fd", str(LISTENER.fileno())]
    folder = ROOT / "examples/clients/fastapi"
    process = subprocess.Popen(program, cwd=folder, env=environment, pass_fds=[LISTENER.fileno()])
    try:
        begun = time.monotonic()
        while True:
            try:
                ask("GET", PAGE + "/openapi.json")
                break
            except urllib.error.URLError:
                if process.poll() is not None or time.monotonic() - begun > 60:
                    raise
                time.sleep(0.05)
        yield PAGE
    finally:
        process.terminate()
        process.wait(timeout=20)


def form_login(server, page, token):
    """As the button of its page does: a form, from its origin, with an empty `Basic`."""
    status, headers, _ = server.login(["user"], {"Origin": page, "Authorization": "Basic Og=="})
    yield "login from its page", status == 200 and headers["Access-Control-Allow-Origin"] == page


if __name__ == "__main__":
    run("FastAPI", "docs/guides/fastapi.md", start, ["--http-cors-origins", PAGE], form_login)
