"""Make `.venv` what the locks say, or do nothing if it is that already.

    python deploy/setup.py run        what `make demo` needs: requirements.lock
    python deploy/setup.py dev        what `make test` and `make check` need: requirements-dev.lock
    python deploy/setup.py peers      what `make test-all` and the benchmarks need: requirements-peers.lock
    python deploy/setup.py run dev    several

Runs before anything is installed, so it uses the standard library alone, and neither ensurepip nor a
system pip: fresh Debians have none. The stamp inside `.venv` is taken away before the first change and
written after the last one: an environment without a stamp is unfinished, and is built anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pip_progress import watch

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
DISCARDED = ROOT / ".venv-discarded"
PYTHON = ENVIRONMENT / "bin" / "python"
STAMP = ENVIRONMENT / "motet-setup.json"
LOG = ENVIRONMENT / "motet-setup.log"
PIP_WHEEL = ROOT / "deploy" / "bootstrap" / "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A lock to install, and the room it takes."""

    lock: str
    environment_mb: int
    """In `.venv`, weights of the embedded model and its working copies included."""
    downloads_mb: int
    """Of packages, in pip's cache and in the temporary folder."""
    installed_mb: int
    """In `.venv` alone, measured on Linux."""


PARTS = {
    "run": Part(lock="requirements.lock", environment_mb=1700, downloads_mb=300, installed_mb=400),
    "dev": Part(lock="requirements-dev.lock", environment_mb=800, downloads_mb=400, installed_mb=600),
    "peers": Part(lock="requirements-peers.lock", environment_mb=1000, downloads_mb=500, installed_mb=800),
}

ADVICE = (
    (r"No space left on device|\[Errno 28\]", "free some disk space"),
    (r"DO NOT MATCH THE HASHES", "the index served another file than the lock names: ask whoever runs the index"),
    (
        r"Retrying|Could not find a version|NewConnectionError|Temporary failure|timed out|ProxyError|SSLError",
        "check the network; behind a proxy set HTTPS_PROXY, with an index of your own set PIP_INDEX_URL",
    ),
    (r"Failed to build|error: command .* failed", "no ready-made package for this system: use Linux or macOS, 64 bit"),
)
"""What pip says, as a pattern, and what a person can do about it."""


class SetupFailed(Exception):
    """The environment isn't ready; the text says which step failed and what to do next."""

    def __init__(self, step: str, reason: str, advice: str) -> None:
        super().__init__(
            f"\nSet-up stopped at: {step}\n{reason}\nWhat to do: {advice}, then run the same command again."
        )


def main(arguments: list[str]) -> int:
    """Set up the parts named; 0 once they are ready, 1 with a reason, 130 after Ctrl-C, 2 for a wrong argument."""
    unknown = [name for name in arguments if name not in PARTS]
    if unknown or not arguments:
        print(f"usage: setup.py {{{'|'.join(PARTS)}}} ...", file=sys.stderr)
        return 2
    folder = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # two makes at once: the second waits, then finds it done
    try:
        if not is_ready(arguments):
            build(arguments)
    except SetupFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to go on: what was fetched is kept.", file=sys.stderr)
        return 130
    finally:
        os.close(folder)
    return 0


def interpreter() -> dict[str, str]:
    """What a finished environment depends on besides the locks: its Python, and where it stands."""
    return {"python": sys.version, "executable": os.path.realpath(sys.executable), "root": str(ROOT)}


def digest(name: str) -> str:
    """SHA-256 of a file of the checkout."""
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def stamped() -> dict[str, str]:
    """What the stamp says; empty when the environment is missing, unfinished, or the stamp isn't ours."""
    try:
        found = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def is_ready(parts: list[str]) -> bool:
    """Whether the environment was finished, here, for this Python, these locks and this project."""
    stamp = stamped()
    wanted = interpreter() | {"project": digest("pyproject.toml")} | {name: digest(PARTS[name].lock) for name in parts}
    return PYTHON.exists() and all(stamp.get(key) == value for key, value in wanted.items())


