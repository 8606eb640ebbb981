"""Has the button Authorize pressed on the page /docs of examples/clients/fastapi, by fastapi_page.mjs, under HS256 and ES256.

Takes the path of the binary `countersign`, a file for the verdicts, the folder with the packages of npm, and Chromium.
Exit code: 0 all is as expected, 1 something is not.
"""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from clients import DRAFT, Server, ask, bearer
from fastapi import PAGE, start

signal.signal(signal.SIGTERM, lambda *_: sys.exit(124))
binary, verdicts, packages, chromium = sys.argv[1:]
held = {}
for algorithm in ("HS256", "ES256"):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(binary, algorithm, Path(folder), "--http-cors-origins", PAGE)
        try:
            with start(server.environment()):
                ask("POST", PAGE + "/posts", DRAFT, bearer(server.token("user")))
                account = next(account for account in server.accounts if account["roles"] == ["user"])
                told = {"page": PAGE, "server": server.url, "account": account, "program": chromium}
                program = ["node", "--test-reporter=tap", str(Path(packages) / "fastapi_page.mjs")]
                done = subprocess.run(program, input=json.dumps(told), text=True, stdout=subprocess.PIPE, timeout=120)
        finally:
            server.stop()
    held[algorithm] = done.returncode == 0 and "# pass 3" in done.stdout
    if not held[algorithm]:
        print(done.stdout, file=sys.stderr)
Path(verdicts).write_text(json.dumps({"name": "FastAPI", "verdicts": {"Authorize in Chromium": held}}))
print(f"the page of FastAPI: {sum(held.values())} of {len(held)} checks hold")
sys.exit(0 if all(held.values()) else 1)
