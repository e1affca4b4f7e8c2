"""Datasets as files: they come back as they were, and what is wrong in one is named with its place."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.errors import InvalidInput
from motet.observability.evaluation import dataset_csv, dataset_file
from motet.observability.evaluation.example import Example, encoded, version_of

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", " ", "[1] says", "{x", "a;b", " a ", '"', "12", "null", "=1+1", "a\r\nb", "a\rb", "\ufeff", "a:json", "x,y"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
QUESTION = TEXT.map(lambda text: {"messages": [{"role": "user", "content": text}]})
EXAMPLES = st.lists(
    st.builds(
        Example,
        example_id=st.text(st.sampled_from("abc-ä;,\"'[{"), min_size=1, max_size=5),
        input=OBJECT | QUESTION,
        reference=JSON,
        trajectory=st.lists(OBJECT, max_size=2),
        path=st.lists(TEXT, max_size=2),
        rubric=TEXT,
        answers=st.lists(JSON, max_size=2),
        expect=OBJECT,
        tags=st.lists(TEXT, max_size=3),
        split=TEXT,
        group=TEXT,
        provenance=OBJECT,
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one.example_id,
)


def saved(tmp_path: Path, name: str, text: str) -> Path:
    """A file with this text."""
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


@settings(max_examples=25)
@given(examples=EXAMPLES)
def test_examples_come_back_as_they_were(examples: list[Example]) -> None:
    """From JSON lines and from a table, whatever they hold: the same order, and the same version hash."""
    for form in (dataset_file, dataset_csv):
        found = form.parsed(form.written(examples).decode(), "x")
        assert [encoded(one) for one in found] == [encoded(one) for one in examples]
        assert version_of(found) == version_of(examples)


def test_a_table_by_hand_is_understood(tmp_path: Path) -> None:
    """Questions, parts of inputs, expectations, tags, JSON where it begins so; a mark of byte order; empty lines."""
    path = saved(
        tmp_path,
        "cars.csv",
        "\ufeffexample_id, question ,input.city,reference,tags,split,group,rubric,expect.sql,expect.sources\r\n"
        '\r\n"a","What is ""12,5""?\nSay.",,12.5, x ; y;,test,g1,short,select 1,"[""a.md""]"\r\n'
        "b,,Paris,[1],,,,,,\r\n,,,,\r\n"
        "c,,{} ,,,,,,,\n",
    )
    a, b, c = dataset_file.read(path)
    assert a == Example(
        example_id="a",
        input={"messages": [{"role": "user", "content": 'What is "12,5"?\nSay.'}]},
        reference="12.5",
        tags=["x", "y"],
        split="test",
        group="g1",
        rubric="short",
        expect={"sql": "select 1", "sources": ["a.md"]},
    )
    assert b == Example(example_id="b", input={"city": "Paris"}, reference=[1])
    assert c == Example(example_id="c", input={"city": {}})


def test_an_example_without_an_id_is_named_by_what_it_says(tmp_path: Path) -> None:
    """The same words give the same id wherever they stand; others another one."""
    table = dataset_file.read(saved(tmp_path, "a.csv", "question,reference\n1+1?,2\n1+2?,3\n"))
    lines = [{"input": one.input, "reference": one.reference} for one in reversed(table)]
    found = dataset_file.read(saved(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines))))
    assert [one.example_id for one in reversed(found)] == [one.example_id for one in table]
    assert len({one.example_id for one in table}) == 2


OK = '{"example_id":"a","input":{}}\n'
DEEP = '{"input":{"a":' + "[" * 300 + "]" * 300 + "}}"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", OK + "\n{]", r"a.jsonl, line 3: '{\]' is not allowed; allowed: a JSON object"),
        ("a.jsonl", OK + "[1]", r"a.jsonl, line 2: \[1\] is not allowed; allowed: a JSON object"),
        ("a.jsonl", '{"example_id":"a"}', "line 1, input: None is not allowed; allowed: a JSON object, what the graph"),
        ("a.jsonl", '{"input":{},"tags":"x"}', "line 1, tags: 'x' is not allowed; allowed: a list of texts"),
        ("a.jsonl", '{"input":{},"tags":["x",5]}', "line 1, tags.1: 5 is not allowed; allowed: a list of texts"),
        ("a.jsonl", '{"input":{},"answer":5}', "line 1, answer: 5 is not allowed; allowed: .* example_id, input, refe"),
        ("a.jsonl", '{"input":{},"example_id":"a b"}', "line 1, example_id: 'a b' is not .* without spaces"),
        ("a.jsonl", '{"input":{},"example_id":""}', "line 1, example_id: '' is not .* without spaces"),
        ("a.jsonl", OK + "\n" + OK, "line 3, example_id: 'a' .* it is that of a.jsonl, line 1"),
        ("a.csv", "question\nx\nx", "a.csv, line 3, example_id: '[0-9a-f]{12}' .* it is that of a.csv, line 2"),
        ("a.csv", 'question,"re"\n', "a.csv, line 1: 're' is not allowed; allowed: example_id, question, input,"),
        ("a.csv", "question,question\n", "line 1: 'question' is not allowed; .* each once"),
        ("a.csv", "input.\n", r"line 1: 'input.' is not allowed"),
        ("a.csv", "tags.x\n", r"line 1: 'tags.x' is not allowed"),
        ("a.csv", 'question,reference\n"x\ny",1\nz,{1', r"line 4, reference: '{1' .* allowed: JSON .* doesn't begin"),
        ("a.csv", "question\na,b", "a.csv, line 2: '2 cells' .* no more than the 1 columns of the first row"),
        ("a.csv", "question,input.x\na,b", r"line 2, input.x: 'b' .* one column that tells input"),
        ("a.csv", "input,input:json\n{},{}", r"line 2, input:json: '{}' .* one column that tells input"),
        ("a.csv", "input\nx", "line 2, input: 'x' is not allowed; allowed: a JSON object"),
        ("a.csv", "reference\nx", "line 2, input: None is not allowed"),
        ("a.csv", 'question\n"a"b', "a.csv: .* a table of comma separated values"),
        ("a.csv", "question\n\n", "a file without an example"),
        ("a.jsonl", "", "a file without an example"),
        ("a.json", "{}", r"FILE: 'a.json' .* ends in .jsonl or .csv"),
        ("a.jsonl", OK + DEEP, r"a.jsonl, line 2: .* nests no deeper"),
        ("a.jsonl", OK + DEEP.replace("{", '{"example_id":"b",', 1), r"a.jsonl, line 2: .* nests no deeper"),
        ("a.csv", 'question,reference\nx,"' + "[" * 300 + "]" * 300 + '"', "a.csv, line 2: .* nests no deeper"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    """Line, field, value, and what would have been accepted."""
    with pytest.raises(InvalidInput, match=said):
        dataset_file.read(saved(tmp_path, name, text))


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    """Which one, and why."""
    path = tmp_path / "a.csv"
    with pytest.raises(InvalidInput, match="No such file"):
        dataset_file.read(path)
    path.write_bytes("question\nzwölf".encode("latin-1"))
    with pytest.raises(InvalidInput, match=r"a.csv: b'\\xf6' is not allowed; allowed: UTF-8"):
        dataset_file.read(path)


def test_a_conversation_fits_into_a_cell(tmp_path: Path) -> None:
    """However long; and the limit that the process has for other tables is as it was."""
    limit = csv.field_size_limit()
    example = Example(example_id="a", input={"text": "x" * 1_000_000})
    path = tmp_path / "a.csv"
    path.write_bytes(dataset_csv.written([example]))
    assert [encoded(one) for one in dataset_file.read(path)] == [encoded(example)]
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("text", ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "-"])
def test_no_cell_is_a_formula(tmp_path: Path, text: str) -> None:
    """A spreadsheet that opens the table computes nothing of it; it is read back as it was."""
    question = {"messages": [{"role": "user", "content": text}]}
    told = Example(
        example_id="".join(text.split()),
        input=question,
        reference=text,
        rubric=text,
        tags=[text, "x"],
        split=text,
        group=text,
        expect={"answer": text},
    )
    path = tmp_path / "a.csv"
    path.write_bytes(dataset_csv.written([told]))

    assert [encoded(one) for one in dataset_file.read(path)] == [encoded(told)]
    for row in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")):
        assert not [cell for cell in row if cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))]
