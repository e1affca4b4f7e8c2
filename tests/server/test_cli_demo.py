"""`motet demo`: the whole way, with a scripted model in the place of the real one, and once with that."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.server.openai_server import Reply, openai_server
from tests.server.running import environment
from tests.server.typing_person import at_terminal, without_terminal

from motet.agents.weights import QWEN_CODER
from motet.server.terminal import demonstration
from motet.server.terminal.demonstration import MODEL_CALLS, QUESTIONS, Question
from motet.tools import sample
from motet.tools.workspace import Workspace

FILES = {
    "airports.csv": "iata,name,city,state,country,latitude,longitude\n"
    "ANC,Anchorage,Anchorage,AK,USA,61,-150\nSEA,Seattle,Seattle,WA,USA,47,-122\nJNU,Juneau,Juneau,AK,USA,58,-134\n",
    "seattle_weather.csv": "date,precipitation,temp_max,temp_min,wind,weather\n2014-07-01,0,35.5,5,4.7,sun\n",
    "us_employment.parquet": "",
    "stocks.sqlite": "",
    "cars.jsonl": "".join(
        json.dumps({"Name": name, "Horsepower": power, "Origin": origin, "Year": f"{year}-01-01"}) + "\n"
        for name, power, origin, year in (
            ("civic", 53, "Japan", 1980),
            ("corolla", 75, "Japan", 1981),
            ("pinto", 86, "USA", 1971),
        )
    ),
}


GATHERED = "This is a famous dataset gathered by Will Burtin to explore the effectiveness of various antibiotics."
PUBLISHED = "The data about cars was originally published by Donoho and Ramos."


def small_sample(folder: Path) -> Path:
    """A folder that passes for the sample workspace, so that nothing is fetched."""
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    for document in sample.DOCUMENTS:
        (folder / document.file).write_text("Nothing to see here.\n")
    told = f"<h1>Data sets</h1><h2>burtin</h2><p>{GATHERED}</p><h2>cars</h2><p>{PUBLISHED}</p>"
    (folder / "catalogue.html").write_text(f"<html><body>{told}</body></html>")
    fingerprint = sample._fingerprint(sample.VEGA_DATASETS)  # pyright: ignore[reportPrivateUsage] - what marks it as built
    (folder / ".motet-sample").write_text(fingerprint)
    return folder


def settings(tmp_path: Path, redis_url: str, model: str) -> Mapping[str, str]:
    """The environment of a demonstration whose model is at `model`."""
    return environment(
        tmp_path,
        {
            "MOTET_REDIS_URL": redis_url,
            "MOTET_TENANT": tmp_path.name[-40:],
            "MOTET_MODEL": "openai:scripted",
            "MOTET_MODEL_BASE_URL": model,
            "OPENAI_API_KEY": "k",
        },
    )


DATA, DOCUMENT, BOTH = QUESTIONS
MEAN = BOTH.reference


def knowing(mean: str = MEAN) -> Reply:
    """Says what each specialist is asked for: the query or the words that belong to its question, or a sentence."""

    def reply(body: dict[str, Any]) -> str:
        asked = json.dumps(body["messages"], ensure_ascii=False)
        wanted = body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
        if "sql" in wanted:
            return json.dumps({"sql": mean if "Japan" in asked else DATA.reference})
        if "answer" in wanted:
            return json.dumps({"answer": PUBLISHED if "cars" in asked.rsplit("Question:", 1)[1] else GATHERED})
        return "It is as the data says."

    return reply


async def test_a_person_sees_right_answers_and_decides(tmp_path: Path, redis_url: str) -> None:
    """Each answer is checked against what is known, the person decides on the report, and the way on is told."""
    folder = small_sample(tmp_path / "sample")
    async with openai_server(knowing()) as model:
        env = settings(tmp_path, redis_url, model.url)
        async with at_terminal("demo", "--workspace", str(folder), env=env, fresh=True) as person:
            for question in QUESTIONS:
                await person.sees(question.text.split(",")[0])
            await person.sees("Approval needed: save_report")
            await person.sees("decision >")
            person.types("r")
            await person.sees("why")
            person.types("another time")
            await person.sees("another time")
            for _ in QUESTIONS:
                await person.sees("checked: right")
            await person.sees(f"model calls of at most {MODEL_CALLS}")
            assert await person.leaves() == 0
            go_on = person.screen.rsplit("--thread ", 1)[1].split()[0]
        assert not (folder / "reports").exists()
        code, said, _ = await without_terminal(
            "chat", "--workspace", str(folder), "--thread", go_on, "--json", "Save a report of this.", env=env
        )

    assert code == 3
    assert json.loads(said.splitlines()[-1])["data"]["waiting"]


@pytest.mark.all
async def test_a_wrong_answer_is_found_out(tmp_path: Path, redis_url: str) -> None:
    """With nobody at the terminal the report is approved; a wrong answer is named, and the exit code is 1."""
    folder = small_sample(tmp_path / "sample")
    async with openai_server(knowing(MEAN.replace("avg(Horsepower)", "avg(Horsepower) + 1"))) as model:
        code, said, _ = await without_terminal(
            "demo", "--json", "--workspace", str(folder), env=settings(tmp_path, redis_url, model.url)
        )
    outcome = json.loads(said)

    assert code == 1
    assert [bool(part["problem"]) for part in outcome["parts"]] == [False, False, True]
    assert "the data says 64.0, the answer rests on 65.0" in outcome["problems"][0]
    assert outcome["model_calls"] == len(model.requests) <= MODEL_CALLS
    (report,) = (folder / "reports").iterdir()
    assert PUBLISHED in report.read_text()
    assert "catalogue.html:" in report.read_text()
    assert "avg(Horsepower)" in report.read_text()


async def test_the_rows_and_the_words_decide_what_is_right(tmp_path: Path) -> None:
    """Further columns don't matter, other values do, a doubted answer is none, and a quote must hold the words."""
    async with await Workspace.open(small_sample(tmp_path / "sample")) as workspace:
        asked = Question(text="How many?", reference="SELECT count(*) FROM airports")

        async def problem(status: str = "ok", **finding: Any) -> str:
            return await demonstration.wrong(asked, [{"status": status, "sql": "SELECT", **finding}], workspace)

        assert await problem(rows=[["airports", 3]]) == ""
        assert "the data says 3, the answer rests on 4" in await problem(rows=[[4]])
        assert "no rows" in await problem(rows=[])
        assert "nothing" in await problem(status="partial", rows=[[3]])
        quoted = {"status": "ok", "claims": [{"quotes": [{"text": "It was Will Burtin."}]}]}
        assert await demonstration.wrong(DOCUMENT, [quoted], workspace) == ""
        assert "no quote holds" in await demonstration.wrong(DOCUMENT, [], workspace)


@pytest.fixture
def weights() -> Path:
    """The real weights, where MOTET_MODEL_FILE or the data directory has them."""
    data = Path(os.environ.get("MOTET_DATA_DIR", Path.home() / ".local" / "share" / "motet"))
    file = Path(os.environ.get("MOTET_MODEL_FILE", data / "models" / QWEN_CODER.file))
    if not file.is_file():
        pytest.skip(f"the embedded model's weights aren't at {file}; set MOTET_MODEL_FILE or MOTET_DATA_DIR")
    return file


@pytest.mark.all
async def test_the_real_model_answers_right(weights: Path, tmp_path: Path) -> None:
    """The demonstration as a person starts it: real weights, real sample data, its own Redis."""
    env = environment(tmp_path, {"MOTET_MODEL_FILE": str(weights)})
    code, said, complained = await without_terminal("demo", "--json", env=env, timeout_s=540)

    assert (code, json.loads(said)["problems"]) == (0, []), complained
