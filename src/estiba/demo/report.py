"""What a demo has come to: its steps with their times, the image, the address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from estiba.build.oci_image import Built


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a step ended well: what is worth saying about it, or why it was skipped."""

    note: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: its name, how long it took, whether it succeeded, and its outcome."""

    name: str
    seconds: float
    ok: bool
    outcome: Outcome = field(default_factory=Outcome)

    def to_dict(self) -> dict[str, Any]:
        """Return the form for `--json`."""
        said = {"note": self.outcome.note, "skipped": self.outcome.skipped}
        fields = {"name": self.name, "ok": self.ok, "seconds": round(self.seconds, 2)}
        return {**fields, **{name: text for name, text in said.items() if text}}


@dataclass(slots=True, kw_only=True)
class Report:
    """What the demo has come to; grows with every step, so that it also tells about a demo that failed."""

    built: Built | None = None
    url: str = ""
    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every step so far succeeded."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    def seconds(self, *names: str) -> float:
        """Return how long some steps took together; without names, all of them."""
        return sum(step.seconds for step in self.steps if not names or step.name in names)

    def to_dict(self, platform: str) -> dict[str, Any]:
        """Return what `invoke demo --json` prints; the image's size is that of one platform, compressed."""
        layers = self.built.layers if self.built else ()
        return {
            "digest": self.built.digest if self.built else "",
            "image": {"size": sum(layer.size for layer in layers if layer.platform == platform)},
            "ok": self.ok,
            "steps": [step.to_dict() for step in self.steps],
            "url": self.url,
        }
