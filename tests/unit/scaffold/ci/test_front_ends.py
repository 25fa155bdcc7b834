from __future__ import annotations

import itertools
import re
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from estiba.errors import ConfigError, DriftError
from estiba.scaffold.ci import concourse, front_ends, github, gitlab, pipeline, settings
from estiba.service import project as projects
from estiba.tasks import ns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.service.project import Project

SHOP = Path(__file__).parents[3] / "fixtures" / "services" / "shop"
TABLES = """
[ci]
repository = "https://git.example/team/shop"
cache = "https://cache.example/"
secrets = ["REGISTRY_TOKEN"]
"""
RELEASES = pipeline.Releases(targets=("staging", "production"), tags="v*")
PREFIX = r"\.ci/estiba/nixw develop path:\.ci/estiba#(build|default) --command invoke "


@pytest.fixture
def service(tmp_path: Path) -> Project:
    """Return a service whose folder has nothing in it."""
    return configured(TABLES, tmp_path)


def configured(text: str, folder: Path = SHOP) -> Project:
    """Return the sample service with another table `[tool.estiba.ci]`."""
    tables = tomllib.loads(text)
    return replace(projects.load(SHOP), folder=folder, ci=tables["ci"] if tables else {})


def read(service: Project, kind: str, releases: pipeline.Releases = RELEASES) -> dict[str, Any]:
    """Return the rendered files of a system as its parser sees them."""
    front_ends.render(service, [kind], releases)
    paths = front_ends.KINDS[kind](pipeline.plan(service, releases))
    # YAML 1.1 has `on` for true, which is why GitHub's key is written in quotes.
    return {path: yaml.safe_load((service.folder / path).read_text()) for path in paths}


def commands(service: Project) -> Iterator[tuple[str, str]]:
    """Yield system and command of every job."""
    for file in read(service, "github").values():
        for job in file["jobs"].values():
            yield "github", " ".join(shlex.split("\n".join(step["run"] for step in job["steps"] if "run" in step)))
    (file,) = read(service, "gitlab").values()
    for job in file.values():
        if isinstance(job, dict) and "stage" in job:
            yield "gitlab", " ".join(shlex.split("\n".join(job["script"])))
    for file in read(service, "concourse").values():
        for job in file["jobs"]:
            (run,) = [step["config"]["run"] for step in job["plan"] if "task" in step]
            yield "concourse", " ".join([run["path"], *run["args"]])


def test_all_systems_run_the_same_commands(service: Project) -> None:
    """What differs between them is how a job is started, never what it does."""
    by_kind = {
        kind: sorted(command for _, command in pairs)
        for kind, pairs in itertools.groupby(sorted(commands(service)), key=lambda pair: pair[0])
    }

    assert set(by_kind) == set(front_ends.KINDS)
    assert by_kind["github"] == by_kind["gitlab"] == by_kind["concourse"]
    jobs = pipeline.plan(service, RELEASES).jobs
    assert by_kind["github"] == sorted(" ".join(shlex.split(job.command)) for job in jobs)


def test_each_job_is_one_call_of_invoke(service: Project) -> None:
    """There is no logic in YAML: no second command, no pipe, no variable, no condition of a shell."""
    for _, command in commands(service):
        assert re.fullmatch(PREFIX + r"[\w.:/ -]+", command), command


def test_every_task_is_one_that_there_is(service: Project) -> None:
    """A job calls declared tasks; those of releases are where this library has them."""
    known = {*ns.task_names, "release"}
    for job in pipeline.plan(service, RELEASES).jobs:
        words = itertools.takewhile(lambda word: word != "--target", job.tasks)
        tasks = [word for word in words if not word.startswith(("-", "https:"))]
        assert set(tasks) <= known, job.name


def test_targets_follow_one_another(service: Project) -> None:
    """Staging is released by itself, production by a person and after staging."""
    found = {job.name: (job.after, job.is_manual) for job in pipeline.plan(service, RELEASES).jobs if job.target}

    assert found == {"staging": ((), False), "production": (("staging",), True)}


