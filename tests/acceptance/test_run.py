"""`caas-worker run` in real processes: it follows writes, ends in order, and survives what is done to it."""

import os
import signal
from pathlib import Path

from tests.acceptance.conftest import Product, Wait
from tests.people import Rows, add_client, add_review, add_tutor, total


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def workers(app: Rows) -> list[int]:
    return [row[0] for row in app.execute("select pid from caas.workers order by pid").fetchall()]


def test_a_score_follows_a_write_within_a_second(product: Product, app: Rows, eventually: Wait) -> None:
    tutor = add_tutor(app)
    product.start("run")
    eventually(lambda: total(app, tutor) == 32)
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    eventually(lambda: total(app, tutor) == 36)
    delay = app.execute(
        "select extract(epoch from calculated_at - source_changed_at) from caas.scores where profile_id = %s", (tutor,)
    ).fetchone()
    assert delay is not None
    assert delay[0] < 1


def test_sigterm_ends_a_worker_in_order(product: Product, app: Rows, eventually: Wait) -> None:
    process = product.start("run")
    eventually(lambda: workers(app) == [process.pid])
    product.call("health")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert workers(app) == []
    product.call("health", code=1)


def test_a_killed_worker_of_several_is_replaced_and_all_end_with_the_first_process(
    product: Product, app: Rows, eventually: Wait
) -> None:
    parent = product.start("run", "--workers", "2")
    first = eventually(lambda: workers(app) if len(workers(app)) == 2 else None)
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: len(set(workers(app)) - set(first)) == 1)
    parent.kill()
    eventually(lambda: not any(alive(pid) for pid in workers(app)))


def test_sigterm_ends_several_workers_in_order(product: Product, app: Rows, eventually: Wait) -> None:
    parent = product.start("run", "--workers", "2")
    eventually(lambda: len(workers(app)) == 2)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(15) == 0
    assert workers(app) == []


def test_ctrl_c_at_the_terminal_ends_several_workers_in_order(product: Product, app: Rows, eventually: Wait) -> None:
    parent = product.start("run", "--workers", "2")
    eventually(lambda: len(workers(app)) == 2)
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.wait(15) == 0
    assert workers(app) == []


def test_a_worker_outlives_its_connections(product: Product, app: Rows, eventually: Wait) -> None:
    tutor = add_tutor(app)
    process = product.start("run")
    eventually(lambda: total(app, tutor) == 32)
    for _ in range(3):
        app.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'caas-worker' and datname = current_database()"
        )
        add_review(app, add_client(app), tutor, 5)
    app.execute("update profiles set available_free_help = true where id = %s", (tutor,))
    eventually(lambda: total(app, tutor) == 36)
    assert process.poll() is None
