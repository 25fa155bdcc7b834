"""The documentation agrees with the code."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import subprocess
from pathlib import Path

import pytest

from estiba import config, errors
from estiba import tasks as library
from estiba.deploy.host import settings as host
from estiba.deploy.kubernetes import settings as kubernetes
from estiba.deploy.ssh import requirements as server
from estiba.release import review, watch
from estiba.release import settings as release
from estiba.release.approval import policy
from estiba.release.gates.registry import GATES
from estiba.release.logbook import settings as logbook
from estiba.release.notify import settings as notify
from estiba.scaffold.ci import settings as ci
from estiba.service import processes, project
from estiba.tasks.collection import load, render_reference

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def chapter(page: str, heading: str = "") -> str:
    """Return the text of a page, or of one of its chapters."""
    text = (ROOT / "docs" / page).read_text()
    return text.partition(heading)[2].split("\n## ")[0] if heading else text


def first_column(page: str, heading: str = "") -> set[str]:
    """Return what stands in the first column of the tables of a page, or of one of its chapters."""
    return set(re.findall(r"^\| `?([\w-]+)`?", chapter(page, heading), re.MULTILINE))


def test_every_setting_is_explained() -> None:
    """Each key of `[tool.estiba]` stands in the table, and no other."""
    assert first_column("configuration.md", "## `[tool.estiba]`") - {"key", "---"} == set(project._KEYS)


@pytest.mark.parametrize(
    ("page", "heading", "keys"),
    [
        ("host.md", "## Settings", {*host._KEYS, "kind", "server", "ssh"}),
        ("kubernetes.md", "", {*kubernetes._KEYS}),
        ("ssh.md", "## What the service asks of the server", {*server._DEFAULTS}),
        ("configuration.md", "## Processes", {*processes._KEYS}),
        ("release.md", "## Settings", {*release._KEYS} - {"logbook", "notify", "review", "watch"}),
        ("gates.md", "", {*GATES, *policy._KEYS}),
        ("logbook.md", "", {*logbook._DEFAULTS, *notify._DEFAULTS, *review._DEFAULTS, *watch._DEFAULTS}),
        ("ci.md", "## What a runner needs", {*ci._TEXTS, ci._SECRETS}),
    ],
    ids=["host", "kubernetes", "server", "processes", "release", "gates", "logbook", "ci"],
)
def test_every_key_of_a_table_is_explained(page: str, heading: str, keys: set[str]) -> None:
    """Each key of the tables below `[tool.estiba]` stands in the table of its page, and no other."""
    rows = re.findall(r"^\| (`[^|]*`) \|", chapter(page, heading), re.MULTILINE)

    assert {key for row in rows for key in re.findall(r"`([\w-]+)`", row)} == keys


def test_every_variable_is_explained() -> None:
    """Each environment variable stands in the table, and no other."""
    names = {value for name, value in vars(config).items() if name.startswith("ENV_")}

    assert first_column("configuration.md", "## Environment") - {"variable", "---"} == names


def test_every_exit_code_is_explained() -> None:
    """Each exit code of an error stands in the table."""
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    codes = {str(cause.exit_code) for cause in classes if issubclass(cause, errors.EstibaError)}

    assert codes <= first_column("troubleshooting.md")


def test_exit_codes_that_pages_name_are_explained() -> None:
    """Each exit code that a page names stands in the table of them, but for those of the image's entry point."""
    image = {"69"}
    named = {code for page in PAGES for code in re.findall(r"\bexit\s+code\s+(\d+)", page.read_text())}

    assert named - image <= first_column("troubleshooting.md")


def test_tasks_page_is_current() -> None:
    """`docs/tasks.md` is what `invoke docs` writes."""
    reference = render_reference(load(library.__name__, list(library.__path__)))

    assert (ROOT / "docs" / "tasks.md").read_text() == reference, "run `invoke docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file of this repository finds it."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_headings_find_them(page: Path) -> None:
    """A link to a heading of a page finds one of that name."""
    links = re.findall(r"\]\((?!https?:)([^)#]*\.md|)#([^)]+)\)", page.read_text())

    assert [anchor for name, anchor in links if anchor not in anchors(page.parent / name if name else page)] == []


@pytest.mark.parametrize("readme", ["README.md", "README.es.md"])
def test_every_page_is_reached(readme: str) -> None:
    """Whoever begins with a README finds each page of `docs` from there."""
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)", (ROOT / readme).read_text()))

    assert {page.name for page in (ROOT / "docs").glob("*.md")} - linked == set()


