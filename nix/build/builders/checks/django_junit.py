"""The service's own Django test runner, which also writes JUnit XML; runs inside the service's root."""

import unittest

from django.conf import settings
from django.test.utils import get_runner

from junit_result import Recorded


class Runner(get_runner(settings, settings.TEST_RUNNER)):  # type: ignore[misc]
    """The runner that the service's settings name, with the report added."""

    def get_resultclass(self) -> type[unittest.TestResult]:
        """Return the result class that the runner would use, recorded."""
        own = super().get_resultclass() or unittest.TextTestResult
        return type("Recording", (Recorded, own), {})
