"""`caas-worker serve` and `run --metrics-port` in real processes."""

import json
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from typing import Any

from tests.acceptance.conftest import Product, Wait
from tests.acceptance.test_run import workers
from tests.people import Rows, add_tutor, total

KEY = "a-key-that-is-long-enough"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def get(port: int, path: str, method: str = "GET", key: str | None = None) -> tuple[int, str]:
    """Status and text; (0, "") while nobody listens."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def figure(text: str, series: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(series))


def test_a_service_answers_and_ends_in_order(product: Product, app: Rows, eventually: Wait) -> None:
    port, tutor = free_port(), add_tutor(app)
    process = product.start("serve", "--port", str(port), CAAS_WORKER_API_KEY=KEY, CAAS_LOG_FORMAT="json")
    eventually(lambda: get(port, "/api/health")[0] == 200)
    status, text = get(port, f"/api/caas/{tutor}")
    assert (status, json.loads(text)["total_score"], total(app, tutor)) == (200, 32, 32)
    status, text = get(port, f"/api/caas/{tutor}/recalculate?wait=20", "POST", KEY)
    assert (status, json.loads(text)["total_score"]) == (200, 32)
    assert get(port, f"/api/caas/{tutor}/recalculate", "POST")[0] == 401
    assert get(port, "/docs")[0] == 200
    assert get(port, "/static-offline-docs/swagger-ui-bundle.js")[0] == 200  # the wheel's page needs no other host
    assert figure(get(port, "/metrics")[1], "caas_profiles_processed_total{") == 2
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    lines = [json.loads(line) for line in err.splitlines()]
    assert {line["event"] for line in lines} >= {"listening", "batch", "request"}
    assert str(tutor) not in err


def test_ctrl_c_answers_the_request_at_hand(product: Product, app: Rows, eventually: Wait) -> None:
    port, tutor = free_port(), add_tutor(app)
    process = product.start("serve", "--port", str(port), CAAS_WORKER_API_KEY=KEY)
    eventually(lambda: get(port, "/api/health")[0] == 200)
    answers: list[tuple[int, str]] = []
    asking = threading.Thread(
        target=lambda: answers.append(get(port, f"/api/caas/{tutor}/recalculate?wait=20", "POST", KEY))
    )
    asking.start()
    process.send_signal(signal.SIGINT)
    asking.join()
    assert process.wait(20) == 0
    assert answers[0][0] in (0, 200, 202)  # not accepted any more, or the score, or told that it is in the queue


def test_a_port_that_is_taken_is_a_sentence(product: Product) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        product.call("serve", "--port", port, code=2)
        assert "can't be listened at" in product.said
        product.call("run", "--metrics-port", port, code=2)
        assert "can't be offered" in product.said


def test_a_short_key_is_a_sentence_that_does_not_tell_it(product: Product) -> None:
    product.call("serve", code=2, CAAS_WORKER_API_KEY="hunter2")
    assert "at least 16 characters" in product.said
    assert "hunter2" not in product.said


def test_metrics_of_one_worker(product: Product, app: Rows, eventually: Wait) -> None:
    port, tutor = free_port(), add_tutor(app)
    process = product.start("run", "--metrics-port", str(port))
    eventually(lambda: total(app, tutor) == 32)
    eventually(lambda: figure(get(port, "/metrics")[1], 'caas_profiles_processed_total{outcome="scored"') >= 1)
    text = get(port, "/metrics")[1]
    assert figure(text, "caas_worker_up") == 1
    assert figure(text, "caas_freshness_seconds_count") >= 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_metrics_of_several_workers_are_summed_and_outlive_one_of_them(
    product: Product, app: Rows, eventually: Wait
) -> None:
    port = free_port()
    parent = product.start("run", "--workers", "2", CAAS_METRICS_PORT=str(port))
    first: Any = eventually(lambda: workers(app) if len(workers(app)) == 2 else None)
    tutors = [add_tutor(app) for _ in range(10)]
    eventually(lambda: all(total(app, tutor) == 32 for tutor in tutors))
    scored = 'caas_profiles_processed_total{outcome="scored"'
    eventually(lambda: figure(get(port, "/metrics")[1], scored) >= 10)
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: len(set(workers(app)) - set(first)) == 1)
    assert figure(get(port, "/metrics")[1], scored) >= 10
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(20) == 0
