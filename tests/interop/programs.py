"""Command-line clients as child processes: run to the end, or read line by line as they go."""

import asyncio
import contextlib
import os
import shutil
import signal
from dataclasses import dataclass

from report import ANSWER_SECONDS, Mismatch

# A line holds at most the 1 MB payload in hex.
LINE_BYTES = 8 * 1024 * 1024
VERSION_FLAGS = {"3.1": "mqttv31", "3.1.1": "mqttv311", "5.0": "mqttv5"}


@dataclass(frozen=True)
class Ended:
    """A program that ran to its end."""

    code: int
    stdout: bytes
    stderr: str

    def lines(self):
        return self.stdout.decode().splitlines()


async def start(*command):
    return await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )


def send_signal(process, number):
    """Like the method of the process, which takes the exit code of one that has just ended away
    from whoever waits for it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def run_to_end(*command, given=b""):
    """Runs a program; it is killed, and the case fails, if it does not end in time."""
    process = await start(*command)
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(given), ANSWER_SECONDS)
    except TimeoutError:
        raise Mismatch(f"{_spoken(command)} to end", "no end") from None
    finally:
        send_signal(process, signal.SIGKILL)
    return Ended(process.returncode, stdout, stderr.decode(errors="replace"))


async def run_well(*command, given=b""):
    """Like `run_to_end`, and fails the case unless the exit code is 0."""
    ended = await run_to_end(*command, given=given)
    if ended.code != 0:
        raise Mismatch(f"{_spoken(command)} to exit with 0", f"{ended.code}: {ended.stderr}")
    return ended


def _spoken(command):
    return " ".join(str(word).rsplit("/", 1)[-1] for word in command)


class Running:
    """A program that goes on while the case reads what it writes; use with `async with`."""

    def __init__(self, *command):
        # Written to a pipe, a C program's lines would come in blocks of 4 KB.
        self._command = ["stdbuf", "-oL", *command] if shutil.which("stdbuf") else command
        self._process = None

    async def __aenter__(self):
        self._process = await start(*self._command)
        try:
            await self._until_ready()
        except BaseException:
            # Whoever does not get in is not let out either.
            await self.__aexit__()
            raise
        return self

    async def _until_ready(self):
        """What must have happened before the case goes on; for those who need more than a start."""

    async def __aexit__(self, *exception):
        self.kill()
        await self._process.wait()

    async def line(self):
        """The next line, without its end."""
        line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_SECONDS)
        if not line:
            raise Mismatch(f"a line of {_spoken(self._command)}", "its end")
        return line.rstrip(b"\n").decode(errors="replace")

    async def line_after(self, prefix):
        """The rest of the next line that begins with `prefix`; others are passed over."""
        while not (line := await self.line()).startswith(prefix):
            pass
        return line.removeprefix(prefix)

    def give(self, text):
        """Writes to its standard input."""
        self._process.stdin.write(text.encode())

    def interrupt(self):
        """Asks it to end, as Ctrl-C does."""
        send_signal(self._process, signal.SIGINT)

    async def ended(self):
        """Waits for the end; the exit code."""
        return await asyncio.wait_for(self._process.wait(), ANSWER_SECONDS)

    def kill(self):
        send_signal(self._process, signal.SIGKILL)
