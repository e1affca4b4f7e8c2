"""The sample workspace: five real data sets in four file formats, and three real documents, openly published.

They come from the `vega-datasets` wheel. Values and words are kept; where a format asks for it (a date written
"Jan 1 2000") the writing changes, and SOURCES.md says so beside each source and licence.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb

from motet.errors import InvalidWorkspace
from motet.tools import sample_documents
from motet.tools.index import Progress, Wheel, copy_member, download_wheel, require_space, scratch_folder

VEGA_DATASETS = Wheel(
    project="vega-datasets",
    version="0.9.0",
    sha256="3d7c63917be6ca9b154b565f4779a31fedce57b01b5b9d99d8a34a7608062a1d",
    size_bytes=210_822,
)

SAMPLE_BYTES = 4_000_000
"""More than the sample workspace and its making take on disk."""

_MARKER = ".motet-sample"
_WHAT = "the sample data"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFile:
    """One file of the sample workspace: where it comes from and how it is written."""

    file: str
    """Its name in the workspace."""
    member: str
    """Its path inside the wheel; `{info}` stands for the wheel's own folder of metadata."""
    about: str
    """What it holds, by what was its source published, and under which terms; for SOURCES.md."""
    changed: str
    """What was changed on the way, for SOURCES.md."""
    write: Callable[[Path, Path], None]
    """Writes the second path from the first; blocking."""


async def build_sample(
    folder: Path, progress: Progress, *, wheel: Wheel = VEGA_DATASETS, pip_options: Sequence[str] = ()
) -> Path:
    """Make the sample workspace in `folder` and return it; at once if it is there already.

    Other files in `folder` are left alone. Each file appears whole or not at all.

    Raises:
        DownloadFailed: the data could not be fetched; says what to do.
        InvalidWorkspace: `folder` can't be written to.
    """
    if await asyncio.to_thread(_marked, folder, wheel):
        return folder
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        require_space(folder, SAMPLE_BYTES, _WHAT)
        with scratch_folder(folder) as scratch:
            progress(_WHAT, 0, wheel.size_bytes)
            archive = await download_wheel(
                wheel, scratch, report=lambda done: progress(_WHAT, done, wheel.size_bytes), pip_options=pip_options
            )
            await asyncio.to_thread(_write_all, archive, wheel, scratch, folder)
            progress(_WHAT, wheel.size_bytes, wheel.size_bytes)
    except OSError as refused:
        raise InvalidWorkspace(str(folder), f"the sample data can't be written there: {refused}") from refused
    return folder


def _marked(folder: Path, wheel: Wheel) -> bool:
    """Whether `folder` holds every file of this very sample."""
    try:
        written = (folder / _MARKER).read_text(encoding="utf-8")
    except OSError:
        return False
    return written == _fingerprint(wheel) and all((folder / one.file).is_file() for one in (*DATASETS, *DOCUMENTS))


def _fingerprint(wheel: Wheel) -> str:
    """Changes when the source or this recipe does."""
    recipe = b"".join(Path(module).read_bytes() for module in (__file__, sample_documents.__file__))
    return hashlib.sha256(recipe + wheel.sha256.encode()).hexdigest()


def _member(one: SampleFile, wheel: Wheel) -> str:
    return one.member.format(info=f"{wheel.project.replace('-', '_')}-{wheel.version}.dist-info")


def _write_all(archive: Path, wheel: Wheel, scratch: Path, folder: Path) -> None:
    for one in (*DATASETS, *DOCUMENTS):
        source = scratch / "source"
        with source.open("wb") as taken:
            copy_member(archive, _member(one, wheel), taken)
        written = scratch / one.file
        one.write(source, written)
        written.replace(folder / one.file)
    for name, text in (("SOURCES.md", _sources(wheel)), (_MARKER, _fingerprint(wheel))):
        (scratch / name).write_text(text, encoding="utf-8")
        (scratch / name).replace(folder / name)


