from __future__ import annotations

from pathlib import Path

import pytest

from estiba.errors import ConfigError
from estiba.service import requirements
from estiba.service.declarations.foreign import DEFAULT, FIRST, Index


def test_pyproject_goes_first(tmp_path: Path) -> None:
    """`[project] dependencies` and dependency groups are read, with included groups, in normal form."""
    table = {
        "project": {"dependencies": ["Django >= 5", "redis"]},
        "dependency-groups": {"test": ["pytest"], "dev": ["ruff", {"include-group": "test"}], "docs": ["sphinx"]},
    }
    found = requirements.load(tmp_path, table)

    assert found.source == "pyproject.toml"
    assert found.runtime == ("Django>=5", "redis")
    assert found.dev == ("pytest", "ruff")


def test_groups_can_be_named(tmp_path: Path) -> None:
    """Other dependency groups are locked as dev when the project says so."""
    table = {"project": {"dependencies": []}, "dependency-groups": {"qa": ["pytest"], "dev": ["ruff"]}}

    assert requirements.load(tmp_path, table, groups=["qa"]).dev == ("pytest",)


def test_unknown_group_is_an_error(tmp_path: Path) -> None:
    """A group that is not there is named."""
    table: dict[str, dict[str, list[str]]] = {"project": {"dependencies": []}, "dependency-groups": {"dev": []}}
    with pytest.raises(ConfigError, match="qa"):
        requirements.load(tmp_path, table, groups=["qa"])


def test_requirements_in_goes_before_requirements_txt(tmp_path: Path) -> None:
    """The loose file is the source where both are there; includes and constraints are followed."""
    (tmp_path / "requirements.in").write_text("-r base.in  # shared\n-c bounds.txt\nredis; python_version > '3'\n")
    (tmp_path / "base.in").write_text("django\\\n>=5\n\n# nothing\n")
    (tmp_path / "bounds.txt").write_text("urllib3<3\n")
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "requirements-dev.txt").write_text("pytest==8.0 --hash=sha256:00\n")
    found = requirements.load(tmp_path, {})

    assert found.source == "requirements.in"
    assert found.runtime == ("django>=5", 'redis; python_version > "3"')
    assert found.constraints == ("urllib3<3",)
    assert found.dev == ("pytest==8.0",)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x @ git+https://example.org/x.git", "names no commit: write the full ID"),
        ("x @ git+https://example.org/x.git@main", "names 'main', which may move"),
        ("git+https://example.org/x.git@" + "a" * 40, "has no name: write NAME @ git+https"),
        ("x @ https://example.org/x-1.0-py3-none-any.whl", "is the address of an archive"),
        ("hg+https://example.org/x@1", "is in no git repository"),
        ("./local", "there is no folder local"),
        ("../x-1.0.tar.gz", "lies outside of the service's folder"),
        ("-e .", "has no pyproject.toml or setup.cfg or setup.py"),
        ("--editable=./x", "there is no folder x"),
    ],
)
def test_direct_references_that_cannot_be_locked(tmp_path: Path, line: str, reason: str) -> None:
    """What is not the same tomorrow, or not in the folder, is refused with its place and what to write instead."""
    (tmp_path / "requirements.in").write_text(f"django\n{line}\n")
    with pytest.raises(ConfigError, match=r"requirements.in:2: ") as caught:
        requirements.load(tmp_path, {})

    assert reason in str(caught.value)


def test_own_name_is_no_package_of_an_index(tmp_path: Path) -> None:
    """Extras of the service itself are what it says of them, in turn and with their markers; its name is left out."""
    table = {
        "project": {
            "name": "Har_Bour",
            "dependencies": ["django"],
            "optional-dependencies": {
                "test": ["pytest", "har-bour[Slow_ones]"],
                "slow-ones": ["hypothesis", "har-bour[test]"],
            },
        },
        "dependency-groups": {"dev": ["har.bour[test]; python_version > '3'", "ruff"]},
    }
    found = requirements.load(tmp_path, table)

    mark = '; python_version > "3"'
    assert found.runtime == ("django",)
    assert found.dev == (f"hypothesis{mark}", f"pytest{mark}", "ruff")
    assert found.own == "har-bour"


