"""Gets the foreign clients into the cache, each with the ordinary client of its registry."""

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from programs import send_signal

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
# The versions that the cases were checked with: what is tested must not change by itself.
PIP_PACKAGES = {"paho-mqtt": "2.2.0", "aiomqtt": "2.5.1", "gmqtt": "0.8.0"}
MQTTJS_VERSION = "5.16.0"
INSTALL_SECONDS = 600


class Unobtainable(Exception):
    """A client cannot be had here; the text says why."""


def cache_directory():
    chosen = os.environ.get("COLIBRI_INTEROP_CACHE")
    cache = Path(chosen) if chosen else REPOSITORY / "target" / "interop"
    cache.mkdir(parents=True, exist_ok=True)
    return cache.resolve()


async def _run(what, *command, env=None):
    """Runs one installing command; raises with its last line if it fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
    except OSError as error:
        raise Unobtainable(f"{what} failed: {error}") from None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), INSTALL_SECONDS)
    except TimeoutError:
        send_signal(process, signal.SIGKILL)
        await process.wait()
        raise Unobtainable(f"{what} failed: not done in {INSTALL_SECONDS} s") from None
    if process.returncode != 0:
        lines = output.decode(errors="replace").strip().splitlines() or ["no output"]
        raise Unobtainable(f"{what} failed: {lines[-1]}")


_apt_lock = asyncio.Lock()
_apt_updated = False


async def debian_program(program, package):
    """The path of a program of a Debian package, installed first if it is missing and we may."""
    global _apt_updated
    # Daemons live where the path of an ordinary user does not lead.
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    async with _apt_lock:
        if found := shutil.which(program, path=path):
            return found
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise Unobtainable(f"{program} is missing, and installing {package} takes root and apt")
        if not _apt_updated:
            await _run("apt-get update", "apt-get", "update", "-qq")
            _apt_updated = True
        await _run(
            f"apt-get install {package}",
            *("apt-get", "install", "-y", "-qq", "--no-install-recommends", package),
            env={"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
        )
        if package == "mosquitto" and shutil.which("systemctl"):
            await _stop_service(package)
    if found := shutil.which(program, path=path):
        return found
    raise Unobtainable(f"{package} was installed but has no {program}")


async def _stop_service(name):
    """The suite starts its own on a free port; the package's would go on holding port 1883."""
    try:
        await _run(f"systemctl disable {name}", "systemctl", "disable", "--now", name)
    except Unobtainable as failure:
        # Without a running systemd there is no service either.
        print(f"note: {failure}")


_python_lock = asyncio.Lock()


async def python_adapter(package, adapter):
    """The command of a Python adapter, its library installed apart from the system's."""
    cache = cache_directory()
    environment = cache / "venv"
    python = environment / "bin" / "python"
    target = cache / "python"
    async with _python_lock:
        if not _has(environment, package) and not _has(target, package):
            await _install_python(environment, python, target)
    if _has(environment, package):
        return [str(python), str(HERE / adapter)]
    return ["env", f"PYTHONPATH={target}", sys.executable, str(HERE / adapter)]


def _has(directory, package):
    """Whether the version asked for is there, in a venv or in a folder of `pip --target`."""
    record = f"{package.replace('-', '_')}-{PIP_PACKAGES[package]}.dist-info"
    places = [directory, *directory.glob("lib/python*/site-packages")]
    return any((place / record).is_dir() for place in places)


async def _install_python(environment, python, target):
    packages = [f"{name}=={version}" for name, version in PIP_PACKAGES.items()]
    failures = []
    for maker in ([sys.executable, "-m", "venv"], ["virtualenv"]):
        try:
            await _run(maker[-1], *maker, environment)
            await _run("pip install", python, "-m", "pip", "install", "-q", *packages)
            return
        except Unobtainable as failure:
            failures.append(str(failure))
            shutil.rmtree(environment, ignore_errors=True)
    try:
        pip = (sys.executable, "-m", "pip", "install", "-q", "--target", target)
        await _run("pip install --target", *pip, *packages)
    except Unobtainable as failure:
        raise Unobtainable("; ".join([*failures, str(failure)])) from None


async def mqttjs_adapter():
    prefix = cache_directory() / "npm"
    npm, node = shutil.which("npm"), shutil.which("node")
    if not node or not npm:
        raise Unobtainable("no npm and node on this machine")
    manifest = prefix / "node_modules" / "mqtt" / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != MQTTJS_VERSION:
        prefix.mkdir(exist_ok=True)
        flags = ("--no-audit", "--no-fund", "--loglevel=error")
        command = (npm, "install", "--prefix", prefix, *flags, f"mqtt@{MQTTJS_VERSION}")
        await _run("npm install", *command)
    return [node, str(HERE / "mqttjs_client.js"), str(prefix)]


async def rumqttc_adapter():
    cargo = shutil.which("cargo")
    if not cargo:
        raise Unobtainable("no cargo on this machine")
    target = cache_directory() / "cargo"
    manifest = HERE / "rumqttc" / "Cargo.toml"
    await _run(
        "cargo build",
        *(cargo, "build", "--quiet", "--locked", "--manifest-path", manifest),
        env={"CARGO_TARGET_DIR": str(target)},
    )
    return [str(target / "debug" / "interop-rumqttc")]
