"""The rules of the house that no tool checks: sizes, reasons, one reader of the environment, true documents."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("agents", "graphs", "tools", "memory", "observability", "server")

FILE_LINES = 400
TEST_FILE_LINES = 600
FUNCTION_LINES = 50
"""Without its docstring."""

LARGER: dict[str, int] = {
    "src/motet/errors.py": 605,  # one tree, drawn in its docstring, in one place
}
"""What may be larger, as `path` or `path::function`, with its exact size: shrink it and the number must follow."""

ENVIRONMENT_READERS = {
    "server/settings.py": "the one place where settings are read",
    "server/__main__.py": "throws LangGraph's switch for strict deserialisation before LangGraph is imported",
    "agents/openmp.py": "passes its own environment on to a child, with one folder more to look for libraries in",
}
"""Files that may touch `os.environ`, with the reason."""

HEAVY = ("langgraph", "langchain", "langchain_core", "fastapi", "redis", "duckdb", "opentelemetry.sdk", "xllamacpp")
"""What `motet --help` must not wait for."""

REGISTRIES = tuple(
    "".join(pieces)
    for pieces in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("yarn", "pkg.com"),
    )
)
"""Hosts of package registries, in pieces so that this file names none."""

SUPPRESSION = re.compile(
    r"noqa(?P<noqa>: ?[A-Z]+\d+(, ?[A-Z]+\d+)*)?"
    r"|type: ?ignore(?P<type>\[[\w-]+(, ?[\w-]+)*\])?"
    r"|pyright: ?(?P<pyright>ignore\[\w+(, ?\w+)*\]|report\w+ ?= ?\w+)?"
)


def tracked(*patterns: str) -> list[str]:
    """Paths of the checkout's own files, also those not committed yet; links are left out."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({path for path in listed if (ROOT / path).is_file() and not (ROOT / path).is_symlink()})


def text_of(path: str) -> str:
    """A file of the checkout."""
    return (ROOT / path).read_text("utf-8")


@cache
def parsed(path: str) -> ast.Module:
    """A Python file of the checkout: parsing them all takes seconds, and most of the rules look at all."""
    return ast.parse(text_of(path))


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads(text_of("pyproject.toml"))


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of a module with its dotted name, inner ones too."""
    for node in ast.iter_child_nodes(tree):
        name = f"{prefix}{node.name}" if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield name, node
        yield from functions(node, f"{name}." if name else prefix)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring's."""
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return whole
    docstring = function.body[0]
    return whole - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def sizes() -> Iterator[tuple[str, int, int]]:
    """Name, size and limit of every file and every function."""
    for path in tracked("*.py"):
        source = text_of(path)
        yield path, len(source.splitlines()), TEST_FILE_LINES if path.startswith("tests/") else FILE_LINES
        for name, function in functions(parsed(path)):
            yield f"{path}::{name}", length(function), FUNCTION_LINES


def comments() -> Iterator[tuple[str, str]]:
    """Place and text of every comment in the Python files."""
    for path in tracked("*.py"):
        for token in tokenize.generate_tokens(io.StringIO(text_of(path)).readline):
            if token.type == tokenize.COMMENT:
                yield f"{path}:{token.start[0]}", token.string


def packages(lock: str) -> dict[str, str]:
    """Names and versions that a lock pins."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text_of(lock), re.MULTILINE))


def test_files_and_functions_stay_small() -> None:
    """Nothing is longer than its limit, and an exception is exactly as large as it is written down."""
    found = {name: size for name, size, limit in sizes() if size > limit}

    assert found == LARGER


def test_every_ignored_rule_has_its_reason() -> None:
    """Each code in a list of ignored rules, and each ignored warning, has a comment on its line."""
    config = text_of("pyproject.toml")
    listed = re.findall(r'^ *"(?:[A-Z]+\d*|ignore:.*)",?(.*)$', config, re.MULTILINE)

    assert listed
    assert [rest for rest in listed if not re.search(r"# .{6,}", rest)] == []


def test_every_suppression_names_its_rule_and_reason() -> None:
    """A comment that silences a checker says which rule and why, on the same line."""
    silent: list[str] = []
    for place, comment in comments():
        for found in SUPPRESSION.finditer(comment):
            reason = re.sub(r"[\W\d_]+", "", SUPPRESSION.sub("", comment.replace("ruff:", "")))
            if not any(found.groupdict().values()) or len(reason) < len("quoted"):
                silent.append(f"{place} {comment}")

    assert silent == []


def test_only_settings_read_the_environment() -> None:
    """Whatever isn't listed with a reason neither touches `os.environ` nor defines settings."""
    readers: set[str] = set()
    for path in tracked("src/motet/*.py", *(f"{room}/*.py" for room in ROOMS)):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Attribute):
                touched = node.attr in {"environ", "environb", "getenv"}
            elif isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                touched = node.module == "pydantic_settings" or (node.module == "os" and names & {"environ", "getenv"})
            else:
                touched = False
            if touched:
                readers.add(path)

    assert readers - set(ENVIRONMENT_READERS) == set()


