"""Starting and stopping the broker under test, and Debian's mosquitto for the reverse direction."""

import asyncio
import os
import resource
import signal
import socket
import tempfile
import time
from pathlib import Path

from programs import send_signal
from report import Mismatch

START_SECONDS = 20
STOP_SECONDS = 5
# A start on a port that something else took in between is tried again on another one.
START_ATTEMPTS = 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def allow_many_connections():
    """Raises the limit of open files, which the broker inherits, as far as it may go."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Broker:
    """One broker process; `command_for(port)` is what starts it."""

    def __init__(self, name, command_for, directory):
        self.name = name
        self._command_for = command_for
        self._stderr_path = Path(directory) / f"{name}.stderr"
        self._process = None
        # Not the program under test: what it logs is of interest to a case only.
        self.foreign = False
        self.port = None
        self.pid = None

    async def start(self):
        for _ in range(START_ATTEMPTS):
            self.port = free_port()
            with open(self._stderr_path, "ab") as stderr:
                self._process = await asyncio.create_subprocess_exec(
                    *map(str, self._command_for(self.port)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=stderr,
                    stderr=stderr,
                )
            self.pid = self._process.pid
            if await self._accepts():
                return self
        raise Mismatch(f"{self.name} to accept connections", self.stderr_tail() or "no stderr")

    async def _accepts(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return True
        await self.kill()
        return False

    def log(self):
        """All that it has written."""
        return self._stderr_path.read_text(errors="replace") if self._stderr_path.exists() else ""

    def stderr_tail(self):
        return self.log()[-4000:]

    def alive(self):
        return self._process is not None and self._process.returncode is None

    def terminate(self):
        if self.alive():
            send_signal(self._process, signal.SIGTERM)

    async def exited(self):
        """Fails unless the process ends by itself, soon and with code 0."""
        try:
            code = await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            await self.kill()
            raise Mismatch(f"an exit within {STOP_SECONDS} s of SIGTERM", "none") from None
        if code != 0:
            raise Mismatch("exit code 0 after SIGTERM", code)

    async def kill(self):
        if self.alive():
            send_signal(self._process, signal.SIGKILL)
            await self._process.wait()

    def resident_bytes(self):
        """VmRSS of the process, or None where /proc does not tell."""
        if self.pid is None:
            return None
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return None


class RunningBroker(Broker):
    """A broker that somebody else started and will stop."""

    def __init__(self, port):
        super().__init__("running", None, tempfile.gettempdir())
        self.port = port

    async def start(self):
        return self

    def alive(self):
        return False

    def log(self):
        return ""


def colibri(path, name, directory, shards):
    def command(port):
        data = tempfile.mkdtemp(prefix=f"{name}-data-", dir=directory)
        words = [path, "broker", "--listen", f"127.0.0.1:{port}", "--data-dir", data]
        return words + (["--shards", str(shards)] if shards else [])

    return Broker(name, command, directory)


def mosquitto(program, name, directory):
    """Debian's mosquitto, open to anyone on this machine, keeping nothing."""

    def command(port):
        config = Path(directory) / f"{name}-{port}.conf"
        logged = "log_type subscribe\n"
        config.write_text(mosquitto_config(f"{port} 127.0.0.1") + logged)
        return [program, "-c", config]

    return Broker(name, command, directory)


def mosquitto_config(listener):
    user = "user root\n" if os.geteuid() == 0 else ""
    settings = "allow_anonymous true\npersistence false\nlog_type error\nlog_type warning\n"
    return f"listener {listener}\n{settings}{user}"
