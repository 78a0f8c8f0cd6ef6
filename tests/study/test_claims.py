"""A claim is held by one process; those of the dead are free again."""

import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fieldmark.study import claims as module
from fieldmark.study.claims import Had, claimed, claims, release
from fieldmark.study.folder import StudyDir

NOBODY = 2**22 + 1  # more than any process's number


@pytest.fixture
def study(tmp_path):
    found = StudyDir(tmp_path)
    found.prepare()
    return found


def claim_of(study, name, *, host=None, process=NOBODY, age=0.0):
    path = study.claims / name
    path.write_text(json.dumps({"host": host or socket.gethostname(), "process": process}))
    os.utime(path, (time.time() - age,) * 2)


def held_by_many(study):
    """What each of eight threads had that held one claim at a time."""

    def hold(_):
        with claimed(study, "a") as had:
            time.sleep(0.2)
            return had

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(hold, range(8)))


def test_only_one_of_many_has_a_claim(study):
    found = held_by_many(study)
    assert sorted(each.name for each in found) == ["FREE", *["NOT"] * 7]
    assert claims(study) == []  # given up


def test_a_claim_whose_process_is_gone_is_taken(study):
    claim_of(study, "a")
    with claimed(study, "a") as had:
        assert had is Had.TAKEN
        assert claims(study)[0].process == os.getpid()


def test_a_process_that_has_died_and_was_not_asked_for_lives_no_more(study):
    child = os.fork()
    if not child:
        os._exit(0)
    try:
        until = time.monotonic() + 10
        while module.lives(child) and time.monotonic() < until:
            time.sleep(0.01)
        claim_of(study, "a", process=child)
        with claimed(study, "a") as had:
            assert had is Had.TAKEN
    finally:
        os.waitpid(child, 0)


def test_a_claim_of_another_machine_is_taken_when_it_was_not_renewed_for_a_while(study):
    claim_of(study, "a", host="elsewhere", age=module.STALE - 20)
    with claimed(study, "a") as had:
        assert had is Had.NOT
    claim_of(study, "a", host="elsewhere", age=module.STALE + 20)
    with claimed(study, "a") as had:
        assert had is Had.TAKEN


def test_of_many_that_find_a_stale_claim_one_takes_it(study):
    claim_of(study, "a", host="elsewhere", age=1000)
    assert held_by_many(study).count(Had.NOT) == 7


def test_a_claim_is_renewed_while_it_is_held(study, monkeypatch):
    monkeypatch.setattr(module, "RENEWED", 0.05)
    seen = []
    with claimed(study, "a", renewing=lambda: seen.append(1)):
        os.utime(study.claims / "a", (0, 0))
        time.sleep(0.3)
        assert (study.claims / "a").stat().st_mtime > 0
    assert seen


def test_what_a_dead_process_held_is_given_up(study):
    claim_of(study, "a", process=NOBODY)
    claim_of(study, "b", process=os.getpid())
    claim_of(study, "c", host="elsewhere", process=NOBODY)
    assert release(study, NOBODY) == ["a"]
    claim_of(study, "a", process=NOBODY)
    release(study)
    assert sorted(each.run for each in claims(study)) == ["b", "c"]
