"""A claim is held by one process; those of the dead are free again."""

import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from threading import Barrier

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
    path = next(p for n in count() if not (p := study.claims / f"{name}.{n}").exists())
    path.write_text(json.dumps({"host": host or socket.gethostname(), "process": process}))
    os.utime(path, (time.time() - age,) * 2)


def held_by_many(study):
    """What each of eight threads had that asked for one claim, held until all have asked."""
    all_have_asked = Barrier(8)

    def hold(_):
        with claimed(study, "a") as had:
            all_have_asked.wait(30)
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
    for _ in range(20):  # each is taken, and given up
        claim_of(study, "a", host="elsewhere", age=1000)
        found = held_by_many(study)
        assert sorted(each.name for each in found) == [*["NOT"] * 7, "TAKEN"]


@pytest.mark.parametrize("given_up", [False, True])
def test_who_looked_before_another_took_a_claim_does_not_have_it(study, monkeypatch, given_up):
    claim_of(study, "a")
    with ExitStack() as other:

        def look(claim, path):
            monkeypatch.undo()
            assert other.enter_context(claimed(study, "a")) is Had.TAKEN
            if given_up:
                other.close()
            return True

        monkeypatch.setattr(module, "_is_stale", look)
        with claimed(study, "a") as had:
            assert had is Had.NOT
        assert len(claims(study)) == (not given_up)
    with claimed(study, "a") as had:
        assert had is Had.FREE


def test_processes_of_a_machine_that_has_slept_renew_before_they_are_taken_for_dead(
    study, monkeypatch
):
    with claimed(study, "a"), monkeypatch.context() as patch:
        os.utime(study.claims / "a.0", (0, 0))
        patch.setattr(module, "sleep", lambda _: os.utime(study.claims / "a.0"))
        with claimed(study, "a") as had:
            assert had is Had.NOT


def test_who_was_taken_for_dead_gives_up_its_own_claim_alone(study, monkeypatch):
    monkeypatch.setattr(module, "sleep", lambda _: None)
    with ExitStack() as slow:
        slow.enter_context(claimed(study, "a"))
        os.utime(study.claims / "a.0", (0, 0))
        with claimed(study, "a") as had:
            assert had is Had.TAKEN
            slow.close()
            assert [each.number for each in claims(study)] == [1]
            with claimed(study, "a") as third:
                assert third is Had.NOT


def test_a_claim_that_is_being_made_is_held_and_one_that_was_never_made_whole_was_nobodys(study):
    (study.claims / "a.0").touch()
    with claimed(study, "a") as had:
        assert had is Had.NOT
    os.utime(study.claims / "a.0", (0, 0))
    with claimed(study, "a") as had:
        assert had is Had.FREE  # no run had begun that could have crashed


def test_a_claim_needs_no_hard_links(study, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert sorted(each.name for each in held_by_many(study)) == ["FREE", *["NOT"] * 7]


def test_a_claim_is_renewed_while_it_is_held(study, monkeypatch):
    monkeypatch.setattr(module, "RENEWED", 0.05)
    seen = []
    with claimed(study, "a", renewing=lambda: seen.append(1)):
        os.utime(study.claims / "a.0", (0, 0))
        time.sleep(0.3)
        assert (study.claims / "a.0").stat().st_mtime > 0
    assert seen


def test_what_a_dead_process_held_is_given_up(study):
    claim_of(study, "a", process=NOBODY)
    claim_of(study, "b", process=os.getpid())
    claim_of(study, "c", host="elsewhere", process=NOBODY)
    assert release(study, NOBODY) == ["a"]
    claim_of(study, "a", process=NOBODY)
    release(study)
    assert sorted(each.run for each in claims(study)) == ["b", "c"]
