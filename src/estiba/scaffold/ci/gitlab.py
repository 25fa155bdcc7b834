"""Pipeline of GitLab CI (https://docs.gitlab.com/ci/yaml/)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ApprovalError
from estiba.scaffold.ci.pipeline import Trigger

if TYPE_CHECKING:
    from estiba.scaffold.ci.pipeline import Job, Pipeline

PATH: Final = ".gitlab-ci.yml"
_STAGES: Final = ("build", "test", "deploy")
# A job of a runner without Nix is a container in which nobody can set namespaces up.
_VARIABLES: Final = {"GIT_SUBMODULE_STRATEGY": "normal", "GIT_DEPTH": "0", "ESTIBA_SANDBOX": "container"}


def render(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """Return the pipeline by its path. Secrets are variables of the project, which GitLab hands to jobs by itself."""
    return {
        PATH: {
            "stages": list(_STAGES),
            "default": {"image": pipeline.settings.image, "interruptible": False},
            "variables": _VARIABLES,
            "workflow": {
                "rules": [
                    {"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'},
                    {"if": "$CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS", "when": "never"},
                    {"if": "$CI_COMMIT_BRANCH"},
                    {"if": _match_tag(pipeline)},
                ]
            },
            **{job.name: _render_job(job, pipeline) for job in pipeline.jobs},
        }
    }


def _match_tag(pipeline: Pipeline) -> str:
    """Return the condition for the tag of a release, with the glob as RE2 has it."""
    pattern = ".*".join(re.escape(part) for part in pipeline.tags.split("*")).replace("/", r"\/")
    return f"$CI_COMMIT_TAG =~ /^{pattern}$/"


def _render_job(job: Job, pipeline: Pipeline) -> dict[str, Any]:
    rules: dict[Trigger, dict[str, Any]] = {
        Trigger.COMMIT: {},
        Trigger.MAIN: {"rules": [{"if": f'$CI_COMMIT_BRANCH == "{pipeline.settings.branch}"'}]},
        Trigger.TAG: {"rules": [{"if": _match_tag(pipeline), **({"when": "manual"} if job.is_manual else {})}]},
    }
    of_target = {
        "environment": {"name": job.target},
        # Two releases to one target queue.
        "resource_group": f"release-{job.target}",
        # The exit code of a release that waits for an approval: the job is run again once there is one.
        "allow_failure": {"exit_codes": [ApprovalError.exit_code]},
    }
    return {
        "stage": job.stage,
        **rules[job.trigger],
        **({"needs": list(job.after)} if job.after else {}),
        **(of_target if job.target else {}),
        "script": [job.command],
    }