def test_changes_are_told_once() -> None:
    """The changelog has the headings of Keep a Changelog, each once for a version, and no entry twice."""
    versions = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1:]
    headings = [re.findall(r"^### (.+)$", text, re.MULTILINE) for text in versions]
    entries = [
        entry.strip() for text in versions for entry in re.split(r"^(?:- |### .*)", text, flags=re.MULTILINE)[1:]
    ]

    assert all(set(found) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"} for found in headings)
    assert all(len(set(found)) == len(found) for found in headings)
    assert sorted(entry for entry in set(entries) if entry and entries.count(entry) > 1) == []


def test_both_languages_show_the_same_commands() -> None:
    """The two READMEs have the same code."""
    english, spanish = ((ROOT / name).read_text() for name in ("README.md", "README.es.md"))
    commands = re.compile(r"^\$ .*$|^ +\w.*= .*$|^\w[\w-]* = \S+", re.MULTILINE)

    assert commands.findall(english) == commands.findall(spanish)


PLACE = re.compile(r"`((?:src|nix|tests|docs|cookiecutter-template)/[^`\s:]*)(?:::([\w.]+))?`")
"""A path of this repository, and after `::` a name that is defined in that file."""


def expand(pattern: str) -> list[str]:
    """Return the paths that a pattern with `{one,other}` stands for."""
    parts = re.split(r"\{([^}]*)\}", pattern)
    choices = [part.split(",") if number % 2 else [part] for number, part in enumerate(parts)]
    return ["".join(combination) for combination in itertools.product(*choices)]


def defined(file: Path) -> set[str]:
    """Return the names that a Python or Nix file defines, methods with their class."""
    if file.suffix == ".nix":
        return set(re.findall(r"^\s*([\w-]+) =", file.read_text(), re.MULTILINE))
    body = ast.parse(file.read_text()).body
    functions = (ast.FunctionDef, ast.ClassDef)
    names = {node.name for node in body if isinstance(node, functions)}
    names |= {ast.unparse(node.target) for node in body if isinstance(node, ast.AnnAssign)}
    classes = (node for node in body if isinstance(node, ast.ClassDef))
    return names | {f"{one.name}.{node.name}" for one in classes for node in one.body if isinstance(node, functions)}


def test_contributing_names_what_is_there() -> None:
    """Each path in CONTRIBUTING exists, and each name after `::` is defined in that file."""
    named = PLACE.findall((ROOT / "CONTRIBUTING.md").read_text())
    missing = [path for pattern, _ in named for path in expand(pattern) if not list(ROOT.glob(path))]
    undefined = [f"{path}::{name}" for path, name in named if name and name not in defined(ROOT / path)]

    assert any(name for _, name in named), "the pattern finds nothing"
    assert missing == []
    assert undefined == []


def test_files_that_are_named_are_there() -> None:
    """Scripts, Nix files and comments name files of this repository by paths that exist; a moved file is named anew."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    path = re.compile(r"\b(?:src/estiba|nix/(?:build|bootstrap|lib|seed|service))/[\w./-]*\.(?:py|sh|nix|json)\b")
    missing = {
        f"{name}: {found}"
        for name in filter(None, listed.split("\0"))
        if name != "CHANGELOG.md" and (ROOT / name).is_file()
        for found in path.findall((ROOT / name).read_text(errors="replace"))
        if not (ROOT / found).exists()
    }

    assert missing == set()


def test_flow_is_the_folders() -> None:
    """README's picture shows stages that are folders of the library, in the order of CONTRIBUTING's chain and text."""
    stages = re.findall(r'class="stage"[^>]*>([^<]+)<', (ROOT / "docs" / "flow.svg").read_text())
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    (chain,) = re.findall(r"Imports go one way: `([^`]+)`", contributing)
    folders = re.findall(r"\w+", chain)[::-1]

    assert [stage for stage in stages if not (ROOT / "src" / "estiba" / stage).is_dir()] == []
    assert sorted(stages, key=folders.index) == stages
    assert f"the flow: `{' → '.join(stages)}`" in contributing


@pytest.mark.parametrize("page", ["README.md", "README.es.md"])
def test_picture_is_described(page: str) -> None:
    """The alternative text of the picture names its stages in order."""
    stages = re.findall(r'class="stage"[^>]*>([^<]+)<', (ROOT / "docs" / "flow.svg").read_text())
    (text,) = re.findall(r"!\[([^]]+)\]\(docs/flow\.svg\)", (ROOT / page).read_text())

    assert [word for word in re.findall(r"\w+", text) if word in stages] == stages
