# ruff: noqa: INP001, S603, T201 - a script, no package; it starts the project's own commands and talks by printing
"""The crew's own evaluation: what `make eval` does, and how the published run is kept.

`python -m benchmarks.crew_evaluation`
    makes the workspace and the examples, checks every reference, tries eight of the published examples with the model
    of this installation, scores every published trajectory again, and writes one report of both to `build/evaluation`.

`python -m benchmarks.crew_evaluation --keep EXPERIMENT`
    writes an experiment's plan, results and trajectories into `docs/evaluation/published.tar.xz`, as the published run.

Each step is a command that is printed, so that it can be repeated by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from motet.observability.evaluation.experiment import Experiment
from motet.server import settings
from motet.server.operating import operating

ROOT = Path(__file__).resolve().parents[1]
MOTET = Path(sys.executable).with_name("motet")
PUBLISHED = ROOT / "docs" / "evaluation" / "published.tar.xz"
OUT = ROOT / "build" / "evaluation"
PLAN = "experiment.json"

LIVE = 8
"""Examples that are tried now."""
SEED = 8
"""Which of the published ones."""
LONGEST_S = 60.0
"""Of one live run, so that all of them end within ten minutes on two cores."""


def evaluate() -> int:
    """Try, score, report; the exit code."""
    began = time.monotonic()
    recorded, plan = _unpacked()
    made = _last(_motet("eval", "crew", str(OUT / "crew.jsonl"), "--json"))
    examples = str(_chosen(OUT / "crew.jsonl", plan["example_ids"], OUT / "crew-published.jsonl"))
    common = ["--evaluators", made["evaluators"], "--workspace", made["workspace"], "--json"]
    targets = [f"--target={one['name']}={one['assistant']}" for one in plan["targets"]]
    told = [*targets, "--name", "published"]
    scored = _last(_motet("eval", "run", examples, "--recorded", str(recorded), *told, *common))
    told = ["--target", "assistant", "--name", "now", f"--limit={LIVE}", f"--seed={SEED}", "--parallel=1", "--yes"]
    live = _last(_motet("eval", "run", examples, *told, f"--timeout={LONGEST_S:g}", *common))
    report = OUT / "report.html"
    _motet("eval", "compare", scored["experiment"], live["experiment"], "--html", str(report))
    print(f"{live['results']} live trials and {scored['results']} recorded ones in {time.monotonic() - began:.0f} s")
    print(f"The report: {report}", flush=True)
    return 0 if live["whole"] and scored["whole"] else 1


def _motet(*arguments: str) -> Sequence[str]:
    """The lines that a command prints. Raises SystemExit: it failed."""
    print(f"$ motet {shlex.join(arguments)}", flush=True)
    done = subprocess.run([MOTET, *arguments], stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"that failed with exit code {done.returncode}")
    return done.stdout.splitlines()


def _last(lines: Sequence[str]) -> Mapping[str, Any]:
    return json.loads(lines[-1])


def _unpacked() -> tuple[Path, Mapping[str, Any]]:
    """The folder with the published trajectories, and the plan that they were made by."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    with tarfile.open(PUBLISHED) as packed:
        for member in packed:
            # Not extractall, whose safe form the first releases of Python 3.11 lack.
            file, content = OUT / "published" / member.name, packed.extractfile(member)
            assert content is not None, "the archive holds files only"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.read())
    return OUT / "published" / "trajectories", json.loads((OUT / "published" / PLAN).read_bytes())["plan"]


def _chosen(whole: Path, ids: Sequence[str], target: Path) -> Path:
    """The lines of the examples with these ids, in a file of their own."""
    lines = {json.loads(line)["example_id"]: line for line in whole.read_text("utf-8").splitlines()}
    target.write_text("".join(f"{lines[one]}\n" for one in ids), encoding="utf-8")
    return target


async def keep(experiment_id: str) -> int:
    """Write an experiment that has all its results to PUBLISHED; the exit code."""
    async with operating(settings.load()) as here:
        found = await here.experiments.load(experiment_id)
        if not found.whole:
            raise SystemExit(f"it has {len(found.results)} results only; motet eval run --resume {experiment_id}")
        keys = [one.key for one in found.results]
        trajectories = {key: await here.experiments.trajectory(found.plan.experiment_id, key) for key in keys}
    with tarfile.open(PUBLISHED, "w:xz", preset=9) as packed:
        for name, data in _members(found, trajectories):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    print(f"{PUBLISHED}: {len(trajectories)} trajectories, {PUBLISHED.stat().st_size / 1e6:.1f} MB")
    return 0


def _members(experiment: Experiment, trajectories: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Each file's name and content: like ones beside each other pack better."""
    yield PLAN, orjson.dumps(experiment, option=orjson.OPT_INDENT_2)
    for key in sorted(trajectories):
        yield f"trajectories/{key.replace(' ', '.')}.jsonl", trajectories[key]


def main() -> None:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(description="Evaluate the crew with its own examples.")
    parser.add_argument("--keep", metavar="EXPERIMENT", help="make this the published run")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(keep(arguments.keep)) if arguments.keep else evaluate())


if __name__ == "__main__":
    main()