def test_service_without_targets_has_no_releases() -> None:
    """This machine is no place that a CI system can release to."""
    planned = pipeline.plan(configured(""), pipeline.Releases(targets=("local",), tags="v*"))

    assert [job.name for job in planned.jobs] == ["build", "check"]
    assert list(github.render(planned)) == [github.COMMITS]


def test_releases_of_one_target_queue(service: Project) -> None:
    """No system runs two at a time, and none takes one down in the middle."""
    workflows, (jobs,) = read(service, "github"), read(service, "gitlab").values()
    tasks = {job["name"]: job for job in read(service, "concourse")[concourse.PATH]["jobs"]}
    for name in ("staging", "production"):
        queue = {"group": f"release-{name}", "cancel-in-progress": False}
        assert workflows[github.RELEASES]["jobs"][name]["concurrency"] == queue
        assert jobs[name]["resource_group"] == f"release-{name}"
        assert tasks[name]["serial_groups"] == [f"release-{name}"]


def test_rights_are_the_least(service: Project) -> None:
    """Who builds a proposed change can write nothing and sees no secret."""
    workflows = read(service, "github")
    commits = workflows[github.COMMITS]

    assert commits["permissions"] == {"contents": "read"}
    assert "env" not in commits["jobs"]["build"]
    assert "env" not in commits["jobs"]["check"]
    assert workflows[github.RELEASES]["permissions"] == {"contents": "write"}


def test_only_a_tag_releases(service: Project) -> None:
    """The tag is the one of the service's settings."""
    tagged = replace(RELEASES, tags="shop/v*")

    assert read(service, "github", tagged)[github.RELEASES]["on"]["push"] == {"tags": ["shop/v*"]}
    rules = read(service, "gitlab", tagged)[gitlab.PATH]["production"]["rules"]
    assert rules == [{"if": r"$CI_COMMIT_TAG =~ /^shop\/v.*$/", "when": "manual"}]
    assert read(service, "concourse", tagged)[concourse.PATH]["resources"][1]["source"]["tag_filter"] == "shop/v*"


def test_rendering_is_what_the_check_wants(service: Project) -> None:
    """A second rendering changes nothing; a change by hand is named with the command that mends it."""
    with pytest.raises(DriftError, match="no file of a CI system"):
        front_ends.check(service, RELEASES)
    assert front_ends.render(service, ["gitlab"], RELEASES) == (gitlab.PATH,)
    assert front_ends.render(service, ["gitlab"], RELEASES) == ()
    front_ends.check(service, RELEASES)

    with (service.folder / gitlab.PATH).open("a") as file:
        file.write("extra: {script: [rm -rf /]}\n")
    with pytest.raises(DriftError) as caught:
        front_ends.check(service, RELEASES)
    assert (caught.value.message, caught.value.hint, caught.value.exit_code) == (
        "not what pyproject.toml says: .gitlab-ci.yml",
        "invoke ci.render",
        2,
    )


def test_concourse_wants_to_know_the_repository() -> None:
    """It does not lie beside the repository, as the others do."""
    with pytest.raises(ConfigError, match="'repository'"):
        concourse.render(pipeline.plan(configured(""), RELEASES))


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("brach = 'main'", "unknown key 'brach', did you mean 'branch'?"),
        ("image = 3", "'image' must be a string in one line, not 3"),
        ("cache = 'https://x\\n- rm'".replace("'", '"'), "'cache' must be a string in one line"),
        ("secrets = ['a-b']", "'secrets' must be a list of names such as 'REGISTRY_TOKEN'"),
    ],
    ids=["unknown", "type", "lines", "secret"],
)
def test_unusable_settings_are_named(table: str, problem: str) -> None:
    """The message has the setting and what it may be."""
    with pytest.raises(ConfigError, match=re.escape(problem)):
        settings.parse(configured(f"[ci]\n{table}"))
