"""What a server does when too much comes, too late, or at its end, and whom it lets in."""

import gc
import http.client
import re
import time
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from servers import PATIENCE, form, held, picture, serving, told, wait_until

from fieldmark.serve import connections
from fieldmark.serve.limits import Limits

SMALL = Limits(megabytes=0.05, megapixels=0.01, images=4, queue=6, seconds=60)


@pytest.fixture(scope="module")
def served(folder):
    with serving(folder, SMALL) as found:
        yield found


def test_more_than_the_queue_holds_is_told_to_come_back(served):
    with held(served.desk.predictor) as go:
        first = served.begin(*[("a.png", picture())] * 4)
        wait_until(lambda: served.desk.images == 4)
        found = served.post(*[("a.png", picture())] * 3)
        assert (found.status, found.headers["retry-after"]) == (429, "1")
        assert found.error == "more is waiting than is taken; come back in 1 s"
        second = served.begin(*[("a.png", picture())] * 2)
        wait_until(lambda: served.desk.images == 6)
        assert served.post(("a.png", picture())).status == 429
        assert served.ask("GET", "/health").status == 200
        go.set()
        for thread, answers in (first, second):
            thread.join()
            assert answers[0].status == 200
    assert served.desk.images == served.desk.requests == served.desk.held == 0


def test_bytes_that_wait_are_not_without_end(served, monkeypatch):
    monkeypatch.setattr(served.desk, "held", SMALL.held - 10)
    assert served.post(("a.png", picture())).status == 429


def test_what_would_come_too_late_is_not_begun(served, monkeypatch):
    monkeypatch.setitem(served.desk._paces, "computing", 40.0)
    with held(served.desk.predictor) as go:
        thread, answers = served.begin(("a.png", picture()))
        wait_until(lambda: served.desk.images == 1)
        found = served.post(("a.png", picture()))
        assert (found.status, found.headers["retry-after"]) == (429, "40")
        go.set()
        thread.join()
    assert answers[0].status == 200


def test_pictures_that_take_longer_to_decode_than_to_compute_set_the_pace(folder, monkeypatch):
    monkeypatch.setattr("fieldmark.serve.desk.cores", lambda: 1)
    with serving(folder, SMALL) as served:
        plain, desk = served.desk.predictor.read, served.desk

        def slow(*picture):
            time.sleep(0.1)
            return plain(*picture)

        monkeypatch.setattr(desk.predictor, "read", slow)
        monkeypatch.setitem(desk._paces, "computing", 0.0)
        for _ in range(3):
            assert served.post(("a.png", picture())).status == 200
        decoding = 0.1 * (1 - 0.9**3)  # as far as three of ten count
        assert desk.pace == desk._paces["decoding"] >= decoding


def test_a_client_that_goes_away_is_not_worked_for(served):
    with held(served.desk.predictor) as go:
        busy = [served.begin(("a.png", picture()))]  # which the threads are busy with
        wait_until(lambda: served.desk.images == 1)
        time.sleep(0.05)
        busy.append(served.begin(("a.png", picture())))
        wait_until(lambda: served.desk.images == 2)
        time.sleep(0.05)
        before = served.desk.counts.batches.total
        body, kind = form(*[("b.png", picture())] * 3)
        with served.connected() as line:
            line.request("POST", "/predict", body, {"Content-Type": kind})
            wait_until(lambda: served.desk.images == 5)
        wait_until(lambda: served.desk.images == 2)
        go.set()
        for thread, _ in busy:
            thread.join()
    assert served.desk.counts.batches.total == before + 2
    wait_until(lambda: served.desk.counts.requests["/predict", 499] == 1)


def test_time_that_is_up_is_told(folder, monkeypatch):
    lost = []  # what asyncio would write to the screen
    monkeypatch.setattr("logging.Logger.error", lambda self, *words, **more: lost.append(words))
    monkeypatch.setattr(connections.Connection, "head_seconds", 0.3)
    with serving(folder, Limits(seconds=0.4)) as served, held(served.desk.predictor):
        answer = served.begin(("a.png", picture()))
        with served.raw() as silent, served.raw() as slow_head, served.connected() as slow_body:
            slow_head.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-")
            slow_body.putrequest("POST", "/predict")
            slow_body.putheader("Content-Length", "1000")
            slow_body.endheaders(b"a few bytes")
            found = told(slow_body.getresponse())
            assert (found.status, found.headers["connection"]) == (408, "close")
            assert found.error == "the pictures did not come within 0.4 s; send fewer"
            assert silent.recv(10) == slow_head.recv(10) == b""  # closed
        answer[0].join()
        [found] = answer[1]
        assert (found.status, found.error) == (
            504,
            "the answer did not come within 0.4 s; send fewer",
        )
        assert served.desk.images == served.desk.held == 0
    gc.collect()
    assert lost == []


