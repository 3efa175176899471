"""The broker as a process: what a client sees when it gets SIGTERM, and what a person sees when it
cannot start."""

import asyncio
import secrets

import brokers
import script
from programs import run_to_end
from report import Inapplicable, expect, expect_that, shown_code

CLIENT = "lifecycle"
SERVER_SHUTTING_DOWN = 0x8B


async def run(run):
    if run.colibri is None:
        run.report.line("SKIP", CLIENT, "no program was given with --colibri")
        return
    await asyncio.gather(
        *(
            run.report.run(CLIENT, library, "graceful-shutdown", _graceful_shutdown(run, library))
            for library in run.adapter_commands
        ),
        *(
            run.report.run(CLIENT, "-", name, lambda f=function: f(run))
            for name, function in REFUSALS.items()
        ),
    )


def _graceful_shutdown(run, library):
    """A broker of its own for each library, since the case ends it."""

    async def case():
        broker = await run.broker(f"shutdown-{library}")
        adapter = await run.adapter(library)
        try:
            peers = {}
            for version in adapter.versions:
                peers[version] = script.Peer(adapter)
                client_id = f"s{secrets.token_hex(6)}"
                arguments = {"port": broker.port, "version": version, "clean": True}
                await peers[version].connect(client_id=client_id, **arguments)
            broker.terminate()
            codes = {version: await peer.closed() for version, peer in peers.items()}
            await broker.exited()
            # mosquitto 2.0.11 fails this: it closes the connections without DISCONNECT.
            if codes["5.0"] is not None or "short_disconnect" not in adapter.lacks:
                expect("DISCONNECT", hex(SERVER_SHUTTING_DOWN), shown_code(codes["5.0"]))
        finally:
            adapter.kill()
            await adapter.stop()

    return case


async def taken_port(run):
    broker = await run.broker("taken-port")
    address = f"127.0.0.1:{broker.port}"
    await expect_refusal(run, "--listen", address, "--data-dir", run.directory)


async def unwritable_directory(run):
    """Not even root makes a directory there."""
    address = f"127.0.0.1:{brokers.free_port()}"
    await expect_refusal(run, "--listen", address, "--data-dir", "/proc/colibri")


async def wrong_flag(run):
    await expect_refusal(run, "--no-such-flag")


async def expect_refusal(run, *arguments):
    """The broker ends with code 1 or 2 and one sentence on its standard error."""
    if run.colibri.name == "mosquitto_as_colibri":
        raise Inapplicable("mosquitto has complaints of its own form")
    ended = await run_to_end(run.colibri, "broker", *arguments)
    expect_that(ended.code in (1, 2), "exit code 1 or 2", ended.code)
    said = ended.stderr.strip()
    expect_that(len(said.splitlines()) == 1, "one sentence on stderr", said)


REFUSALS = {
    "taken-port": taken_port,
    "unwritable-directory": unwritable_directory,
    "wrong-flag": wrong_flag,
}
