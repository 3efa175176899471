#!/usr/bin/env python3
"""Runs the interoperability suite: foreign clients against `colibri broker`, and `colibri pub` and
`sub` against a foreign broker. Only the order of things stands here; the cases are elsewhere."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

import bad_input
import brokers
import cases
import founding
import lifecycle
import mosquitto_clients
import obtain
import reverse
import script
from report import Mismatch, Report

# Beyond this the run is broken, whatever it is waiting for.
RUN_SECONDS = 170
# How many cases of one library run at the same time.
CASES_AT_ONCE = 4

LIBRARIES = {
    "paho": lambda: obtain.python_adapter("paho-mqtt", "paho_client.py"),
    "aiomqtt": lambda: obtain.python_adapter("aiomqtt", "aiomqtt_client.py"),
    "gmqtt": lambda: obtain.python_adapter("gmqtt", "gmqtt_client.py"),
    "mqttjs": obtain.mqttjs_adapter,
    "rumqttc": obtain.rumqttc_adapter,
}
SUITES = {
    "founding": founding.run,
    "bad-input": bad_input.run,
    "mosquitto-clients": mosquitto_clients.run,
    "lifecycle": lifecycle.run,
    "reverse": reverse.run,
}


class Run:
    """What the suites of one run share: the report, the program under test, the brokers."""

    def __init__(self, arguments, directory):
        self.report = Report(arguments.case)
        self.colibri = arguments.colibri
        self.shards = arguments.shards
        self.directory = directory
        self.adapter_commands = {}
        self.quiet = asyncio.Lock()
        self._started = []
        self._running = arguments.broker_port and brokers.RunningBroker(arguments.broker_port)

    async def broker(self, name):
        """A broker of its own for the caller (the running one, if that was asked for)."""
        if self._running:
            return self._running
        broker = brokers.colibri(self.colibri, name, self.directory, self.shards)
        self._started.append(broker)
        return await broker.start()

    async def mosquitto(self, name):
        program = await obtain.debian_program("mosquitto", "mosquitto")
        broker = brokers.mosquitto(program, name, self.directory)
        broker.foreign = True
        self._started.append(broker)
        return await broker.start()

    async def adapter(self, library):
        log = self.directory / f"{library}.log"
        return await script.Adapter.start(self.adapter_commands[library], log)

    async def obtain(self, library):
        try:
            self.adapter_commands[library] = await LIBRARIES[library]()
        except obtain.Unobtainable as reason:
            self.report.line("SKIP", library, str(reason))

    async def stop(self):
        for broker in self._started:
            if broker.alive():
                await self.report.run("broker", broker.name, "stops-on-sigterm", _stop(broker))
        for broker in self._started:
            await broker.kill()
            if self.report.failed and not broker.foreign and (stderr := broker.stderr_tail()):
                print(f"--- what {broker.name} wrote\n{stderr}---", flush=True)


def _stop(broker):
    async def stop():
        broker.terminate()
        await broker.exited()

    return stop


async def run_library(run, library, broker, quiet_broker):
    """Puts one library through every case in every version that it speaks."""
    try:
        adapter = await run.adapter(library)
    except (Mismatch, OSError, TimeoutError) as failure:
        run.report.line("FAIL", f"{library} adapter start", str(failure))
        return
    slots = asyncio.Semaphore(CASES_AT_ONCE)

    async def run_case(version, name, function, quiet):
        async def in_hand():
            port = (quiet_broker if quiet else broker).port
            case = script.Case(adapter, lambda: run.adapter(library), port, version)
            try:
                await function(case)
            finally:
                await case.finish()

        # What needs a quiet broker needs it for itself.
        async with run.quiet if quiet else slots:
            await run.report.run(library, version, name, in_hand)

    try:
        await asyncio.gather(
            *(
                run_case(version, name, function, quiet)
                for name, versions, function, quiet in cases.CASES
                for version in adapter.versions
                if version in versions
            )
        )
    finally:
        adapter.kill()
        await adapter.stop()
        if run.report.failed and (log := adapter.log_tail()):
            print(f"--- what the adapter of {library} wrote\n{log}---", flush=True)


async def run_all(run, chosen):
    libraries = [name for name in LIBRARIES if name in chosen]
    needed = list(LIBRARIES) if "lifecycle" in chosen else libraries
    await asyncio.gather(*(run.obtain(name) for name in needed))
    started = time.monotonic()
    try:
        work = [SUITES[name](run) for name in SUITES if name in chosen]
        if libraries:
            broker, quiet = await run.broker("libraries"), await run.broker("quiet")
            work += [
                run_library(run, name, broker, quiet)
                for name in libraries
                if name in run.adapter_commands
            ]
        await asyncio.wait_for(asyncio.gather(*work), RUN_SECONDS)
    except TimeoutError:
        run.report.line("FAIL", "run", f"expected an end within {RUN_SECONDS} s, got none")
    except Mismatch as failure:
        run.report.line("FAIL", "run", str(failure))
    finally:
        await run.stop()
    print(f"took {time.monotonic() - started:.0f} s besides obtaining the clients")
    slowest = sorted(run.report.seconds.items(), key=lambda item: -item[1])[:3]
    print("slowest: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest))


def parse_arguments():
    names = [*SUITES, *LIBRARIES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--colibri", type=Path, help="the program under test")
    parser.add_argument("--only", help=f"names, separated by commas, of: {', '.join(names)}")
    parser.add_argument("--case", default="", help="only cases with this in their name")
    parser.add_argument("--broker-port", type=int, help="test a broker that runs on 127.0.0.1")
    parser.add_argument("--shards", type=int, help="how many shards the broker gets")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else names
    if unknown := set(chosen) - set(names):
        parser.error(f"no such name: {', '.join(sorted(unknown))}")
    if arguments.colibri:
        arguments.colibri = arguments.colibri.resolve()
        if not arguments.colibri.is_file():
            parser.error(f"no such file: {arguments.colibri}")
    elif not arguments.broker_port:
        parser.error("--colibri or --broker-port is needed")
    return arguments, chosen


def main():
    arguments, chosen = parse_arguments()
    brokers.allow_many_connections()
    directory = Path(tempfile.mkdtemp(prefix="colibri-interop-"))
    run = Run(arguments, directory)
    try:
        asyncio.run(run_all(run, chosen))
    finally:
        if arguments.keep:
            print(f"kept {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    report = run.report
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