def test_package_with_the_name_of_the_service_is_an_error(tmp_path: Path) -> None:
    """It would be left out without a word, since no index is asked for that name; a constraint asks for nothing."""
    table = {"project": {"name": "wagtail", "dependencies": ["wagtail>=6", "django"]}}
    with pytest.raises(ConfigError, match="'wagtail>=6' is the name of the service itself"):
        requirements.load(tmp_path, table)

    (tmp_path / "requirements.in").write_text("-c frozen.txt\ndjango\n")
    (tmp_path / "frozen.txt").write_text("wagtail==0.1\n")
    found = requirements.load(tmp_path, {"project": {"name": "wagtail"}})
    assert (found.runtime, found.constraints) == (("django",), ("wagtail==0.1",))


def test_unknown_extra_of_the_service_is_an_error(tmp_path: Path) -> None:
    """An extra that the service does not have is named."""
    table = {"project": {"name": "harbour", "dependencies": []}, "dependency-groups": {"dev": ["harbour[qa]"]}}
    with pytest.raises(ConfigError, match=r"harbour has no extra 'qa' in \[project.optional-dependencies\]"):
        requirements.load(tmp_path, table)


def test_folder_of_the_service_is_the_service(tmp_path: Path) -> None:
    """`-e .[test]` are extras of the service where its pyproject.toml has its name."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "harbour"\n')
    (tmp_path / "requirements.txt").write_text("-e .[test]\ndjango\n")
    table = {"project": {"name": "harbour", "optional-dependencies": {"test": ["pytest"]}}}

    assert requirements.load(tmp_path, table).runtime == ("django", "pytest")


def test_secrets_in_a_refused_address_are_hidden(tmp_path: Path) -> None:
    """A password in an address does not reach the terminal."""
    (tmp_path / "requirements.in").write_text("git+https://me:hunter2@example.org/x.git\n")
    with pytest.raises(ConfigError) as caught:
        requirements.load(tmp_path, {})

    assert "hunter2" not in str(caught.value)


def test_all_problems_are_listed(tmp_path: Path) -> None:
    """Malformed lines, options and missing files are told together, each with its place."""
    (tmp_path / "requirements.in").write_text("dja ngo\n--trusted-host x\n-r missing.in\n")
    with pytest.raises(ConfigError) as caught:
        requirements.load(tmp_path, {})

    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "requirements.in",
        "requirements.in",
        "missing.in",
    ]
    assert "set it in pip's configuration" in caught.value.problems[1]


@pytest.mark.parametrize(
    ("line", "rank"),
    [
        ("-i https://index.example/simple", DEFAULT),
        ("--index-url=https://index.example/simple", DEFAULT),
        ("--index-url 'https://index.example/simple'", DEFAULT),
        ("--extra-index-url https://index.example/simple", FIRST),
    ],
)
def test_index_in_a_file_is_one_of_the_project(tmp_path: Path, line: str, rank: str) -> None:
    """As pipenv writes it: `-i` stands for pip's own index, and its line is named."""
    (tmp_path / "requirements.txt").write_text(f"# of pipenv\n{line}\ndjango\n")

    found = requirements.load(tmp_path, {})

    assert found.runtime == ("django",)
    name = f"requirements.txt:2 {line.replace('=', ' ').split()[0]}"
    assert found.indexes == (Index(name=name, url="https://index.example/simple", rank=rank),)


def test_other_encodings_are_told(tmp_path: Path) -> None:
    """A byte order mark is passed over; what is not UTF-8 at all is named."""
    (tmp_path / "requirements.txt").write_bytes("django\n".encode("utf-8-sig"))
    assert requirements.load(tmp_path, {}).runtime == ("django",)

    (tmp_path / "requirements.txt").write_bytes("django\n".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"requirements\.txt: is not UTF-8"):
        requirements.load(tmp_path, {})


