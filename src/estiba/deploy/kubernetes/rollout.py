"""Rollout of a release in a cluster: upgrade, smoke test, and the way back with evidence and schema."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NoReturn

from estiba.deploy.kubernetes import evidence, migrations
from estiba.deploy.kubernetes.client import helm as helms
from estiba.deploy.kubernetes.client import jobs, objects, pages
from estiba.deploy.kubernetes.inputs import write_upgrade
from estiba.deploy.kubernetes.progress import Progress
from estiba.deploy.kubernetes.state import pending
from estiba.deploy.kubernetes.state.store import Deployed
from estiba.errors import DeployError, EstibaError, LostLockError, RolledBackError, StrandedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from estiba.deploy.kubernetes.client.helm import Helm
    from estiba.deploy.kubernetes.inputs import Inputs
    from estiba.deploy.kubernetes.settings import Settings
    from estiba.deploy.kubernetes.state.store import Store
    from estiba.deploy.logbook import Record
    from estiba.imageref import ImageRef
    from estiba.release_manifest import ReleaseManifest

_RESULTS: Final[Mapping[type[DeployError], str]] = {
    DeployError: "failed",
    RolledBackError: "taken back",
    StrandedError: "not taken back",
}
"""Outcome of a failed command in the logbook, by its error."""

_GOOD: Final = frozenset({"deployed", "superseded"})
"""Helm's statuses of revisions that were deployed without a failure."""

_INSTANCE: Final = "app.kubernetes.io/instance"