def build(parts: list[str]) -> None:
    """Bring the environment to the state the locks describe, then stamp it.

    Raises:
        SetupFailed: a step failed; nothing is stamped.
    """
    started = time.monotonic()
    stamp = stamped()
    keep = PYTHON.exists() and interpreter().items() <= stamp.items()
    missing = [name for name in parts if not keep or stamp.get(name) != digest(PARTS[name].lock)]
    check_space(missing)
    STAMP.unlink(missing_ok=True)
    if not keep:
        stamp = {}
        heading(f"Making .venv with Python {sys.version.split()[0]}")
        make_environment()
    for name in missing:
        lock = PARTS[name].lock
        heading(f"Installing {lock}: about {PARTS[name].installed_mb} MB")
        pip_install(f"installing {lock}", "--require-hashes", "-r", lock, expected=packages_in(lock))
    heading("Installing Motet itself")
    pip_install("installing Motet itself", "--no-deps", "--no-build-isolation", "-e", ".", expected=1)
    stamp |= interpreter() | {"project": digest("pyproject.toml")} | {name: digest(PARTS[name].lock) for name in parts}
    STAMP.write_text(json.dumps(stamp, indent=1), "utf-8")
    print(f"   ready after {time.monotonic() - started:.0f} s", flush=True)


def heading(text: str) -> None:
    """Say which step begins."""
    print(f"== {text}", flush=True)


def check_space(parts: list[str]) -> None:
    """Refuse to begin what the disk can't hold; checked for the checkout and for the temporary folder."""
    environment = sum(PARTS[name].environment_mb for name in parts)
    downloads = max((PARTS[name].downloads_mb for name in parts), default=0)
    here, temporary = ROOT, Path(tempfile.gettempdir())
    if here.stat().st_dev == temporary.stat().st_dev:
        needs = {here: environment + downloads}
    else:
        needs = {here: environment, temporary: downloads}
    for folder, needed in needs.items():
        free = shutil.disk_usage(folder).free // 1_000_000
        if free < needed:
            reason = f"{folder} has {free} MB free; about {needed} MB are needed."
            raise SetupFailed("checking disk space", reason, f"free {needed - free} MB there")


def make_environment() -> None:
    """An empty `.venv` with the vendored pip in it, in place of whatever unfinished one stands there."""
    if ENVIRONMENT.exists():
        if not (ENVIRONMENT / "pyvenv.cfg").exists() and any(ENVIRONMENT.iterdir()):
            reason = f"{ENVIRONMENT} exists and is no virtual environment."
            raise SetupFailed("making .venv", reason, "move it out of the way")
        shutil.rmtree(DISCARDED, ignore_errors=True)
        ENVIRONMENT.rename(DISCARDED)  # at once: half a deleted environment couldn't be told from a stranger's folder
    shutil.rmtree(DISCARDED, ignore_errors=True)
    if hashlib.sha256(PIP_WHEEL.read_bytes()).hexdigest() != PIP_SHA256:
        raise SetupFailed("making .venv", f"{PIP_WHEEL} isn't the file it should be.", f"git checkout {PIP_WHEEL}")
    command = [sys.executable, "-m", "venv", "--without-pip", str(ENVIRONMENT)]
    made = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)
    if made.returncode:
        raise SetupFailed("making .venv", (made.stdout + made.stderr).strip(), "mend what it says")
    packages = ENVIRONMENT / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    with zipfile.ZipFile(PIP_WHEEL) as pip:  # pure Python without scripts: unpacked is installed
        pip.extractall(packages)


def pip_install(step: str, *arguments: str, expected: int) -> None:
    """`pip install`, shown as one moving line; everything pip said is in the log beside the stamp."""
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", "--progress-bar", "raw", *arguments]
    with LOG.open("a", encoding="utf-8") as log:
        code, tail = watch(command, cwd=ROOT, env=child_environment(), expected=expected, log=log)
    if code:
        said = "\n".join(tail)
        advice = next((what for pattern, what in ADVICE if re.search(pattern, said)), f"read {LOG}")
        raise SetupFailed(step, said, advice)


def packages_in(lock: str) -> int:
    """How many packages a lock pins; some of them only for other systems."""
    return len(re.findall(r"^[\w.-]+==", (ROOT / lock).read_text("utf-8"), re.MULTILINE))


def child_environment() -> dict[str, str]:
    """The caller's environment without what would send packages elsewhere; index, proxy and certificates stay."""
    astray = {
        "PYTHONDONTWRITEBYTECODE",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_TARGET",
        "PIP_USER",
        "PYTHONHOME",
        "PYTHONPATH",
        "VIRTUAL_ENV",
    }
    return {name: value for name, value in os.environ.items() if name not in astray} | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUNBUFFERED": "1",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
