"""Asks examples/clients/express, as its README starts it.

Takes the path of the binary `countersign`, a file for the verdicts, and a folder that is like the root of the project as far as
the example goes, in which npm may install. Exit code: 0 all is as expected, 1 something is not.
"""

import sys

from clients import pasted, run

README = "examples/clients/express/README.md"
run("Express", "docs/guides/express.md", lambda environment: pasted(README, environment, sys.argv[3]))
