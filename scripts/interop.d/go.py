"""Asks examples/clients/go, as its README starts it, once gofmt and go vet have nothing to say.

Takes the path of the binary `countersign` and a file for the verdicts.
Exit code: 0 all is as expected, 1 something is not.
"""

import subprocess
import sys

from clients import ROOT, pasted, run

EXAMPLE = ROOT / "examples/clients/go"
unformatted = subprocess.run(["gofmt", "-l", "."], cwd=EXAMPLE, stdout=subprocess.PIPE, text=True, check=True).stdout
if unformatted:
    sys.exit(f"not as gofmt writes it: {unformatted}")
subprocess.run(["go", "vet", "."], cwd=EXAMPLE, check=True)
run("Go", "docs/guides/go.md", lambda environment: pasted("examples/clients/go/README.md", environment))
