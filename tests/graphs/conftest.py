"""A folder with data and documents, both opened for real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.keys import Keys
from motet.tools.documents.indexing import corpus_of, index_folder
from motet.tools.documents.library import Library
from motet.tools.documents.ports import Documents
from motet.tools.workspace import Workspace

CARS = """name,origin,year,horsepower,weight
ford,USA,1970-01-01,130,3504
buick,USA,1970-03-01,165,3693
plymouth,USA,1970-03-01,150,3436
datsun,Japan,1971-01-01,88,2130
toyota,Japan,1971-02-01,95,2372
volvo,Sweden,1971-02-01,1120,3121
"""

SOURCES = """# Where the data comes from

## cars.csv

Horsepower, weight and year of cars, 1970 to 1982. Donoho and Ramos (1982), made public at StatLib.
The package doesn't state the data's own licence.

## weather.csv

Daily precipitation in Seattle, 2012 to 2015, drawn from NOAA data. Public domain, says the package.

| file | rows | licence |
|---|---|---|
| cars.csv | 1,406 | unknown |
| weather.csv | 1,461 | Public domain |
"""

RULES = """# House rules

Reports are kept for 90 days. A report is never deleted before its author was asked.

Every approval must be given by two people, and each of them signs within 24 hours. Version 3.11.7 of the handbook
was published on 1 March 2010.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """cars.csv, SOURCES.md and RULES.md."""
    (tmp_path / "cars.csv").write_text(CARS)
    (tmp_path / "SOURCES.md").write_text(SOURCES)
    (tmp_path / "RULES.md").write_text(RULES)
    return tmp_path


@pytest.fixture
async def cars(folder: Path) -> AsyncIterator[Workspace]:
    """The folder's data."""
    async with await Workspace.open(folder) as opened:
        yield opened


@pytest.fixture
async def documents(folder: Path, redis: Redis, keys: Keys) -> Documents:
    """The folder's documents, found by their words."""
    index = RedisDocuments(redis, keys)
    done = await index_folder(folder, index, None, lambda *_: None)
    assert not done.skipped
    return await Library.open(index, None, corpus_of(folder))