def test_odd_includes_are_followed(tmp_path: Path) -> None:
    """A file may lie outside of the folder, have quotes around it, or include the one that it is included by."""
    (tmp_path / "shared.txt").write_text("redis\n-r site/requirements.txt\n")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "own.txt").write_text("django\n")
    lines = f"-r {tmp_path}/shared.txt\n-r ../shared.txt\n--requirement='own.txt'\n--pre\n-r /none.txt\n"
    (folder / "requirements.txt").write_text(lines)

    found, problems = requirements.read(folder, {}, "requirements.txt")
    assert found == ("django", "redis")
    assert problems == (
        "requirements.txt:4: option --pre is not for this file; set it in pip's configuration (pip config)",
        "/none.txt: no such file",
    )


def test_options_are_read_as_pip_reads_them(tmp_path: Path) -> None:
    """A value may come right behind a short option, and have blanks within quotes."""
    (tmp_path / "my base.txt").write_text("django\n")
    (tmp_path / "limits.txt").write_text("django<6\n")
    (tmp_path / "requirements.txt").write_text("-r'my base.txt'\n-climits.txt\n-ihttps://corp.example/simple\n")
    found = requirements.load(tmp_path, {})
    assert (found.runtime, found.constraints) == (("django",), ("django<6",))
    assert [(one.url, one.rank) for one in found.indexes] == [("https://corp.example/simple", "default")]


ELSEWHERE = "is a file on another machine: save it beside this one and name that"


def test_options_that_would_be_lost_are_told(tmp_path: Path) -> None:
    """A file of another machine is no file here, and a second option of a line would be passed over."""
    lines = "-r https://me:secret@corp.example/r.txt\n-i https://a.example/simple --extra-index-url https://b.example/simple\n"
    (tmp_path / "requirements.txt").write_text(lines)
    assert requirements.read(tmp_path, {}, "requirements.txt")[1] == (
        f"requirements.txt:1: https://***@corp.example/r.txt {ELSEWHERE}",
        "requirements.txt:2: has several options; write each on a line of its own",
    )


def test_no_requirements_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that says nowhere what it needs is told where it could; the current folder has a name, too."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"^{tmp_path.name}: no requirements"):
        requirements.load(Path(), {})
    with pytest.raises(ConfigError, match="no requirements: neither"):
        requirements.load(tmp_path, {})


def test_runtime_groups_join_the_dependencies() -> None:
    """Groups that are named for the image belong to the running service, with or without other dependencies."""
    table = {"dependency-groups": {"prod": ["gunicorn"], "dev": ["pytest"]}}
    declared = {**table, "project": {"dependencies": ["django"]}}
    folder = Path("harbour")

    assert requirements.load(folder, declared, runtime_groups=["prod"]).runtime == ("django", "gunicorn")
    assert requirements.load(folder, table, runtime_groups=["prod"]).runtime == ("gunicorn",)


def test_extras_that_are_named_join_the_dependencies() -> None:
    """Optional dependencies are in the image if they are named, in any spelling of the name, and else are not."""
    optional = {"S3_store": ["boto3"], "sentry": ["sentry-sdk"]}
    declared = {"project": {"dependencies": ["django"], "optional-dependencies": optional}}
    folder = Path("harbour")

    assert requirements.load(folder, declared).runtime == ("django",)
    assert requirements.load(folder, declared, extras=["s3-store"]).runtime == ("boto3", "django")


def test_unknown_extra_is_an_error() -> None:
    """An extra that is not there is named, with those that are."""
    declared = {"project": {"dependencies": [], "optional-dependencies": {"sentry": ["sentry-sdk"]}}}
    with pytest.raises(ConfigError, match=r"there is no 'sentri', \[project.optional-dependencies\] has sentry"):
        requirements.load(Path("harbour"), declared, extras=["sentri"])


def test_unknown_runtime_group_is_an_error() -> None:
    """A group that is not there is named."""
    with pytest.raises(ConfigError, match="prod"):
        requirements.load(Path("harbour"), {"project": {"dependencies": []}}, runtime_groups=["prod"])