def _keep(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _json_lines(source: Path, target: Path) -> None:
    rows = json.loads(source.read_bytes())
    target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _parquet(source: Path, target: Path) -> None:
    with duckdb.connect() as memory:
        memory.read_csv(str(source)).write_parquet(str(target))


def _sqlite(source: Path, target: Path) -> None:
    with duckdb.connect() as memory:
        rows = memory.execute(
            "SELECT symbol, strftime(strptime(date, '%b %-d %Y'), '%Y-%m-%d'), price FROM read_csv(?)",
            [str(source)],
        ).fetchall()
    with closing(sqlite3.connect(target)) as database, database:
        database.execute("CREATE TABLE stocks (symbol TEXT NOT NULL, date DATE NOT NULL, price REAL NOT NULL)")
        database.executemany("INSERT INTO stocks VALUES (?, ?, ?)", rows)


DATASETS = (
    SampleFile(
        file="airports.csv",
        member="vega_datasets/_data/airports.csv",
        about=(
            "US airports: code, city, state, latitude and longitude. A subset of the data compiled and published at "
            "http://ourairports.com/data/. Public domain, says the package."
        ),
        changed="nothing",
        write=_keep,
    ),
    SampleFile(
        file="seattle_weather.csv",
        member="vega_datasets/_data/seattle-weather.csv",
        about=(
            "Daily precipitation, highest and lowest temperature, wind and weather type in Seattle, "
            "2012 to 2015. Drawn from NOAA data. Public domain, says the package (https://www.weather.gov/disclaimer)."
        ),
        changed="nothing",
        write=_keep,
    ),
    SampleFile(
        file="us_employment.parquet",
        member="vega_datasets/_data/us-employment.csv",
        about=(
            "Monthly employment in the United States by sector, January 2006 to December 2015, in thousands of jobs, "
            "seasonally adjusted. Current Employment Statistics of the US Bureau of Labor Statistics "
            "(https://www.bls.gov/ces/). Public domain, says the package."
        ),
        changed="CSV to Parquet",
        write=_parquet,
    ),
    SampleFile(
        file="stocks.sqlite",
        member="vega_datasets/_data/stocks.csv",
        about=(
            "Closing prices of AAPL, AMZN, GOOG, IBM and MSFT, one a month, 2000 to 2010. "
            "The package names neither the source nor the data's own licence."
        ),
        changed="CSV to SQLite; dates written as 2000-01-01 instead of Jan 1 2000",
        write=_sqlite,
    ),
    SampleFile(
        file="cars.jsonl",
        member="vega_datasets/_data/cars.json",
        about=(
            "Fuel efficiency, cylinders, displacement, horsepower, weight, acceleration, year and origin of cars, "
            "1970 to 1982. Donoho and Ramos (1982), PRIMDATA: Data Sets for Use With PRIM-H (draft), made public at "
            "http://lib.stat.cmu.edu/datasets/. The package doesn't state the data's own licence."
        ),
        changed="a JSON array to JSON lines",
        write=_json_lines,
    ),
)
"""The sample workspace's data."""

DOCUMENTS = (
    SampleFile(
        file="catalogue.html",
        member="vega_datasets/dataset_info.json",
        about=(
            "What 18 of the package's data sets hold, who published them and when, with references, in the words of "
            "the package's authors. Part of the package: MIT licence, see LICENSE.txt."
        ),
        changed=(
            "JSON to an HTML page with a heading for each data set; links and footnote marks of reStructuredText "
            "(`[1]_`) to links of HTML and plain text (`[1]`)"
        ),
        write=sample_documents.write_catalogue,
    ),
    SampleFile(
        file="README.md",
        member="{info}/METADATA",
        about="The package's own introduction. Part of the package: MIT licence, see LICENSE.txt.",
        changed="the headers before the text, and the images of build states, are left out",
        write=sample_documents.write_readme,
    ),
    SampleFile(
        file="LICENSE.txt",
        member="{info}/LICENSE",
        about="The package's licence: MIT, Copyright (c) 2018 Jake Vanderplas.",
        changed="nothing",
        write=_keep,
    ),
)
"""The sample workspace's documents; SOURCES.md is one more."""


def _sources(wheel: Wheel) -> str:
    """SOURCES.md: where each file comes from and on which terms."""
    head = (
        "# Where these files come from\n\n"
        f"All files were taken from the Python package `{wheel.project}` {wheel.version} "
        "(https://github.com/altair-viz/vega_datasets; package licence: MIT, Copyright (c) 2018 Jake Vanderplas), "
        f"wheel SHA-256 `{wheel.sha256}`. The package's licence covers the package; "
        "what it says of each data set's own source and licence stands below. "
        "Values and words are kept; how they are written changed where it says so.\n"
    )
    return head + "".join(
        f"\n## {one.file}\n\n{one.about}\n\nIn the package: `{_member(one, wheel)}`. Changed: {one.changed}.\n"
        for one in (*DATASETS, *DOCUMENTS)
    )
