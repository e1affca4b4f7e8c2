"""A report in a real browser: it stands without a network, on a telephone, in the dark, and on paper."""

from __future__ import annotations

import html as escaping
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.observability.evaluation.experiments_made import dataset, experiment, trajectory

from motet.observability.evaluation.report import html
from motet.observability.evaluation.report.reported import reported

pytestmark = pytest.mark.all

_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
_MEASURED = """<!doctype html><title>waits</title><body style="margin:0">
<iframe style="width:{width}px;height:9000px;border:0" srcdoc="{page}"></iframe><script>
addEventListener("load", () => {{
  const told = document.querySelector("iframe").contentDocument;
  const wide = [...told.querySelectorAll("svg[role=img], h1, h2, h3, p, .card, .example, figure, nav")]
    .filter((one) => one.getBoundingClientRect().right > {width} + 1 && !one.closest("nav, .wide"));
  document.body.dataset.found = JSON.stringify({{
    over: told.documentElement.scrollWidth, wide: wide.map((one) => one.outerHTML.slice(0, 80)),
    paper: getComputedStyle(told.body).backgroundColor,
    text: getComputedStyle(told.querySelector("svg .name")).fontSize,
    failures: told.querySelectorAll("#failures tbody tr").length,
  }});
}});
</script>"""


@pytest.fixture(scope="module")
def page() -> str:
    """A realistic one."""
    return html.page(reported([experiment()], trajectories=trajectory, datasets=[dataset()]))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is missing: on Debian, apt-get install chromium")
    return found


def browsed(chromium: str, folder: Path, file: Path, *options: str) -> str:
    """What Chromium prints of `file`, with a profile of its own and no name that it could look up."""
    profile = f"--user-data-dir={folder / 'profile'}"
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"
    command = [chromium, *_QUIET, profile, offline, *options, file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout


def measured(chromium: str, folder: Path, page: str, width: int, *options: str) -> str:
    """What the page says of itself, laid out in a frame so wide."""
    file = folder / "measured.html"
    file.write_text(_MEASURED.format(width=width, page=escaping.escape(page)), "utf-8")
    told = browsed(chromium, folder, file, "--virtual-time-budget=5000", "--dump-dom", *options)
    return escaping.unescape(told.partition('data-found="')[2].partition('">')[0])


@pytest.mark.parametrize("width", [360, 400, 1280])
def test_nothing_is_wider_than_the_screen(chromium: str, page: str, tmp_path: Path, width: int) -> None:
    """From a telephone to a desk: only tables scroll, inside themselves; plots' letters stay readable."""
    found = measured(chromium, tmp_path, page, width)

    assert f'"over":{width},' in found
    assert '"wide":[]' in found
    assert '"text":"12px"' in found
    assert '"failures":4' in found


def test_it_is_dark_where_the_system_is(chromium: str, page: str, tmp_path: Path) -> None:
    """The paper's colour follows the preference."""
    light = measured(chromium, tmp_path, page, 1280, "--blink-settings=preferredColorScheme=1")
    dark = measured(chromium, tmp_path, page, 1280, "--blink-settings=preferredColorScheme=0")

    assert '"paper":"rgb(255, 255, 255)"' in light
    assert '"paper":"rgb(20, 23, 27)"' in dark


def test_it_is_seen_and_printed(chromium: str, page: str, tmp_path: Path) -> None:
    """A picture that isn't empty, and a PDF of a few pages."""
    file = tmp_path / "report.html"
    file.write_text(page, "utf-8")

    browsed(chromium, tmp_path, file, "--window-size=1280,2000", f"--screenshot={tmp_path / 'seen.png'}")
    browsed(chromium, tmp_path, file, "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'report.pdf'}")

    assert (tmp_path / "seen.png").stat().st_size > 100_000
    printed = (tmp_path / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert 4 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 40
