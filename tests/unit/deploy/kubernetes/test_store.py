"""State of a target in its namespace: a logbook that only grows, and in which nothing can be changed unseen."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from estiba.deploy import chain
from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.deploy.kubernetes.state.store import Store
from estiba.deploy.logbook import Record
from estiba.errors import TargetError
from estiba.process import Completed

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "estiba-shop"


@dataclass
class Namespace:
    """ConfigMaps of a namespace, as kubectl creates, replaces and lists them.

    Attributes:
        objects: ConfigMaps by name.
    """

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, argv: Sequence[str], *, stdin: str | None = None, check: bool = True) -> Completed:
        """Answer a command."""
        del check
        words = [word for word in argv[1:] if not word.startswith("--")]
        if stdin:
            made = json.loads(stdin)
            assert words[0] == ("replace" if made["metadata"]["name"] in self.objects else "create")
            assert not self.objects.get(made["metadata"]["name"], {}).get("immutable")
            self.objects[made["metadata"]["name"]] = made
            return Completed(argv=tuple(argv), code=0, stdout=stdin, tail="")
        if words == ["get", "configmaps"]:
            found = [one for one in self.objects.values() if "estiba/logbook" in one["metadata"]["labels"]]
            return Completed(argv=tuple(argv), code=0, stdout=json.dumps({"items": found[::-1]}), tail="")
        known = self.objects.get(words[2])
        tail = "" if known else "Error from server (NotFound)"
        return Completed(argv=tuple(argv), code=int(not known), stdout=json.dumps(known), tail=tail)

    def load(self) -> Store:
        """Return what is kept."""
        kubectl = Kubectl(runner=self.run, namespace="shop")  # type: ignore[arg-type] # the arguments that are used
        return Store.load(kubectl, NAME)


def record(number: int, reason: str = "") -> Record:
    """Return the record of a command that has ended."""
    return replace(Record.begin("deploy"), version=f"1.{number}", result="deployed", reason=reason)


def test_logbook_moves_to_where_nothing_can_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ConfigMap that is written at each step stays small; no record is lost, also by a kill in between."""
    monkeypatch.setattr("estiba.deploy.kubernetes.state.store._FULL", 3000)
    namespace = Namespace()
    for number in range(20):
        namespace.load().close(record(number))

    lines = namespace.load().chain()
    assert chain.verify(lines) == []
    assert [json.loads(line)["record"]["version"] for line in lines] == [f"1.{number}" for number in range(20)]
    assert namespace.load().records()[-1].version == "1.19"
    moved = [one for name, one in namespace.objects.items() if name != NAME]
    assert len(moved) > 1
    assert all(one["immutable"] for one in moved)
    assert all(len(one["data"]["logbook.jsonl"]) < 4000 for one in namespace.objects.values())

    store = namespace.load()
    store.lines = lines
    store.save()
    assert namespace.load().chain() == lines


@pytest.mark.parametrize("count", [1, 2, 4], ids=["less", "a little less", "more"])
def test_move_that_was_killed_is_ended(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Whatever half it was that has moved: only that is removed where it was."""
    namespace = Namespace()
    for number in range(5):
        namespace.load().close(record(number))
    killed = namespace.load()
    killed._move(killed.lines[:count])
    monkeypatch.setattr("estiba.deploy.kubernetes.state.store._FULL", 1)
    namespace.load().close(record(5))

    lines = namespace.load().chain()
    assert chain.verify(lines) == []
    assert [json.loads(line)["record"]["version"] for line in lines] == [f"1.{number}" for number in range(6)]
    assert len(namespace.load().lines) == 6 - count


@pytest.mark.parametrize("text", ["", "{}\n"])
def test_foreign_object_in_the_place_of_moved_records_takes_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """Who may create ConfigMaps cannot have records removed by one that is there before."""
    monkeypatch.setattr("estiba.deploy.kubernetes.state.store._FULL", 1)
    namespace = Namespace()
    namespace.load().close(record(0))
    name = f"{NAME}-log-00000001"
    namespace.objects[name] = {"metadata": {"name": name, "labels": {}}, "data": {"logbook.jsonl": text}}
    namespace.load().close(record(1))

    assert [one.version for one in namespace.load().records()] == ["1.0", "1.1"]
    assert f"ConfigMap {name} has other records" in caplog.text


def test_logbook_that_cannot_move_grows(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """As where a quota allows no further ConfigMap: no command fails for that."""
    monkeypatch.setattr("estiba.deploy.kubernetes.state.store._FULL", 1)
    monkeypatch.setattr(Store, "_move", lambda *_: (_ for _ in ()).throw(TargetError("exceeded quota: objects")))
    namespace = Namespace()
    for number in range(3):
        namespace.load().append(record(number))

    assert [one.version for one in namespace.load().records()] == ["1.0", "1.1", "1.2"]
    assert "the logbook of namespace shop grows: exceeded quota" in caplog.text


def test_changed_record_is_found() -> None:
    """It is read as it stands, so that a rollback works; the chain says that it was changed."""
    namespace = Namespace()
    for number in range(3):
        namespace.load().close(record(number))
    data = namespace.objects[NAME]["data"]
    data["logbook.jsonl"] = data["logbook.jsonl"].replace('"version":"1.1"', '"version":"1.9"')

    assert [one.version for one in namespace.load().records()] == ["1.0", "1.9", "1.2"]
    assert chain.verify(namespace.load().chain()) == ["entry 2 was changed: its hash does not fit its content"]
    data["logbook.jsonl"] += "{}\n"
    with pytest.raises(TargetError, match="ConfigMap estiba-shop in namespace shop is damaged"):
        namespace.load()


def test_foreign_object_with_the_label_is_no_record() -> None:
    """Whoever may create ConfigMaps ends no release with it; what it says is found to be no part of the chain."""
    namespace = Namespace()
    namespace.load().close(record(1))
    for name, data in (("empty", None), ("forged", {"logbook.jsonl": '{"number": 1}\n'})):
        namespace.objects[name] = {"metadata": {"name": name, "labels": {"estiba/logbook": NAME}}, "data": data}

    problems = chain.verify(namespace.load().chain())

    assert "entry 1 cannot be read" in problems[0]


def test_reason_has_no_secret() -> None:
    """Who may read ConfigMaps may not read Secrets."""
    namespace = Namespace()
    namespace.load().close(record(1, "cannot connect to postgresql://shop:kept-from-all@db/shop"))

    assert "kept-from-all" not in json.dumps(namespace.objects)
    assert namespace.load().records()[0].reason == "cannot connect to postgresql://shop:***@db/shop"
