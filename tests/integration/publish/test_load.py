"""Loading into a real Docker engine: what was built arrives, and only what is missing travels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests import ocilayout

from estiba.errors import EngineError, LayoutError
from estiba.image import layout
from estiba.image.manifest import Platform
from estiba.publish.engine import docker_archive, load
from estiba.publish.engine.load import Engine

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.image.layout import Layout
    from estiba.publish.engine.load import Loaded


@pytest.fixture
def engine(docker_engine: str) -> Engine:
    """Connect to the tests' own engine."""
    return Engine.connect(base_url=docker_engine)


def make(path: Path, code: bytes, *, compression: str = "zstd", base: bytes = b"") -> Layout:
    """Build a layout whose base nobody else's image has."""
    specs = ocilayout.service(code, compression=compression)
    own = ocilayout.LayerSpec(name="own", contents="", files={"own": base or os.urandom(2000)}, compression=compression)
    specs = [
        ocilayout.ImageSpec(layers=[own, *spec.layers], architecture=spec.architecture, command=["true"])
        for spec in specs
    ]
    return layout.read(ocilayout.write(path, specs, name="shop:1.0"))


def send(image: Layout, engine: Engine, *, platform: str = "", name: str = "") -> Loaded:
    """Plan and load."""
    wanted = load.plan(image, engine, platform=Platform.parse(platform) if platform else None, name=name)
    return load.load(wanted, engine)


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_engine_has_what_was_built(engine: Engine, tmp_path: Path, compression: str) -> None:
    """The engine knows the image by the digest of its configuration, under the layout's own name."""
    image = make(tmp_path / "image", os.urandom(10), compression=compression)
    loaded = send(image, engine)
    native = image.image(engine.platform())
    assert (loaded.name, loaded.sent_layers) == ("shop:1.0", 4)
    assert loaded.id == str(native.manifest.config.digest)
    assert engine.inspect("shop:1.0")["RootFS"]["Layers"] == [str(digest) for digest in native.config.diff_ids]


def test_second_load_sends_nothing(engine: Engine, tmp_path: Path) -> None:
    """What the engine has gets the name only."""
    image = make(tmp_path / "image", os.urandom(10))
    first = send(image, engine)
    again = load.plan(image, engine, name="localhost:5000/other:2")
    assert (again.identifier, again.size) == (first.id, 0)
    assert load.load(again, engine).sent_layers == 0
    assert engine.inspect("localhost:5000/other:2")["Id"] == first.id


def test_code_change_sends_one_layer(engine: Engine, tmp_path: Path) -> None:
    """Layers below a change are not sent again."""
    base = os.urandom(2000)
    send(make(tmp_path / "first", b"one", base=base), engine)
    second = make(tmp_path / "second", b"two", base=base)
    assert send(second, engine).sent_layers == 1
    assert engine.inspect("shop:1.0")["Id"] == str(second.image(engine.platform()).manifest.config.digest)


def test_layers_that_vanished_are_sent(engine: Engine, tmp_path: Path) -> None:
    """When the engine lost a layer between plan and load, everything is sent."""
    image = make(tmp_path / "image", os.urandom(10))
    native = image.image(engine.platform())
    sizes = docker_archive.sizes(image, native, skip=native.config.diff_ids[:2])
    wanted = load.LoadPlan(layout=image, image=native, name="late:1", identifier="", sizes=sizes)
    assert load.load(wanted, engine).id == str(native.manifest.config.digest)


def test_other_platform(engine: Engine, tmp_path: Path) -> None:
    """An image for another platform can be loaded when asked for."""
    image = make(tmp_path / "image", os.urandom(10))
    loaded = send(image, engine, platform="aarch64-linux", name="arm")
    assert loaded.name == "arm:latest"
    assert engine.inspect("arm:latest")["Architecture"] == "arm64"


def test_damaged_layer(engine: Engine, tmp_path: Path) -> None:
    """A damaged layer is told as such, and the engine keeps nothing of the image."""
    image = make(tmp_path / "image", os.urandom(10))
    native = image.image(engine.platform())
    blob = image.blob(native.layers[0].blob.digest)
    blob.write_bytes(blob.read_bytes()[:-9])
    with pytest.raises((LayoutError, EngineError)) as caught:
        send(image, engine, name="damaged:1")
    assert str(native.layers[0].blob.digest) in str(caught.value)
    with pytest.raises(EngineError, match="has no image damaged:1"):
        engine.inspect("damaged:1")
