from __future__ import annotations

import json
import sys

import pytest

from estiba import tasks
from estiba.errors import UsageError
from estiba.tasks.collection import load
from estiba.tasks.program import Program

WIDTH = 100
NAMESPACES = "approve, build, cache, chart, ci, compose, dev, image, lock, logbook, release, server, template"


@pytest.fixture
def estiba(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Estiba:
    """Return the program, as a process of its own would run it."""
    return Estiba(monkeypatch, capsys)


class Estiba:
    """Runs a command line, and returns its exit code and what it prints."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Run it."""
        self._monkeypatch.setattr(sys, "argv", ["estiba", *words])
        program = Program(namespace=load(tasks.__name__, list(tasks.__path__), words), binary="estiba")
        with pytest.raises(SystemExit) as caught:
            program.run()
        code = caught.value.code
        assert isinstance(code, int)
        return code, *self._capsys.readouterr()


def test_list_has_each_task_once_on_a_short_line(estiba: Estiba) -> None:
    """Nothing is listed twice, nothing is wrapped, nothing is left out."""
    code, out, _ = estiba("--list")
    lines = out.splitlines()

    assert code == 0
    assert [line for line in lines if len(line) > WIDTH] == []
    names = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(names) == sorted(load(tasks.__name__, list(tasks.__path__)).task_names)
    assert all(len(line.split()) > 1 for line in lines if line.startswith("  "))


def test_list_follows_the_work(estiba: Estiba) -> None:
    """What is done first stands first."""
    out = estiba("--list")[1]
    flow = ("  lock ", "  fetch ", "  build ", "  check ", "  image.push ", "  cache.push ", "  deploy ", "  new ")
    places = [out.index(name) for name in flow]

    assert places == sorted(places)
    assert "More:" not in out


def test_list_of_a_namespace_has_its_own_task(estiba: Estiba) -> None:
    """`--list build` is about everything that begins so."""
    _, out, _ = estiba("--list", "build")

    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ")] == ["build", "build.verify"]


def test_list_for_programs_has_all_tasks(estiba: Estiba) -> None:
    """Editors and other programs read JSON."""
    code, out, _ = estiba("--list", "--list-format", "json")
    listed = json.loads(out)

    assert code == 0
    assert {"adopt", "build"} <= {one["name"] for one in listed["tasks"]}
    assert NAMESPACES.split(", ") == sorted(one["name"] for one in listed["collections"])


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", sorted(load(tasks.__name__, list(tasks.__path__)).task_names))
def test_help_behind_a_task_is_its_help(estiba: Estiba, name: str, flag: str) -> None:
    """It is no value of what the task wants first, and what else is missing does not matter."""
    asked = estiba(name, flag)

    assert asked == estiba("--help", name)
    assert asked[0] == 0
    assert asked[1].startswith(f"Usage: estiba [--core-opts] {name} ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bulid"], "no task named 'bulid'; did you mean 'build'?\n  hint: estiba --list"),
        (["build.verfy"], "no task named 'build.verfy'; did you mean 'build.verify'?\n  hint: estiba --list"),
        (["lock", "fetsh"], "no task named 'fetsh'; did you mean 'fetch'?\n  hint: estiba --list"),
        (["--help", "bulid"], "no task named 'bulid'; did you mean 'build'?\n  hint: estiba --list"),
        (["qqq"], "no task named 'qqq'\n  hint: estiba --list"),
        (["--lst"], "no option named '--lst'; did you mean '--list'?\n  hint: estiba --help"),
        (
            ["fetch", "--dry-rnu"],
            (
                "no option of fetch named '--dry-rnu'; there is --dry-run, --everything, --help, --image, --json, "
                "--project; did you mean '--dry-run'?\n  hint: estiba fetch --help"
            ),
        ),
        (
            ["adopt", "--dry-rnu", "shop"],
            (
                "no option of adopt named '--dry-rnu'; there is --help, --estiba-url, --settings, --wsgi, --dry-run, "
                "--json; did you mean '--dry-run'?\n  hint: estiba adopt --help"
            ),
        ),
        (["logs", "--tail=-3"], "--tail takes a number that is not negative, not '-3'\n  hint: estiba logs --help"),
        (["logs", "--tail", "few"], "--tail takes a number, not 'few'\n  hint: estiba logs --help"),
        (["build", "--platform"], "Flag --platform needed value and was not given one!\n  hint: estiba build --help"),
        (
            ["--list", "imag"],
            f"no namespace 'imag'; there is {NAMESPACES}; did you mean 'image'?",
        ),
        (
            ["--list", "--list-format", "jsn"],
            "no list format 'jsn'; there is flat, nested, json; did you mean 'json'?",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistyped_words_are_answered_with_the_right_ones(estiba: Estiba, words: list[str], said: str) -> None:
    """The answer is one error on standard error, and the process fails."""
    assert estiba(*words) == (UsageError.exit_code, "", f"error: {said}\n")


@pytest.mark.parametrize(
    ("line", "flag"), [("estiba adopt --", "--dry-run"), ("estiba adopt --dr", "--dry-run"), ("estiba build -", "-p")]
)
def test_shells_are_offered_the_options_of_a_task(estiba: Estiba, line: str, flag: str) -> None:
    """Also while what the task wants first is missing."""
    code, out, _ = estiba("--complete", "--", line)

    assert (code, flag in out.split(), "--help" in out.split()) == (0, True, True)


def test_shells_are_not_shown_the_help(estiba: Estiba) -> None:
    """A line with `--help` in it goes on like any other."""
    assert "Usage" not in estiba("--complete", "--", "estiba adopt --help")[1]
