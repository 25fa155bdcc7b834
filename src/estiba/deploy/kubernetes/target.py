"""Target of kind `kubernetes`: a Helm release in a namespace; helm and kubectl bring every kind of authentication."""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from estiba import process
from estiba.deploy.kubernetes import checks, images, inputs, migrations, observation, quotas, settings
from estiba.deploy.kubernetes.client import containers, objects, pods
from estiba.deploy.kubernetes.client.helm import Helm, Revision
from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.deploy.kubernetes.rollout import Rollout
from estiba.deploy.kubernetes.state import lease
from estiba.deploy.kubernetes.state import repair as repairs
from estiba.deploy.kubernetes.state.store import Store
from estiba.deploy.logbook import Record
from estiba.deploy.target import Changes, Finished, Report
from estiba.digest import Digest
from estiba.errors import ChoiceError, DeployError, TargetError
from estiba.release_manifest import Contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.kubernetes.inputs import Inputs
    from estiba.deploy.kubernetes.settings import Settings
    from estiba.deploy.kubernetes.state.store import Deployed
    from estiba.deploy.target import Observation
    from estiba.process import Completed, Runner
    from estiba.release_manifest import ReleaseManifest
    from estiba.service.project import Project

INSTANCE: Final = "app.kubernetes.io/instance"
_ENTRYPOINT: Final = ("/opt/venv/bin/python", "/opt/estiba/entrypoint.py")
_STATE: Final = "estiba-"
"""Start of the names of the Lease and the ConfigMap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesTarget:
    """Target in a cluster; implements `estiba.deploy.target.Target`.

    Attributes:
        service: Name of the service.
        config: Configuration from the environment.
        settings: Settings of the target.
        folders: Folders of data that outlive releases, as places in the container.
        runner: Runner of kubectl and helm.
        watched: Runner of helm while it waits, see `process.run_watched`.
        streamed: Runner of kubectl that yields its output, see `process.stream`.
    """

    service: str
    config: Config
    settings: Settings
    folders: tuple[str, ...] = ()
    runner: Runner = process.run
    watched: Callable[..., Completed] = process.run_watched
    streamed: Callable[[Sequence[str]], Iterator[str]] = process.stream

    @classmethod
    def load(cls, name: str, table: Mapping[str, Any], project: Project, config: Config) -> KubernetesTarget:
        """Create a target from its settings; see `estiba.deploy.targets.KINDS`.

        Raises:
            ConfigError: The settings are invalid.
        """
        found = settings.parse(name, table, folder=project.folder, service=project.name)
        return cls(service=project.name, config=config, settings=found, folders=project.persist)

    @property
    def contents(self) -> Contents:
        """See `Target.contents`."""
        return Contents.IMAGE

    @property
    def chart(self) -> Path | None:
        """See `Target.chart`."""
        return self.settings.chart

    def deploy(self, manifest: ReleaseManifest, *, on_status: Callable[[str], None], contract: bool = False) -> Record:
        """See `Target.deploy`."""
        given = inputs.prepare(self.settings, manifest)
        with self._locked("deploy", on_status, manifest) as rollout:
            rollout.contract = contract
            served = rollout.store.last_verified()
            same = served if served and served.fingerprint == str(given.fingerprint) else None
            if same and rollout.is_certain and self._is_served(same):
                return self._confirm(rollout, same)
            self._helm.check_version()
            assert manifest.image is not None  # which `prepare` has refused
            images.ensure(self.settings, manifest.image, self.config, on_status)
            self._refuse_unfit(given, is_upgrade=served is not None)
            return rollout.upgrade(manifest, given)

    def plan(self, manifest: ReleaseManifest) -> Changes:
        """See `Target.plan`."""
        store = self._store()
        served = store.last_verified()
        given = inputs.prepare(self.settings, manifest)
        rendered = objects.parse(self._helm.template(given.chart, given.values, is_upgrade=served is not None))
        after = [one for one in rendered if not objects.is_hook(one)]
        before = objects.parse(self._helm.manifest(served.number)) if served else []
        argv = inputs.write_upgrade(self._helm, given, manifest, rendered, user=Record.begin("plan").user)
        return Changes(
            is_pending=served is None or served.fingerprint != str(given.fingerprint),
            before=served.to_release() if served else None,
            migrations=migrations.plan(manifest, served.manifest if served else None),
            diff=objects.diff(before, after),
            commands=(tuple(argv),),
            state={
                "chart": str(given.chart_digest),
                "image": str(given.image),
                "inputs": str(given.fingerprint),
                "revision": str(served.number if served else 0),
            },
        )

    def check(self, manifest: ReleaseManifest) -> tuple[str, ...]:
        """See `Target.check`."""
        given = inputs.prepare(self.settings, manifest)
        is_installed = bool(self._helm.history())
        rendered = objects.parse(self._helm.template(given.chart, given.values, is_upgrade=is_installed))
        missing = checks.find_missing_rights(self._kubectl, rendered)
        assert manifest.image is not None  # which `prepare` has refused
        problem = filter(None, [images.problem(self.settings, manifest.image, self.config)])
        return (*missing, *problem, *self._find_unfit(rendered, is_upgrade=is_installed))

    def variables(self) -> frozenset[str]:
        """See `Target.variables`."""
        rendered = objects.parse(self._helm.manifest())
        if not rendered:
            # Before the first release: the names depend on no image, but the chart wants one.
            given = inputs.prepare_image(self.settings, self.settings.image.at(Digest.of_bytes(b"")))
            rendered = objects.parse(self._helm.template(given.chart, given.values, is_upgrade=False))
        return containers.find_variables(self._kubectl, rendered)

    def smoke(self, *, on_status: Callable[[str], None]) -> None:
        """See `Target.smoke`."""
        store = self._store()
        served = store.last_verified()
        if served is None:
            msg = "nothing is served"
            raise DeployError(msg, hint=f"invoke deploy --target {self.settings.name}")
        rollout = self._rollout(self._helm, store, Record.begin("smoke"), on_status)
        rollout.smoke(served.image(self.settings.image))

    def observe(self, since: datetime) -> Observation:
        """See `Target.observe`."""
        return observation.observe(self._kubectl, {INSTANCE: self.settings.release}, since)

    def unlock(self) -> str:
        """See `Target.unlock`."""
        return lease.release(self._kubectl, self._name)

    def records(self) -> list[Record]:
        """See `Target.records`."""
        return Store.load(self._kubectl, self._name).records()

    def chain(self) -> list[str]:
        """See `Target.chain`."""
        return Store.load(self._kubectl, self._name).chain()

    def rollback(self, *, on_status: Callable[[str], None], contract: bool = False, to: str = "") -> Record:
        """See `Target.rollback`."""
        with self._locked("rollback", on_status) as rollout:
            rollout.contract = contract
            left = rollout.store.unverified()
            if left and not to:
                return rollout.leave(left)
            current = left or rollout.store.last_verified()
            return rollout.return_to(self._choose(rollout.store, current, to), current)

    def down(self, *, on_status: Callable[[str], None]) -> Record:
        """See `Target.down`."""
        with self._locked("down", on_status) as rollout:
            return repairs.end(rollout)

    def manage(self, args: Sequence[str]) -> Finished:
        """See `Target.manage`."""
        pod = self._web_pod()
        done = self.runner(self._kubectl.argv("exec", pod, "--", *_ENTRYPOINT, "manage", *args), check=False)
        return Finished(code=done.code, output=f"{done.stdout}{done.tail}")

    def attach(self, args: Sequence[str]) -> int:
        """See `Target.attach`."""
        terminal = ("--tty",) if os.isatty(0) and os.isatty(1) else ()
        argv = self._kubectl.argv("exec", "--stdin", *terminal, self._web_pod(), "--", *_ENTRYPOINT, "manage", *args)
        return process.run_interactive(argv)

    def status(self) -> Report:
        """See `Target.status`."""
        store = self._store()
        served = store.last_verified()
        running = self._pods()
        is_ready = bool(served) and bool(running) and all(map(pods.is_ready, running))
        return Report(
            target=self.settings.name,
            kind="kubernetes",
            service=self.service if served else "",
            is_ready=is_ready,
            release=served.to_release() if served else None,
            left=left.to_release() if (left := store.unverified()) else None,
            workloads=tuple(map(pods.workload, running)),
            addresses=self._addresses() if served else {},
            last=next(reversed(store.records()), None),
            notes=tuple(self._notes(store)),
            details={"namespace": self.settings.namespace, "release": self.settings.release},
        )

    def logs(self, *, tail: int, process: str, follow: bool) -> Iterator[str]:
        """See `Target.logs`."""
        components = sorted({pods.component(pod) for pod in self._pods()})
        chosen = [name for name in components if name.startswith(process)]
        if not chosen:
            if components:
                what = "process with logs named"
                raise ChoiceError(what, process, components)
            msg = "there are no logs yet"
            raise TargetError(msg, hint=f"invoke deploy --target {self.settings.name}")
        selector = f"{INSTANCE}={self.settings.release},app.kubernetes.io/component in ({','.join(chosen)})"
        options = [f"--tail={tail}", "--prefix", "--all-containers", "--max-log-requests=50"]
        yield from self.streamed(
            self._kubectl.argv("logs", f"--selector={selector}", *options, *(["--follow"] if follow else []))
        )

    def addresses(self) -> dict[str, str]:
        """See `Target.addresses`."""
        if not self._store().releases:
            msg = "nothing was deployed here yet"
            raise DeployError(msg, hint=f"invoke deploy --target {self.settings.name}")
        return self._addresses()

    @property
    def _name(self) -> str:
        return f"{_STATE}{self.settings.release}"

    @property
    def _kubectl(self) -> Kubectl:
        chosen = self.settings
        return Kubectl(
            runner=self.runner,
            namespace=chosen.namespace,
            context=chosen.context,
            kubeconfig=chosen.kubeconfig,
        )

    @property
    def _helm(self) -> Helm:
        return Helm(
            kubectl=self._kubectl,
            runner=self.runner,
            watched=self.watched,
            release=self.settings.release,
            timeout=self.settings.timeout,
        )

    def _store(self, helm: Helm | None = None) -> Store:
        """Read the state, without revisions that somebody has uninstalled."""
        asked = helm or self._helm
        return Store.load(asked.kubectl, self._name).forget_uninstalled(asked)

    def _rollout(self, helm: Helm, store: Store, record: Record, on_status: Callable[[str], None]) -> Rollout:
        return Rollout(
            helm=helm,
            store=store,
            settings=self.settings,
            evidence=self._folder / "evidence",
            record=record,
            on_status=on_status,
            provide=lambda manifest: images.ensure_again(self.settings, manifest.image, self.config, on_status),
        )

    def _refuse_unfit(self, given: Inputs, *, is_upgrade: bool) -> None:
        """Refuse before any change what the cluster would refuse, or never run.

        Raises:
            TargetError: A field has another manager, no node or quota has room, or a folder or variable is missing.
        """
        rendered = objects.parse(self._helm.template(given.chart, given.values, is_upgrade=is_upgrade))
        if problems := self._find_unfit(rendered, is_upgrade=is_upgrade):
            listed = "".join(f"\n  {one}" for one in problems)
            msg = f"namespace {self.settings.namespace} cannot take the release:{listed}"
            raise TargetError(msg, hint="mend that, or take it into the values, and deploy again")

    def _find_unfit(self, rendered: Sequence[Mapping[str, Any]], *, is_upgrade: bool) -> list[str]:
        """Return what the cluster would refuse of a release, never run, or lose; raises as what it asks does."""
        return [
            *containers.find_missing_objects(self._kubectl, rendered),
            *containers.find_unmounted(rendered, self.folders),
            *containers.find_dangling(self._kubectl, rendered),
            *(checks.find_conflicts(self._helm, rendered) if is_upgrade else []),
            *checks.find_missing_room(self._kubectl, rendered),
            *quotas.find_excess(self._kubectl, rendered, is_upgrade=is_upgrade),
        ]

    @property
    def _folder(self) -> Path:
        return self.config.state_dir / self.service / self.settings.name

    @contextmanager
    def _locked(
        self, command: str, on_status: Callable[[str], None], manifest: ReleaseManifest | None = None
    ) -> Iterator[Rollout]:
        """Lock the target, and repair first what a killed command has left; SIGTERM is a KeyboardInterrupt then."""
        record = Record.begin(command)
        with process.interruptible(), lease.acquire(self._kubectl, self._name, record) as hold:
            # Whoever loses the lock runs no further command, and goes no way back: the next holder does.
            kubectl = replace(self._kubectl, runner=hold.guard(self.runner))
            watched = hold.guard_watched(self.watched)
            helm = replace(self._helm, kubectl=kubectl, runner=kubectl.runner, watched=watched)
            rollout = self._rollout(helm, self._store(helm), record, on_status)
            killed = rollout.store.interrupted()
            if killed:
                # A rollback goes the way back itself, to where the killed command has started, and so does `down`.
                repairs.repair(rollout, killed, manifest, is_kept=command == "deploy")
                # A killed rollback may have taken migrations back under what is served, a killed `down` objects of it.
                rollout.is_certain = killed.command == "deploy"
            yield rollout

    def _is_served(self, release: Deployed) -> bool:
        running = self._pods()
        is_last = self._helm.history()[-1:] == [Revision(number=release.number, status="deployed")]
        return is_last and bool(running) and all(map(pods.is_ready, running))

    def _confirm(self, rollout: Rollout, served: Deployed) -> Record:
        release = served.to_release()
        record = rollout.record.end(
            "unchanged", number=served.number, digest=release.digest, version=release.version, revision=release.commit
        )
        rollout.store.close(record)
        return record

    def _choose(self, store: Store, current: Deployed | None, to: str) -> Deployed:
        """Return the release to roll back to.

        Raises:
            ChoiceError: There is none of that version.
            DeployError: There is no earlier one.
        """
        known = {one.manifest.version: one for _, one in sorted(store.releases.items()) if one.is_verified}
        if to and to not in known:
            what = "kept release"
            raise ChoiceError(what, to, sorted(known))
        digest = current.manifest.image if current else None
        others = [one for one in store.releases.values() if one.is_verified and one.manifest.image != digest]
        # A rollback's own number is above that of the release that it has left.
        older = [one for one in others if current and one.number < current.origin]
        found = known.get(to) if to else max(older, key=lambda one: one.number, default=None)
        if found is None:
            msg = "there is no earlier release to roll back to"
            raise DeployError(msg, hint=f"invoke status --target {self.settings.name} shows what is served")
        return found

    def _pods(self) -> list[dict[str, Any]]:
        return pods.find_processes(self._kubectl, {INSTANCE: self.settings.release})

    def _web_pod(self) -> str:
        ready = [pod for pod in self._pods() if pods.is_ready(pod)]
        if not ready:
            msg = "no pod of the service is ready"
            raise DeployError(msg, hint=f"invoke status --target {self.settings.name}")
        # The web process has settings and rights like all others, and there is always one.
        first = min(ready, key=lambda pod: (pods.component(pod) != "web", pod["metadata"]["name"]))
        return str(first["metadata"]["name"])

    def _addresses(self) -> dict[str, str]:
        if self.settings.url:
            return {"page": f"{self.settings.url}{next(iter(self.settings.smoke), '/')}"}
        hosts = sorted({host for one in objects.parse(self._helm.manifest()) for host in _hosts(one)})
        return {"page": f"https://{hosts[0]}/"} if hosts else {}

    def _notes(self, store: Store) -> Iterator[str]:
        revisions = self._helm.history()
        served = store.last_verified()
        if store.journal:
            yield f"`{store.journal.command}` of {store.journal.user} runs since {store.journal.since}, or was killed"
        elif revisions and (served is None or revisions[-1].number != served.number):
            last = revisions[-1]
            argv = shlex.join(self._helm.argv("history", self.settings.release))
            yield f"revision {last.number} ({last.status}) was not made by Estiba, or has failed: {argv}"


def _hosts(one: Mapping[str, Any]) -> list[str]:
    spec = one.get("spec") or {}
    if one["kind"] == "Ingress":
        return [rule["host"] for rule in spec.get("rules", ()) if rule.get("host")]
    return list(spec.get("hostnames", ())) if one["kind"] == "HTTPRoute" else []
