"""A real browser without a screen: Debian's Chromium, led by Playwright; axe looks for what keeps people out."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.services import debian, distributions

from estiba import config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHONE: Final = {"width": 360, "height": 740}
"""Pixels of a small phone's screen."""

_PACKAGES: Final = ("chromium", "fonts-dejavu-core")
_REQUIREMENTS: Final = ("playwright==1.65.2", "axe-playwright-python==0.1.8")
_OPTIONS: Final = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-crash-reporter")
_RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


@contextmanager
def run(folder: Path) -> Iterator[Any]:
    """Run the browser until the end of the block, and yield it as Playwright has it."""
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(debian.inside(*_PACKAGES))} /usr/bin/chromium "$@"\n')
    program.chmod(0o755)
    sys.path.insert(0, str(distributions.install(*_REQUIREMENTS)))
    # Only there from now on.
    from playwright.sync_api import sync_playwright  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    # Of its Node alone, which a fresh Debian has not.
    (libraries,) = debian.unpack("libatomic1").glob("usr/lib/*-linux-gnu")
    env = config.load().environment(HOME=str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", str(libraries))
        playwright = sync_playwright().start()
    try:
        # What it writes about itself belongs with the test.
        browser = playwright.chromium.launch(executable_path=str(program), args=list(_OPTIONS), env=env)
        yield browser
        browser.close()
    finally:
        playwright.stop()


def listen(page: Any) -> list[str]:  # noqa: ANN401 - Playwright's, which has no types before it is installed
    """Return a list of what the browser complains about, which grows; the status of a page is no complaint."""
    said: list[str] = []

    def note(message: Any) -> None:  # noqa: ANN401 - as above
        if message.type in {"error", "warning"} and message.location["url"] != page.url:
            said.append(f"{message.text} ({message.location['url']})")

    page.on("console", note)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def find_barriers(page: Any, *ignored: str) -> list[str]:  # noqa: ANN401 - as above
    """Return what axe finds against the Web Content Accessibility Guidelines 2.1, A and AA, but for some rules."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    found = Axe().run(page, options=_RULES).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found if one["id"] not in ignored for node in one["nodes"]]


def is_too_wide(page: Any) -> bool:  # noqa: ANN401 - as above
    """Tell whether one has to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
