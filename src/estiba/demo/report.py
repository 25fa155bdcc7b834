"""Report of a demo: its steps with their times, the image, the URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from estiba.build.oci_image import Built


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Outcome of a step that did not fail: a note about it, or the reason why it was skipped."""

    note: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Step of a demo: name, duration in seconds, whether it succeeded, and outcome."""

    name: str
    seconds: float
    ok: bool
    outcome: Outcome = field(default_factory=Outcome)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the step in `invoke demo --json`."""
        said = {"note": self.outcome.note, "skipped": self.outcome.skipped}
        fields = {"name": self.name, "ok": self.ok, "seconds": round(self.seconds, 2)}
        return {**fields, **{name: text for name, text in said.items() if text}}


@dataclass(slots=True, kw_only=True)
class Report:
    """Report of a demo, extended with every step, so that a failed demo has one too.

    Attributes:
        built: Image, or None before it is built.
        url: URL of the deployed service, empty before the deployment.
        steps: Steps that were run, in order.
    """

    built: Built | None = None
    url: str = ""
    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are steps and all of them succeeded."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    def seconds(self, *names: str) -> float:
        """Return the duration of some steps in seconds; without names, of all."""
        return sum(step.seconds for step in self.steps if not names or step.name in names)

    def to_dict(self, platform: str) -> dict[str, Any]:
        """Return the JSON object that `invoke demo --json` prints.

        Args:
            platform: Platform whose compressed image size is given, such as `x86_64-linux`.
        """
        layers = self.built.layers if self.built else ()
        return {
            "digest": self.built.digest if self.built else "",
            "image": {"size": sum(layer.size for layer in layers if layer.platform == platform)},
            "ok": self.ok,
            "steps": [step.to_dict() for step in self.steps],
            "url": self.url,
        }
