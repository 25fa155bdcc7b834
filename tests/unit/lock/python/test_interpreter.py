from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from tests.recording import RecordingRunner

from estiba import config
from estiba.lock.python import interpreter
from estiba.lock.python.interpreter import Interpreter

PYTHON = Interpreter(version="3.13.5", python=Path("/bare/python"), tools=Path("/tools/python"))


def test_install_knows_the_indexes_of_pips_configuration_alone() -> None:
    """Where it installs, which versions and whether at all is not the user's to say here."""
    answer = {
        "cert": None,
        "extra_index_urls": ["https://one.example/simple", "https://two.example/simple"],
        "index_url": "https://user:secret@index.example/simple",
        "no_index": True,
        "proxy": "",
        "timeout": 15.0,
        "trusted_hosts": ["one.example"],
    }
    settings = replace(config.load(), variables={"PATH": "/bin", "PIP_CONSTRAINT": "/own.txt", "PIP_ROOT": "/root"})

    assert interpreter.isolate(PYTHON, config=settings, runner=RecordingRunner(json.dumps(answer))) == {
        "PATH": "/bin",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_EXTRA_INDEX_URL": "https://one.example/simple https://two.example/simple",
        "PIP_INDEX_URL": "https://user:secret@index.example/simple",
        "PIP_NO_INDEX": "1",
        "PIP_NO_INPUT": "1",
        "PIP_TIMEOUT": "15",
        "PIP_TRUSTED_HOST": "one.example",
    }
