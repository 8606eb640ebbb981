"""Types a block of a guide into a shell at a terminal, as whoever follows the guide does.

    typist.py GUIDE WORDS [PROMPT ANSWER]...

The block is the one that is marked for this script and has the words in it. Each prompt is waited for, and answered.
Exit code: the shell's; 2 if there is no such block, or a prompt does not come.
"""

import os
import pty
import re
import select
import sys
import time

PATIENCE = 120  # seconds for all of a block
BLOCK = re.compile(r"^<!-- run by scripts/operator -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(guide: str) -> list[str]:
    with open(guide, encoding="utf-8") as file:
        return BLOCK.findall(file.read())


def typed(block: str, answers: list[tuple[str, str]]) -> int:
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("bash", ["bash", "-euo", "pipefail", "-c", block])
    end = time.monotonic() + PATIENCE
    unread = ""
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            said = os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # nobody is left at the other end
            said = ""
        if not said:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            for prompt, _ in answers:
                print(f"nobody asked {prompt!r}")
            return status or (2 if answers else 0)
        # Of a line that is written over, what it is at the end.
        sys.stdout.write(re.sub(r"[^\r\n]*\r(?!\n)", "", said).replace("\r\n", "\n"))
        sys.stdout.flush()
        unread += said
        if answers and answers[0][0] in unread:
            prompt, answer = answers.pop(0)
            unread = unread.split(prompt, 1)[1]
            os.write(terminal, f"{answer}\n".encode())
    print(f"it takes longer than {PATIENCE} s")
    return 2


def main() -> int:
    guide, words, *rest = sys.argv[1:]
    found = [block for block in blocks(guide) if words in block]
    if len(found) != 1:
        print(f"{len(found)} blocks of {guide} have {words!r}")
        return 2
    print("".join(f"$ {line}\n" for line in found[0].splitlines()), flush=True)
    return typed(found[0], list(zip(rest[::2], rest[1::2], strict=True)))


if __name__ == "__main__":
    sys.exit(main())
