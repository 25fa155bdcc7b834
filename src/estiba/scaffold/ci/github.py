"""Workflows of GitHub Actions (https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from estiba.scaffold.ci.pipeline import Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.scaffold.ci.pipeline import Job, Pipeline

COMMITS: Final = ".github/workflows/ci.yml"
RELEASES: Final = ".github/workflows/release.yml"

# The only action: GitHub's own, by a version that GitHub keeps unchanged. Its commit is not known without the network.
_CHECKOUT: Final = {
    "uses": "actions/checkout@v4.2.2",
    "with": {"submodules": True, "fetch-depth": 0},
}


def render(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """Return the workflows of a pipeline by their paths: one for commits, and one for tags if there are targets."""
    made = {COMMITS: _render_commits(pipeline)}
    if any(job.trigger is Trigger.TAG for job in pipeline.jobs):
        made[RELEASES] = _render_releases(pipeline)
    return made


def _render_commits(pipeline: Pipeline) -> dict[str, Any]:
    jobs = [job for job in pipeline.jobs if job.trigger is not Trigger.TAG]
    return {
        "name": "CI",
        "on": {"push": {"branches": ["**"]}, "pull_request": {}},
        "permissions": {"contents": "read"},
        "concurrency": {"group": "ci-${{ github.ref }}", "cancel-in-progress": True},
        "jobs": {job.name: _render_job(job, pipeline) for job in jobs},
    }


def _render_releases(pipeline: Pipeline) -> dict[str, Any]:
    jobs = [job for job in pipeline.jobs if job.trigger is Trigger.TAG]
    return {
        "name": "Release",
        # By hand, too: a release that waited for an approval goes on with its tag.
        "on": {"push": {"tags": [pipeline.tags]}, "workflow_dispatch": {}},
        # The logbook and the approvals are branches of the repository.
        "permissions": {"contents": "write"},
        "jobs": {job.name: _render_job(job, pipeline) for job in jobs},
    }


def _render_job(job: Job, pipeline: Pipeline) -> dict[str, Any]:
    settings = pipeline.settings
    needs: Mapping[str, Any] = {"needs": list(job.after)} if job.after else {}
    only = {"if": f"github.ref == 'refs/heads/{settings.branch}'"} if job.trigger is Trigger.MAIN else {}
    # Two releases to one target queue; neither is taken down in the middle.
    queue = {"group": f"release-{job.target}", "cancel-in-progress": False}
    of_target = {"environment": job.target, "concurrency": queue} if job.target else {}
    secrets = {name: f"${{{{ secrets.{name} }}}}" for name in settings.secrets if job.target or only}
    return {
        **only,
        **needs,
        "runs-on": settings.runner,
        **of_target,
        **({"env": secrets} if secrets else {}),
        "steps": [_CHECKOUT, {"run": job.command}],
    }
