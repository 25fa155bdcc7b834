"""Pipeline of Concourse (https://concourse-ci.org/docs/pipelines/)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError
from estiba.imageref import parse_local
from estiba.scaffold.ci.pipeline import Trigger

if TYPE_CHECKING:
    from estiba.scaffold.ci.pipeline import Job, Pipeline

PATH: Final = ".ci/pipeline.yml"
CACHE_PATH: Final = ".ci/cache.yml"
_SOURCES: Final = {Trigger.COMMIT: "main", Trigger.MAIN: "main", Trigger.TAG: "tag"}


def render(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """Return the pipelines by their paths: that of the service, and that of its binary cache if it has one.

    Raises:
        ConfigError: The settings do not say where the service's repository is.
    """
    if not pipeline.settings.repository:
        where = "pyproject.toml [tool.estiba.ci]"
        raise ConfigError(where, ["Concourse needs 'repository', the address of the service's Git repository"])
    # The cache's pipeline is one of its own, as it may be paused or run again without the service's.
    own = [job for job in pipeline.jobs if job.trigger is not Trigger.MAIN]
    cache = [job for job in pipeline.jobs if job.trigger is Trigger.MAIN]
    made = {PATH: _render(pipeline, own)}
    return {**made, **({CACHE_PATH: _render(pipeline, cache)} if cache else {})}


def _render(pipeline: Pipeline, jobs: list[Job]) -> dict[str, Any]:
    source = {"uri": pipeline.settings.repository}
    sources = {
        "main": {**source, "branch": pipeline.settings.branch},
        "tag": {**source, "branch": pipeline.settings.branch, "tag_filter": pipeline.tags},
    }
    used = [name for name in sources if any(_SOURCES[job.trigger] == name for job in jobs)]
    return {
        "resources": [
            {"name": name, "type": "git", "icon": "git", "check_every": "1m", "source": sources[name]} for name in used
        ],
        "jobs": [_render_job(job, pipeline) for job in jobs],
    }


def _render_job(job: Job, pipeline: Pipeline) -> dict[str, Any]:
    source = _SOURCES[job.trigger]
    get: dict[str, Any] = {"get": "service", "resource": source, "params": {"submodules": "all"}}
    if job.after:
        get["passed"] = list(job.after)
    if not job.is_manual:
        get["trigger"] = True
    secrets = {name: f"(({name}))" for name in pipeline.settings.secrets if job.trigger is not Trigger.COMMIT}
    name, tag = parse_local(pipeline.settings.image)
    program, *arguments = shlex.split(job.command)
    config = {
        "platform": "linux",
        "image_resource": {"type": "registry-image", "source": {"repository": name, "tag": tag}},
        "inputs": [{"name": "service"}],
        "params": {"ESTIBA_SANDBOX": "container", **secrets},
        "run": {"path": program, "dir": "service", "args": arguments},
    }
    # Two releases to one target queue.
    return {
        "name": job.name,
        "serial": True,
        **({"serial_groups": [f"release-{job.target}"]} if job.target else {}),
        "plan": [get, {"task": job.name, "config": config}],
    }
