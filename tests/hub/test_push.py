"""A push over a socket, to a stand-in of the hub: what goes, what stays, and what is said."""

import os
import subprocess
import sys

import huggingface_hub
import pytest
from hubstandin import TOKEN, standing_in

from fieldmark.cli.main import run as typed
from fieldmark.errors import SettingsError, WorkError
from fieldmark.hub.card import write_card
from fieldmark.hub.facts import Stated, read_facts
from fieldmark.hub.push import exported, push, refuse_push
from fieldmark.rundir import RunDir


@pytest.fixture
def hub(monkeypatch):
    with standing_in() as found:
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", found.address)
        monkeypatch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        huggingface_hub.close_session()
        yield found
        huggingface_hub.close_session()


@pytest.fixture(scope="module")
def carded(trained, tmp_path_factory):
    import shutil

    run = RunDir(shutil.copytree(trained.path, tmp_path_factory.mktemp("pushed") / "colours"))
    write_card(run, run.card, read_facts(run, Stated()))
    return run


def test_nothing_is_pushed_without_the_word(run, hub):
    assert typed(["card", str(run.path)]) == 0
    assert hub.asked == []


def test_the_folder_goes_in_one_commit_with_the_exports_that_show_no_pictures(carded, hub, capsys):
    exports = carded.exports / "onnx"
    exports.mkdir(parents=True)
    for name in ("model.onnx", "export.json", "page.html"):
        (exports / name).write_bytes(b"content of " + name.encode())
    (carded.card / "mine.txt").write_text("not of the card")
    assert typed(["card", str(carded.path), "--push", "me/colours", "--private"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"card    {carded.card}, as it stands",
        f"note: 'onnx/export.json' and 'onnx/page.html' of {carded.exports} may show your pictures "
        "or their names, and stay here",
        f"pushed  {hub.address}/me/colours",
    ]
    files = hub.repos["me/colours"]
    own = ["README.md", "metrics.json", "model.json", "model.safetensors"]
    known = ["known.safetensors"] if carded.known.is_file() else []
    assert sorted(files) == sorted([*own, *known, "exports/onnx/model.onnx"])
    assert files["model.safetensors"] == (carded.card / "model.safetensors").read_bytes()
    assert files["exports/onnx/model.onnx"] == b"content of model.onnx"
    assert "hf download me/colours" in files["README.md"].decode()
    assert "OWNER/NAME" not in files["README.md"].decode()
    assert hub.commits == 1
    assert hub.private["me/colours"]


def test_what_you_wrote_into_the_card_is_pushed(run, hub):
    assert typed(["card", str(run.path)]) == 0
    readme = run.card / "README.md"
    readme.write_text(readme.read_text() + "\nTaken at the lake.\n")
    assert typed(["card", str(run.path), "--push", "me/lake"]) == 0
    assert "Taken at the lake." in hub.repos["me/lake"]["README.md"].decode()
    assert not hub.private["me/lake"]


def test_a_card_of_another_state_of_the_run_is_not_pushed(carded, hub, capsys, tmp_path):
    text = (carded.card / "metrics.json").read_text()
    stale = text.replace('"finished": "20', '"finished": "19')
    assert stale != text
    (carded.card / "metrics.json").write_text(stale)
    try:
        assert typed(["card", str(carded.path), "--push", "me/old"]) == 2
    finally:
        (carded.card / "metrics.json").write_text(text)
    assert capsys.readouterr().err == (
        f"fieldmark: {carded.card}: holds the card of another run, or of this one before it was "
        "trained further; write it anew with --overwrite\n"
    )
    assert typed(["card", str(carded.path), "--push", "me/old", "--licence", "mit"]) == 2
    assert capsys.readouterr().err == (
        f"fieldmark: --licence: {carded.card} is there already and is pushed as it stands; write "
        "it anew with --overwrite\n"
    )
    assert hub.asked == []


@pytest.mark.parametrize(
    ("where", "code", "told"),
    [
        (
            "/api/repos/create",
            401,
            "the hub does not take the token (401); keep another with `hf auth login`",
        ),
        (
            "/api/repos/create",
            403,
            "the token may not write there (403); take a token that may, or a name of your own",
        ),
        (
            "/preupload/",
            404,
            "the hub has no such repository (404), or not for this token; check the name",
        ),
        ("/commit/", 503, "the hub answered 503; try again later"),
        ("/kept/", 400, "the hub answered 400; try again later"),
    ],
)
def test_a_hub_that_says_no_is_one_sentence(carded, hub, monkeypatch, where, code, told):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the library's own tries
    hub.refuses = {where: code}
    with pytest.raises(WorkError) as error:
        push(carded.card, [], carded.exports, "me/no", private=False)
    kept = f"{carded.card} stays as it is, and --push without --overwrite pushes it"
    assert str(error.value) == f"--push me/no: {told}; {kept}"
    assert hub.commits == 0


def test_a_hub_that_is_not_there_is_one_sentence(carded, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WorkError) as error:
        push(carded.card, [], carded.exports, "me/no", private=False)
    assert str(error.value).startswith("--push me/no: the hub cannot be reached (")


def test_private_is_refused_for_what_is_public_already(carded, hub, capsys):
    hub.repos["me/seen"], hub.private["me/seen"] = {}, False
    assert typed(["card", str(carded.path), "--push", "me/seen", "--private"]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: --private: me/seen is there already, and public; make it private on the hub, "
        "or name another repository\n"
    )
    assert hub.repos["me/seen"] == {}


def test_a_wrong_name_and_a_lacking_token_are_told_together(monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(SettingsError) as told:
        refuse_push("me/a b")
    assert str(told.value).splitlines() == [
        "--push me/a b: is no name of a repository; write OWNER/NAME, of letters, digits, '-', "
        "'_' and '.'",
        "--push: needs a token of the Hugging Face hub that may write; keep one with `hf auth "
        "login`, or set HF_TOKEN",
    ]


def test_private_alone_asks_for_a_push(run, capsys):
    assert typed(["card", str(run.path), "--private"]) == 2
    told = "fieldmark: --private: is for --push REPO; add that, or leave it out\n"
    assert capsys.readouterr().err == told


def test_no_exports_are_none(tmp_path):
    assert exported(tmp_path / "exports") == ([], [])


def test_what_a_kill_left_half_written_is_no_export(tmp_path):
    (tmp_path / ".onnx.0a1b.part").mkdir()
    (tmp_path / ".onnx.0a1b.part" / "model.onnx").write_bytes(b"half")
    assert exported(tmp_path) == ([], [])


@pytest.mark.slow
def test_the_command_pushes_in_a_process_of_its_own(carded):
    with standing_in() as hub:
        names = {"HF_ENDPOINT": hub.address, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        words = [sys.executable, "-m", "fieldmark", "card", str(carded.path), "--push", "me/own"]
        done = subprocess.run(words, env=os.environ | names, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"pushed  {hub.address}/me/own"
    assert "README.md" in hub.repos["me/own"]
