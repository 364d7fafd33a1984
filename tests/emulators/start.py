"""Starts emulators as copies of one process that has their modules loaded: moto alone takes a second to load.

    python3 start.py CONTRACT

CONTRACT is the slim description that `github_contract.py` writes. Each line of standard input is a request, each line
of standard output the answer to one:

    {"start": ["aws/iam_emulator.py", ARGUMENT, ...]}  answers `PID LINE`, where LINE is what the emulator printed
    {"end": PID}                                       answers `ended`

At the end of standard input all of them end.
"""

import contextlib
import gc
import http.client
import json
import os
import signal
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER / "aws"), str(FOLDER / "github")]

import github_api
import github_contract
import github_emulate
import iam_emulator

PROGRAMS = {
    "aws/iam_emulator.py": iam_emulator.main,
    "github/github_api.py": github_api.main,
    "github/github_emulate.py": github_emulate.main,
}


def read_headers(lines, _class=http.client.HTTPMessage):
    """What `http.client` reads by the parser of e-mails, which takes a tenth of an emulator's time."""
    message = _class()
    while (line := lines.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("iso-8859-1").partition(":")
        message[name] = value.strip()
    return message


class Copies:
    """The running copies. None of them outlives this process: the standard input of each ends with it."""

    def __init__(self):
        self.input, self.life = os.pipe()

    def start(self, program, *arguments):
        output, printed = os.pipe()
        process = os.fork()
        if process == 0:
            self.become(PROGRAMS[program], [program, *arguments], printed)
        os.close(printed)
        with os.fdopen(output) as lines:
            return f"{process} {lines.readline().strip()}"

    def become(self, main, arguments, printed):
        """Runs an emulator in this process, which is a copy."""
        os.close(self.life)
        os.dup2(self.input, sys.stdin.fileno())
        os.dup2(printed, sys.stdout.fileno())
        # It lives for one test: to look for garbage costs more than the garbage.
        gc.disable()
        # An emulator waits for the programs that it starts itself.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.argv = arguments
        try:
            main()
        finally:
            os._exit(0)

    def end(self, process):
        # It may have ended by itself.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return "ended"


def main():
    http.client.parse_headers = read_headers
    iam_emulator.load()
    github_contract.load(sys.argv[1])
    # Each copy would look through all that is loaded for garbage, and so get pages of its own of it.
    gc.collect()
    gc.freeze()
    # The copies that end leave nothing behind.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    copies = Copies()
    for line in sys.stdin:
        request = json.loads(line)
        answer = copies.start(*request["start"]) if "start" in request else copies.end(request["end"])
        print(answer, flush=True)


if __name__ == "__main__":
    main()