def test_a_picture_that_hangs_does_not_stop_the_others(folder, monkeypatch):
    monkeypatch.setattr("fieldmark.serve.desk.cores", lambda: 1)
    monkeypatch.setattr("fieldmark.serve.desk.PATIENCE", 0.05)
    go = Event()
    with serving(folder) as served, monkeypatch.context() as patch:
        before = served.desk.predictor.read

        def read(content, name, caption):
            if name == "hangs":
                go.wait(PATIENCE)
            return before(content, name, caption)

        patch.setattr(served.desk.predictor, "read", read)
        thread, hanging = served.begin(("hangs", picture()))
        wait_until(lambda: served.desk.images == 1)
        time.sleep(0.1)
        assert served.post(("a.png", picture())).status == 200
        assert served.desk.hung == 1
        assert "fieldmark_hung_decoders 1" in served.ask("GET", "/metrics").text
        go.set()
        thread.join()
        assert hanging[0].status == 200
        wait_until(lambda: served.desk.hung == 0)


def test_what_was_taken_is_answered_at_the_end_and_nothing_new_is_taken(folder):
    with serving(folder) as served:
        pass
    with pytest.raises(ConnectionRefusedError):
        served.ask("GET", "/health")
    with held_open(folder) as (served, thread, answers, closing):
        assert served.ask("GET", "/ready").status == 503
        found = served.post(("b.png", picture()))
        assert (found.status, found.headers["retry-after"]) == (503, "5")
        assert found.error == "the server is stopping; ask another one, or come back"
        assert served.ask("GET", "/health").status == 200
        closing.set()
        thread.join()
        assert answers[0].status == 200


@contextmanager
def held_open(folder):
    """A server that is being ended while a request is under way."""
    stack = serving(folder)
    served = stack.__enter__()
    with held(served.desk.predictor) as go:
        thread, answers = served.begin(("a.png", picture()))
        wait_until(lambda: served.desk.images == 1)
        ending = Thread(target=stack.__exit__, args=(None, None, None))
        ending.start()
        wait_until(lambda: served.desk.is_stopping)
        yield served, thread, answers, go
    ending.join()


def test_connections_are_not_without_end(folder, monkeypatch):
    monkeypatch.setattr(connections.Connection, "most", 1)
    with serving(folder) as served, served.connected() as first, served.connected() as second:
        first.request("GET", "/ready")
        assert told(first.getresponse()).status == 200
        second.connect()
        found = told_at_once(second)
        assert (found.status, found.headers["retry-after"]) == (503, "5")
        assert found.error == "too many connections are open; come back in 5 s"


def told_at_once(line):
    """What a server says before it is asked anything."""
    response = http.client.HTTPResponse(line.sock)
    response.begin()
    return told(response)


def test_a_token_is_asked_for_everywhere_but_where_nothing_is_told(folder):
    lines = []
    with serving(folder, token=b"s3cret", log=lines.append) as served:
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Basic s3cret"}):
            for way, path in (("POST", "/predict"), ("GET", "/classes"), ("GET", "/metrics")):
                found = served.ask(way, path, headers=headers)
                assert found.status == 401
                assert found.headers["www-authenticate"] == 'Bearer realm="fieldmark"'
                assert found.error == (
                    "a token is needed, and this request has none or another; send it as "
                    "Authorization: Bearer TOKEN"
                )
        assert [served.ask("GET", path).status for path in ("/", "/health", "/ready")] == [200] * 3
        right = {"Authorization": "Bearer s3cret"}
        assert served.post(("a.png", picture()), headers=right).status == 200
    assert re.fullmatch(r"POST /predict 200 \d+ ms", lines[-1])
