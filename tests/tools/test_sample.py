"""The sample workspace: five data sets in four formats and three documents, each with its source named."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from bs4 import BeautifulSoup
from tests.tiny_wheels import found_in, make_wheel

from motet.errors import InvalidWorkspace
from motet.tools.index import Wheel
from motet.tools.sample import build_sample

MEMBERS = {
    "airports.csv": b"iata,name,city,state,country,latitude,longitude\n00M,Thigpen,Bay Springs,MS,USA,31.9,-89.2\n",
    "seattle-weather.csv": b"date,precipitation,temp_max,temp_min,wind,weather\n2012/01/01,0.0,12.8,5.0,4.7,drizzle\n",
    "us-employment.csv": b"month,nonfarm,private\n2006-01-01,135450,113603\n2006-02-01,135762,113884\n",
    "stocks.csv": b"symbol,date,price\nMSFT,Jan 1 2000,39.81\nMSFT,Dec 1 2000,36.35\n",
    "cars.json": b'[{"Name": "ford", "Horsepower": null}, {"Name": "audi", "Horsepower": 90}]',
}

DESCRIBED = {
    "wheat": {
        "description": "In 1822 Playfair[1]_ drew wages & prices from `public data <https://example.org/?a=1&b=2>`_ .",
        "references": ["Playfair, W. (1822) 'A <Letter>'.", "https://example.org/2"],
    },
    "stocks": {"description": "Closing prices."},
}

README = """# tiny

[![state](http://img.example.org/a.svg)](https://example.org/a)
[![style](http://img.example.org/b.svg)](https://example.org/b)

Data, naïvely small. See [here](https://example.org).
"""


def ignore(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture
def wheel(tmp_path: Path) -> Wheel:
    """A wheel with the data sets' first rows."""
    return make_wheel(
        tmp_path,
        "tiny-data",
        {
            **{f"vega_datasets/_data/{name}": rows for name, rows in MEMBERS.items()},
            "vega_datasets/dataset_info.json": json.dumps(DESCRIBED).encode(),
            "tiny_data-1.0.dist-info/LICENSE": b"Do what you like.\n",
        },
        description=README,
    )


async def test_each_format_holds_its_rows(tmp_path: Path, wheel: Wheel) -> None:
    """CSV, Parquet, SQLite and JSON lines can be read, dates as dates."""
    folder = await build_sample(tmp_path / "sample", ignore, wheel=wheel, pip_options=found_in(tmp_path))

    assert (folder / "airports.csv").read_bytes() == MEMBERS["airports.csv"]
    assert (folder / "seattle_weather.csv").read_bytes() == MEMBERS["seattle-weather.csv"]
    with duckdb.connect() as memory:
        months = memory.read_parquet(str(folder / "us_employment.parquet"))
        assert months.dtypes[0] == "DATE"
        assert [row[1] for row in months.fetchall()] == [135450, 135762]
    with closing(sqlite3.connect(folder / "stocks.sqlite")) as stocks:
        assert stocks.execute("SELECT * FROM stocks").fetchall() == [
            ("MSFT", "2000-01-01", 39.81),
            ("MSFT", "2000-12-01", 36.35),
        ]
    lines = (folder / "cars.jsonl").read_text().splitlines()
    assert [json.loads(line)["Horsepower"] for line in lines] == [None, 90]


async def test_the_documents_keep_their_words(tmp_path: Path, wheel: Wheel) -> None:
    """The catalogue has headings, paragraphs and numbered references; the introduction lost its badges only."""
    folder = await build_sample(tmp_path / "sample", ignore, wheel=wheel, pip_options=found_in(tmp_path))

    page = BeautifulSoup((folder / "catalogue.html").read_text("utf-8"), "html.parser")
    assert [heading.text for heading in page.find_all("h2")] == ["wheat", "stocks"]
    assert [paragraph.text for paragraph in page.find_all("p")] == [
        "In 1822 Playfair[1] drew wages & prices from public data .",
        "References:",
        "Closing prices.",
    ]
    assert [link["href"] for link in page.find_all("a")] == ["https://example.org/?a=1&b=2"]
    assert [item.text for item in page.find_all("li")] == DESCRIBED["wheat"]["references"]
    assert (folder / "README.md").read_text("utf-8") == (
        "# tiny\n\nData, naïvely small. See [here](https://example.org).\n"
    )
    assert (folder / "LICENSE.txt").read_text() == "Do what you like.\n"


async def test_every_file_is_listed_with_its_source(tmp_path: Path, wheel: Wheel) -> None:
    """SOURCES.md has a section for each file, names where it stood, and claims no licence that isn't stated."""
    folder = await build_sample(tmp_path / "sample", ignore, wheel=wheel, pip_options=found_in(tmp_path))

    text = (folder / "SOURCES.md").read_text()
    files = {path.name for path in folder.iterdir() if not path.name.startswith(".")} - {"SOURCES.md"}
    assert {line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")} == files
    assert text.count("data's own licence") == 2
    assert "`tiny_data-1.0.dist-info/METADATA`" in text


async def test_a_second_build_changes_nothing_and_needs_no_network(tmp_path: Path, wheel: Wheel) -> None:
    """Once built, the workspace is returned at once and a person's own files stay."""
    folder = await build_sample(tmp_path / "sample", ignore, wheel=wheel, pip_options=found_in(tmp_path))
    (folder / "mine.csv").write_text("a\n1\n")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    await build_sample(folder, ignore, wheel=wheel, pip_options=("--no-index",))

    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("lost", ["cars.jsonl", "catalogue.html"])
async def test_a_deleted_file_comes_back(tmp_path: Path, wheel: Wheel, lost: str) -> None:
    """A workspace that lost a file is built again."""
    folder = await build_sample(tmp_path / "sample", ignore, wheel=wheel, pip_options=found_in(tmp_path))
    (folder / lost).unlink()

    await build_sample(folder, ignore, wheel=wheel, pip_options=found_in(tmp_path))

    assert (folder / lost).is_file()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, wheel: Wheel) -> None:
    """A path under a file is refused by name."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(InvalidWorkspace, match="can't be written there"):
        await build_sample(tmp_path / "file" / "sample", ignore, wheel=wheel, pip_options=found_in(tmp_path))
