"""What each kind of step does, and how a step that is done is verified before it is skipped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estiba import release_manifest
from estiba.errors import ApprovalError, DeployError, EstibaError, RolledBackError, StrandedError
from estiba.release import changelog
from estiba.release.run import guard, publication
from estiba.release.run.steps import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.deploy.target import Target
    from estiba.release.plan import Plan
    from estiba.release.run.planning import Options
    from estiba.release.run.steps import Step
    from estiba.release.run.workspace import Workspace
    from estiba.release.version import Source
    from estiba.release_manifest import ReleaseManifest


@dataclass(kw_only=True)
class Actions:
    """Actions of one release.

    Attributes:
        workspace: Service to release.
        plan: Plan of the release.
        source: Commit to release.
        manifest: Manifest of the release; the gates add their evidence.
        options: Options of the release.
    """

    workspace: Workspace
    plan: Plan
    source: Source
    manifest: ReleaseManifest
    options: Options

    def perform(self, step: Step, on_status: Callable[[str], None]) -> dict[str, Any]:
        """Do a step and return its output. Each step may be repeated: it does what is left to do.

        Raises:
            EstibaError: The step failed.
        """
        match step.kind:
            case Kind.BUILD:
                return {"manifest": self.manifest.to_dict()}
            case Kind.GATES:
                return self._check(step.target, on_status)
            case Kind.PUSH:
                return publication.push(self.workspace, self.manifest, on_status)
            case Kind.APPROVAL:
                return self._approve(step.target)
            case Kind.DEPLOY:
                return self._deploy(step.target, on_status)
            case Kind.SMOKE:
                return self._smoke(step.target, on_status)
            case Kind.TAG:
                return self._tag()

    def verify(self, step: Step, output: Mapping[str, Any]) -> bool:
        """Tell whether the output of a step that is done still holds, and take it over.

        Args:
            step: Step, whose input is the same as when it was done.
            output: Its output, from the journal.
        """
        match step.kind:
            case Kind.BUILD:
                # Planning has realised the same build again; its digests were compared with the plan's.
                self.manifest = release_manifest.parse(json.dumps(output["manifest"]))
                return True
            case Kind.GATES if not step.target:
                skipped = {name for name, evidence in output.get("gates", {}).items() if "skipped" in evidence}
                # What an earlier run has passed over is asked, unless this one passes over it as well.
                if not skipped <= set(self.options.skip):
                    return False
                self._take_over(output)
                return True
            case Kind.GATES | Kind.APPROVAL | Kind.SMOKE:
                # A backup grows old, an approval expires, a service breaks: only what is served already needs no look.
                is_served = self._is_served(step.target)
                self._take_over(output)
                return is_served
            case Kind.PUSH:
                return publication.verify(self.workspace, output)
            case Kind.DEPLOY:
                return self._is_served(step.target)
            case Kind.TAG:
                return self.workspace.repository.resolve(self.plan.tag) == self.plan.commit

    def _target(self, name: str) -> Target:
        return self.workspace.targets[name]

    def _is_served(self, name: str) -> bool:
        return not self._target(name).plan(self.manifest).is_pending

    def _take_over(self, output: Mapping[str, Any]) -> None:
        for name, evidence in output.get("gates", {}).items():
            self.manifest = self.manifest.with_gate(name, evidence)

    def _check(self, target: str, on_status: Callable[[str], None]) -> dict[str, Any]:
        before = dict(self.manifest.gates)
        skip = self.options.skip
        self.manifest = guard.check(self.workspace, self.manifest, target, skip=skip, on_status=on_status)
        found = {name: dict(one) for name, one in self.manifest.gates.items() if before.get(name) != one}
        return {"gates": found}

    def _approve(self, target: str) -> dict[str, Any]:
        wanted = self.plan.hash_for(target)
        changes = self._target(target).plan(self.manifest)
        # Of another commit with the same bytes people have agreed to nothing, and it may have other rules.
        if not changes.is_pending and changes.before and changes.before.commit == self.plan.commit:
            return {"approved": [], "plan": str(wanted)}
        try:
            return {"approved": list(guard.approve(self.workspace, target, wanted)), "plan": str(wanted)}
        except ApprovalError as error:
            hint = f"invoke approve --target {target} --plan {wanted}, then invoke release.resume"
            raise ApprovalError(error.message, hint=hint) from error

    def _deploy(self, name: str, on_status: Callable[[str], None]) -> dict[str, Any]:
        record = self._target(name).deploy(self.manifest, on_status=on_status, contract=self.options.contract)
        return {"record": record.to_dict()}

    def _smoke(self, name: str, on_status: Callable[[str], None]) -> dict[str, Any]:
        target = self._target(name)
        try:
            target.smoke(on_status=on_status)
        except DeployError as error:
            if not self.plan.target(name).is_pending:
                # The release was served before, so there is nothing that this run could take back.
                raise
            raise self._return(target, name, error, on_status) from error
        return {}

    def _return(self, target: Target, name: str, cause: EstibaError, on_status: Callable[[str], None]) -> DeployError:
        """Roll a target back after its smoke tests failed, and return the error that says how that went."""
        on_status("smoke tests failed, rolling back")
        try:
            record = target.rollback(on_status=on_status)
        except EstibaError as error:
            msg = f"{cause.message}\n  {name} still serves {self.plan.version}: {error.message}"
            return StrandedError(msg, hint=error.hint or "invoke status, then invoke rollback")
        msg = f"{cause.message}\n  {name} serves {record.version} again, after {record.seconds:.0f} s"
        return RolledBackError(msg, hint=cause.hint)

    def _tag(self) -> dict[str, Any]:
        repository, source = self.workspace.repository, self.source
        if self.options.tag:
            repository.create(source, changelog.render(self.plan.changelog))
        repository.verify_remote(source.remote, source.tag, source.commit, must_exist=bool(self.options.tag))
        return {"commit": source.commit, "remote": source.remote, "tag": source.tag}