@dataclass(slots=True, kw_only=True)
class Rollout:
    """One command that changes what a target serves, while it holds the lock.

    Attributes:
        helm: Helm for the release.
        store: State of the target.
        settings: Settings of the target.
        evidence: Folder for the evidence of failures.
        record: Record of the command.
        on_status: Callback for progress.
        contract: Whether contracting migrations are allowed.
        is_certain: Whether the schema is that of the verified release; a killed rollback leaves that open.
        provide: Has the registry serve the image of a release that was deployed before; raises where nobody has it.
    """

    helm: Helm
    store: Store
    settings: Settings
    evidence: Path
    record: Record
    on_status: Callable[[str], None]
    contract: bool = False
    is_certain: bool = True
    provide: Callable[[ReleaseManifest], None] = lambda _: None

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of all objects of the release."""
        return {_INSTANCE: self.settings.release}

    def upgrade(self, manifest: ReleaseManifest, inputs: Inputs) -> Record:
        """Upgrade to a release, and return to the one before if that fails.

        Raises:
            DeployError: It was refused, or nothing was served before.
            RolledBackError: It failed, and the release before is served again.
            StrandedError: It failed, and so did the way back.
        """
        before = self.store.last_verified()
        planned = migrations.plan(manifest, before.manifest if before else None)
        if not self.contract:
            served = f"{before.manifest.version} (revision {before.number})" if before else ""
            migrations.refuse_contracts(planned, served)
        revisions = self.helm.history()
        number = revisions[-1].number + 1 if revisions else 1
        new = Deployed(
            number=number,
            manifest=manifest,
            fingerprint=str(inputs.fingerprint),
            is_verified=False,
            origin=number,
        )
        self._describe(new, before)
        self.store.add(new, self.settings.keep)
        try:
            self._step("upgrade")
            self._apply(new, inputs)
            self._step("smoke")
            self.smoke(inputs.image)
        except LostLockError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the release before has to be served again
            self._take_back(new, before, error)
        applied = self.find_applied(new, before)
        contracts = tuple(
            f"{one.name}: {'; '.join(one.contracts)}" for one in planned if one.contracts and one.name in applied
        )
        self.record = replace(self.record, migrations=applied, contracts=contracts)
        return self._finish(new, "deployed")

    def return_to(self, target: Deployed, current: Deployed | None) -> Record:
        """Return to an earlier revision, with the migrations that it cannot live with taken back.

        Raises:
            DeployError: It was refused before anything was changed.
            StrandedError: It failed.
        """
        self._describe(target, current)
        steps: tuple[tuple[str, str], ...] = ()
        if current:
            applied = current.manifest.migrations.since(target.manifest.migrations)
            steps = migrations.find_way_back(
                applied, current.manifest.migrations, target.manifest.migrations, served="nothing was changed"
            )
            if steps and not self.contract:
                listed = ", ".join(f"{app} to {name}" for app, name in steps)
                msg = (
                    f"{target.manifest.version} needs what migrations have removed since; they are taken back: {listed}"
                )
                raise DeployError(msg, hint="what they removed comes back empty; invoke rollback --contract does it")
        if target.manifest.uploads:
            self.upload(target)
        try:
            self._step("return")
            made = self.restore(target, current, steps)
        except LostLockError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody has to look
            location = self.keep_evidence(current or target, error)
            outcome = f"helm history {self.settings.release} shows what is served"
            self._fail(StrandedError, error, outcome, location)
        return self._finish(made, "rolled back")

    def leave(self, failed: Deployed) -> Record:
        """Return from a revision that a failed or killed command has left to the last verified one.

        Without a verified one, what was installed is removed.

        Raises:
            StrandedError: It failed.
        """
        before = self.store.last_verified()
        self._describe(before or failed, failed)
        try:
            made = self._go_back(failed, before)
        except LostLockError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody has to look
            location = self.keep_evidence(failed, error)
            outcome = f"helm history {self.settings.release} shows what is served"
            self._fail(StrandedError, error, outcome, location)
        if made:
            return self._finish(made, "rolled back")
        reason = f"there was no release before {failed.manifest.version}, so nothing is served"
        self.record = replace(self.record, number=0, digest="", version="", revision="").end(
            "rolled back", reason=reason
        )
        self.store.close(self.record)
        return self.record

    def smoke(self, image: ImageRef) -> None:
        """Run the chart's tests, then ask for the pages below the public address.

        Args:
            image: Image of the release.

        Raises:
            DeployError: A test failed, or a page is not there.
        """
        self.on_status("smoke test")
        self.helm.test(self._progress(image).poll)
        for path in self.settings.smoke if self.settings.url else ():
            if problem := pages.find_problem(f"{self.settings.url}{path}"):
                msg = f"{self.settings.url}{path} {problem}"
                raise DeployError(msg)

    def _apply(self, new: Deployed, inputs: Inputs) -> None:
        rendered = objects.parse(self.helm.template(inputs.chart, inputs.values, is_upgrade=new.number > 1))
        argv = write_upgrade(self.helm, inputs, new.manifest, rendered, user=self.record.user)
        try:
            self.helm.change(argv, self._progress(inputs.image).poll)
        except DeployError as error:
            if said := migrations.find_failure(self.helm, new.number, self.labels):
                msg = f"the migrations failed:\n{said}"
                raise DeployError(msg, hint="fix the migration, and deploy again") from error
            raise

    def _take_back(self, new: Deployed, before: Deployed | None, error: BaseException) -> NoReturn:
        """Keep the evidence of a failed upgrade, then return to the release before.

        Raises:
            DeployError: There was none; what was installed is gone.
            RolledBackError: It is served again.
            StrandedError: The way back failed.
        """
        location = self.keep_evidence(new, error)
        self.on_status("returning to the release before")
        try:
            made = self._go_back(new, before)
        except BaseException as second:  # noqa: BLE001 - whatever it is, somebody has to look
            outcome = f"the way back failed: {_reason(second)}"
            hint = second.hint if isinstance(second, EstibaError) else ""
            self._fail(StrandedError, error, outcome, location, hint=hint)
        if made is None or before is None:
            self._fail(DeployError, error, "there was no release before it, so nothing is served", location)
        self._fail(RolledBackError, error, f"{before.manifest.version} is served again", location)

    def _go_back(self, new: Deployed, before: Deployed | None) -> Deployed | None:
        """Return to the release before a failed one; without one, remove what was installed."""
        pending.mark_failed(self.helm)
        applied = self.find_applied(new, before)
        self.record = replace(self.record, migrations=applied)
        self._step("return")
        if before is None and new.number > 1:
            self._return_unknown(new)
        if before is None:
            self.helm.uninstall()
            self.forget(new)
            return None
        known, wanted = new.manifest.migrations, before.manifest.migrations
        steps = migrations.find_way_back(applied, known, wanted, served=f"revision {new.number} stays as it is")
        if before.manifest.uploads:
            self._try_upload(before)
        made = self.restore(before, new, steps)
        self.forget(new)
        self.store.add(made, self.settings.keep)
        return made

    def _return_unknown(self, new: Deployed) -> NoReturn:
        """Return to what Helm has deployed before Estiba knew the release, and say that nobody has tested it.

        Raises:
            StrandedError: Always; with what is served.
        """
        known = [one.number for one in self.helm.history() if one.number < new.number and one.status in _GOOD]
        if not known:
            msg = f"revision {new.number} stays as it is: Helm has no revision before it that worked"
            raise StrandedError(msg, hint=f"helm history {self.settings.release}")
        self.helm.change(self.helm.rollback_argv(known[-1], strategy="watcher"), lambda: None)
        self.forget(new)
        msg = f"Helm's revision {known[-1]} is served again, which was not deployed by Estiba and is not tested"
        raise StrandedError(msg, hint="invoke status, and look at the service")

    def restore(self, target: Deployed, current: Deployed | None, steps: tuple[tuple[str, str], ...]) -> Deployed:
        """Take migrations back, roll the Helm release back, and test it; return the revision that is served then.

        Args:
            target: Revision to return to.
            current: Revision whose migrations were applied, or None where nobody knows one.
            steps: Result of `migrations.find_way_back`.

        Raises:
            DeployError: It failed.
            TargetError: Migrations would be taken back for a release whose image is lost.
        """
        if target.number not in {one.number for one in self.helm.history()}:
            # Before the schema is changed for it.
            msg = f"Helm no longer has revision {target.number} ({target.manifest.version})"
            raise DeployError(msg, hint=f"check out {target.manifest.version} and deploy it")
        if steps:
            self.provide(target.manifest)
        if current:
            self.take_back(target, current, steps)
        rendered = objects.parse(self.helm.manifest(target.number))
        argv = self.helm.rollback_argv(target.number, strategy=helms.choose_strategy(rendered))
        image = target.image(self.settings.image)
        self.helm.change(argv, self._progress(image).poll)
        self.smoke(image)
        return replace(target, number=self.helm.history()[-1].number)

    def upload(self, target: Deployed) -> None:
        """Bring a revision's static files to their storage on another machine once more.

        A manifest there says which file has which name with a hash, and is that of the release that came last.

        Raises:
            DeployError: It failed; nothing else was changed.
        """
        self.on_status(f"uploading the static files of {target.manifest.version}")
        jobs.run(self.helm, target.number, "upload", ["upload"], limit=self.settings.timeout)

    def _try_upload(self, target: Deployed) -> None:
        """Do it on the way back from a failure, which a storage that is away must not end."""
        try:
            self.upload(target)
        except EstibaError as error:
            self.on_status(f"its static files could not be uploaded again: {error.message}")

    def take_back(self, target: Deployed, current: Deployed, steps: tuple[tuple[str, str], ...]) -> None:
        """Take migrations of a revision back, as far as another one needs it; see `restore`."""
        if not steps:
            return
        known = current.manifest.migrations
        apps = {app for app, _ in steps}
        since = known.since(target.manifest.migrations)
        migrations.reverse(
            self.helm,
            current.number,
            steps,
            contracts=[one for one in since if one in known.contracts and one.partition(".")[0] in apps],
            limit=self.settings.timeout,
            on_status=self.on_status,
        )

    def _finish(self, served: Deployed, result: str) -> Record:
        self.store.add(replace(served, is_verified=True), self.settings.keep)
        self.record = replace(self.record, number=served.number).end(result)
        self.store.close(self.record)
        return self.record

    def _describe(self, new: Deployed, before: Deployed | None) -> None:
        release = new.to_release()
        self.record = replace(
            self.record,
            number=new.number,
            digest=release.digest,
            version=release.version,
            revision=release.commit,
            before=before.number if before else 0,
        )

    def find_applied(self, new: Deployed, before: Deployed | None) -> tuple[str, ...]:
        """Return the migrations that were applied since a revision, as `app.name`; see `migrations.find_applied`."""
        known = new.manifest.migrations
        return migrations.find_applied(
            self.helm,
            new.number,
            self.labels,
            since=before.number if before else 0,
            pending=known.since(before.manifest.migrations) if before else known.names,
            limit=self.settings.timeout,
        )

    def forget(self, failed: Deployed) -> None:
        """Take a revision for one that nobody returns from."""
        self.store.releases.pop(failed.number, None)

    def keep_evidence(self, new: Deployed, error: BaseException) -> str:
        """Keep what tells why a revision has failed, and return where; what cannot be kept stops nothing."""
        self.on_status("keeping the evidence")
        try:
            texts = {
                "reason.txt": _reason(error),
                "manifest.yaml": objects.diff([], objects.parse(self.helm.manifest(new.number))),
            }
            return str(evidence.keep(self.evidence, self.helm.kubectl, self.labels, texts))
        except BaseException as second:  # noqa: BLE001 - without evidence too
            # Also after another Ctrl-C: the way back is what matters.
            return f"none, since {_reason(second)}"

    def _progress(self, image: ImageRef) -> Progress:
        return Progress(
            kubectl=self.helm.kubectl,
            labels=self.labels,
            image=str(image),
            ready_limit=self.settings.ready_limit,
            on_status=self.on_status,
        )

    def _step(self, step: str) -> None:
        # The journal first: if this process is killed in the step, the next command knows which one it was.
        self.record = replace(self.record, step=step)
        self.store.open(self.record)
        self.on_status(step)

    def _fail(
        self,
        kind: type[DeployError],
        error: BaseException,
        outcome: str,
        location: str,
        *,
        hint: str = "",
    ) -> NoReturn:
        self.record = self.record.end(_RESULTS[kind], reason=_reason(error))
        self.store.close(self.record)
        msg = f"{_reason(error)}\n  {outcome}\n  evidence: {location}"
        if isinstance(error, KeyboardInterrupt) and kind is not StrandedError:
            raise KeyboardInterrupt(msg) from error
        back = f"invoke rollback --target {self.settings.name} tries the way back again"
        mend = back if kind is StrandedError else "fix the cause, and deploy again"
        raise kind(msg, hint=hint or getattr(error, "hint", "") or mend) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, EstibaError):
        return error.message
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