def test_every_test_says_its_promise() -> None:
    """Every test function has a docstring."""
    silent = [
        f"{path}::{name}"
        for path in tracked("tests/*.py")
        for name, function in functions(parsed(path))
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]

    assert silent == []


def test_no_package_registry_is_named() -> None:
    """Where packages come from is the installation's business: no file holds a registry's address."""
    naming = [
        f"{path}: {host}"
        for path in tracked()
        for host in REGISTRIES
        if host.encode() in (ROOT / path).read_bytes() and not path.endswith(".whl")
    ]

    assert naming == []


def test_the_locks_hold_what_the_project_asks_for() -> None:
    """Each dependency is pinned, all locks pin the same versions, and none is forgotten after a change."""
    meta = project()
    groups, extras = meta["dependency-groups"], meta["project"]["optional-dependencies"]
    run = [*meta["project"]["dependencies"], *extras["local"], *extras["aes"], *groups["build"]]
    dev = [*run, *groups["test"], *groups["check"]]
    run_lock, dev_lock = packages("requirements.lock"), packages("requirements-dev.lock")
    peers_lock = packages("requirements-peers.lock")

    def missing(wanted: list[str], lock: dict[str, str]) -> list[str]:
        names = [re.match(r"[\w.-]+", requirement) for requirement in wanted]
        return [name[0] for name in names if name is not None and name[0] not in lock]

    assert missing(run, run_lock) == []
    assert missing(dev, dev_lock) == []
    assert missing([*dev, *groups["peers"]], peers_lock) == []
    assert {name for name in run_lock.keys() & dev_lock.keys() if run_lock[name] != dev_lock[name]} == set()
    assert {name for name in dev_lock.keys() & peers_lock.keys() if dev_lock[name] != peers_lock[name]} == set()
    assert f"pip-{run_lock['pip']}-" in " ".join(tracked("deploy/bootstrap"))


def test_every_verb_in_the_documents_exists() -> None:
    """Each `make verb` that a document names is in the Makefile, and README names the two to begin with."""
    verbs = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    named = {
        path: set(re.findall(r"`make ([a-z-]+)|^ *\$? ?make ([a-z-]+)", text_of(path), re.MULTILINE))
        for path in tracked("*.md")
    }
    flat = {path: {verb for pair in pairs for verb in pair if verb} for path, pairs in named.items()}

    assert {path: wrong for path, used in flat.items() if (wrong := used - verbs)} == {}
    assert flat["README.md"] >= {"demo", "test"}


def test_links_between_documents_lead_somewhere() -> None:
    """Each relative link in a Markdown file names a file of the checkout."""
    dead = [
        f"{path}: {target}"
        for path in tracked("*.md")
        for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text_of(path))
        if not (ROOT / path).parent.joinpath(target).exists()
    ]

    assert dead == []


def test_the_guide_for_agents_stays_short() -> None:
    """AGENTS.md is read whole at every start: under 80 lines."""
    assert len(text_of("AGENTS.md").splitlines()) < 80


def test_the_package_is_made_of_links_to_the_rooms() -> None:
    """`src/motet` holds a link to each of the six folders; folders of its own are `calls` and `testing`."""
    package = ROOT / "src" / "motet"
    folders = {entry.name: entry for entry in package.iterdir() if entry.is_dir() and entry.name != "__pycache__"}

    assert {name: str(entry.readlink()) for name, entry in folders.items() if entry.is_symlink()} == {
        room: f"../../{room}" for room in ROOMS
    }
    assert set(folders) - set(ROOMS) == {"calls", "testing"}


def test_help_comes_without_waiting() -> None:
    """`motet --help` imports none of the libraries that take seconds."""
    program = f"""
import sys
sys.argv = ["motet", "--help"]
from motet.server.__main__ import main
try:
    main()
finally:
    print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "serve" in done.stdout


def test_only_set_up_and_processor_import_the_opentelemetry_sdk() -> None:
    """Everything else uses the API, so a process without tracing loads and runs none of it."""
    importers = {
        path
        for path in tracked("src/motet/*.py", *(f"{room}/*.py" for room in ROOMS))
        for node in ast.walk(parsed(path))
        for name in imported(node)
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))
    }

    assert importers <= {"observability/setup.py", "observability/processor.py"}


def imported(node: ast.AST) -> list[str]:
    """Modules that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_every_setting_is_in_the_guide() -> None:
    """A setting that no document names is one that nobody finds."""
    source = ast.parse(text_of("server/settings.py"))
    [settings] = [node for node in source.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    fields = {
        node.target.id: ast.unparse(node.value) if node.value else ""
        for node in settings.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    aliases = {name: re.search(r"validation_alias='(\w+)'", value) for name, value in fields.items()}
    variables = {alias[1] if alias else f"MOTET_{name.upper()}" for name, alias in aliases.items()}
    guide = text_of("docs/guide.md")

    assert {name for name in variables if f"`{name}`" not in guide} == set()


def test_every_dependency_has_its_reason() -> None:
    """What is installed with Motet stands in the document that says why."""
    declared = project()["project"]
    asked = [*declared["dependencies"], *(one for extra in declared["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\[<>=]", one)[0] for one in asked}
    reasons = text_of("docs/design/0002-dependencies.md")

    assert {name for name in names if name not in reasons} == set()
