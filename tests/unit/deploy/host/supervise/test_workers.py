from __future__ import annotations

from estiba.deploy.host.supervise import workers
from estiba.service.processes import Process


def test_process_that_is_not_ready_speaks_for_itself() -> None:
    """Its log says what it waits for; of the check's traceback only the cause is there."""
    process = Process(name="jobs", ready_command=("celery", "status"))
    answer = "Traceback (most recent call last):\n  File x\nOperationalError: [Errno 111] Connection refused"

    assert workers.explain("jobs-a", process, 60.0, answer=answer, said="jobs-a: Cannot connect to amqp://h:5672") == (
        "jobs-a is not ready after 60 seconds: celery status says OperationalError: [Errno 111] Connection refused\n"
        "jobs-a: Cannot connect to amqp://h:5672"
    )
