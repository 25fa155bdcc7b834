"""The files of CI systems against what the systems publish about them, and one job as its runner would run it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.services import shop as shop_service
from tests.services import workflows
from tests.services.harbour import invoke

from estiba import config
from estiba.scaffold import new
from estiba.scaffold.ci import concourse, front_ends, gitlab
from estiba.scaffold.ci.pipeline import Releases
from estiba.service import project as projects

ROOT = Path(__file__).parents[3]
TINY = ROOT / "tests" / "fixtures" / "services" / "tiny"
SETTINGS = """
[tool.estiba.ci]
repository = "https://git.example/team/harbour"
cache = "https://cache.example/"
secrets = ["REGISTRY_TOKEN"]
"""
RELEASES = Releases(targets=("staging", "production"), tags="v*")
IDENTITY = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "protocol.file.allow=always")

TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
NAMED = {"type": "object", "required": ["name"]}


def closed(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:  # noqa: ANN401 - any schema
    """Return the schema of a table that has these keys and no others."""
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


GET = closed(
    ("get",),
    get=TEXT,
    resource=TEXT,
    params={"type": "object"},
    passed={"type": "array", "items": TEXT},
    trigger={"type": "boolean"},
)
TASK_CONFIG = closed(
    ("platform", "run"),
    platform={"enum": ["linux", "darwin", "windows"]},
    image_resource=closed(("type", "source"), type=TEXT, source={"type": "object"}),
    inputs={"type": "array", "items": closed(("name",), name=TEXT)},
    params={"type": "object", "additionalProperties": {"type": "string"}},
    run=closed(("path",), path=TEXT, dir=TEXT, args={"type": "array", "items": TEXT}),
)
TASK = closed(("task", "config"), task=TEXT, config=TASK_CONFIG)
PIPELINE = closed(
    ("jobs",),
    resources={
        "type": "array",
        "items": closed(
            ("name", "type", "source"),
            name=TEXT,
            type={"const": "git"},
            icon=TEXT,
            check_every=TEXT,
            source=closed(("uri",), uri=TEXT, branch=TEXT, tag_filter=TEXT),
        ),
    },
    jobs={
        "type": "array",
        "items": closed(
            ("name", "plan"),
            name=TEXT,
            serial={"type": "boolean"},
            serial_groups={"type": "array", "items": TEXT},
            plan={"type": "array", "items": {"anyOf": [GET, TASK]}},
        ),
    },
)
"""What Concourse's documentation says of the keys that are used (https://concourse-ci.org/docs/pipelines/).

Concourse itself cannot be had for this test: that it takes the pipeline is not proved here. `fly validate-pipeline
--strict --config .ci/pipeline.yml` proves it where there is one.
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new service with the files of all systems."""
    folder = new.create(tmp_path_factory.mktemp("new") / "harbour")
    with (folder / "pyproject.toml").open("a") as file:
        file.write(SETTINGS)
    front_ends.render(projects.load(folder), list(front_ends.KINDS), RELEASES)
    return folder


@pytest.mark.parametrize("name", ["ci.yml", "release.yml"])
def test_actionlint_has_no_findings(made: Path, name: str) -> None:
    """It knows keys, contexts, labels of runners and how expressions are typed."""
    argv = [str(workflows.bring_actionlint()), "-shellcheck=", str(made / ".github" / "workflows" / name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=made)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize(
    ("path", "options"),
    [
        (".github/workflows/ci.yml", ["vendor.github-workflows"]),
        (".github/workflows/release.yml", ["vendor.github-workflows"]),
        (".gitlab-ci.yml", ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
    ],
)
def test_published_schema_takes_it(made: Path, path: str, options: list[str]) -> None:
    """The schema is the one that the system's editor uses."""
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *options, str(made / path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [concourse.PATH, concourse.CACHE_PATH])
def test_concourse_knows_the_keys(made: Path, tmp_path: Path, path: str) -> None:
    """They have the form of its documentation, and names lead to what there is."""
    (schema := tmp_path / "schema.json").write_text(json.dumps(PIPELINE))
    argv = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), str(made / path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    read = yaml.safe_load((made / path).read_text())

    assert done.returncode == 0, done.stdout
    jobs, resources = ({one["name"] for one in read[key]} for key in ("jobs", "resources"))
    gets = [step for job in read["jobs"] for step in job["plan"] if "get" in step]
    assert {step["resource"] for step in gets} == resources
    assert {name for step in gets for name in step.get("passed", ())} <= jobs


def git(folder: Path, *arguments: str) -> None:
    """Run Git, which may take submodules from this machine."""
    subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh clone of a service that was tagged for a release to a target on this machine."""
    top = tmp_path_factory.mktemp("ci")
    origin = shutil.copytree(TINY, top / "tiny", ignore=shutil.ignore_patterns("__pycache__", ".estiba"))
    (origin / "flake.nix").write_text(shop_service.FLAKE)
    (origin / "tasks.py").write_text(shop_service.TASKS)
    database = origin / "tiny" / "settings.py"
    database.write_text(database.read_text().replace(":memory:", "/app/data/db.sqlite3"))
    settings = (origin / "pyproject.toml").read_text()
    settings = settings.replace("[tool.estiba]\n", "[tool.estiba]\ncheck-level = 'ERROR'\npersist = ['data']\n")
    target = f"\n[tool.estiba.targets.staging]\nfolder = {json.dumps(str(top / 'staging'))}\n"
    (origin / "pyproject.toml").write_text(f"{settings}{target}")
    git(origin, "init", "--quiet")
    git(origin, "submodule", "--quiet", "add", str(ROOT), ".ci/estiba")
    front_ends.render(projects.load(origin), ["gitlab"], Releases(targets=("staging",), tags="v*"))
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "--message", "Begin")
    git(origin, "tag", "v0.1.0")
    git(top, "clone", "--quiet", "--recurse-submodules", str(origin), "clone")
    return top / "clone"


def run_job(clone: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run the line of a job as its runner does."""
    (script,) = yaml.safe_load((clone / gitlab.PATH).read_text())[name]["script"]
    env = config.load().environment(ESTIBA_STATE_DIR=str(clone.parent / "state"), GITLAB_USER_LOGIN="ana")
    return subprocess.run(["sh", "-c", script], cwd=clone, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "said"), [("build", "sha256:"), ("check", "")])
def test_job_runs_in_a_fresh_clone(clone: Path, name: str, said: str) -> None:
    """With nothing but the clone and its submodule; all systems have the same lines (`test_front_ends.py`)."""
    done = run_job(clone, name)

    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_job_of_a_target_releases_the_tag(clone: Path) -> None:
    """To where it says, with an entry of the CI system's user; again, it has nothing to do."""
    try:
        done = run_job(clone, "staging")
        again = run_job(clone, "staging")
    finally:
        invoke(clone, "down", "--target=staging")

    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    entry = json.loads(invoke(clone, "logbook.list", "--json").stdout)["entries"][0]
    assert (entry["actor"], entry["command"], entry["result"]) == ("ana", "deploy", "deployed")
