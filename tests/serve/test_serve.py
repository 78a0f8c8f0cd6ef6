"""A server over a socket: the answers of `predict`, and what is refused, each in its sentence."""

import csv
import io
import json
import re
from concurrent.futures import Future
from dataclasses import replace

import pytest
from pngs import png_head
from servers import form, picture, serving
from tinybundles import one_label, several_labels
from tinyexports import SIDE, mean_colours

import fieldmark
from fieldmark.serve import counts, drop_page
from fieldmark.serve.desk import Job
from fieldmark.serve.limits import Limits
from fieldmark.use.asked import info_of_any
from fieldmark.use.predictor import Failure
from fieldmark.use.reading import Read

HOW = (
    "send files as multipart/form-data (curl -F files=@a.jpg), or one picture as the body with a "
    "Content-Type of image/jpeg, another of its kind, or application/octet-stream"
)
KINDS = "PNG, JPEG, WEBP, BMP, TIFF, GIF, AVIF"
NO_PICTURE = f"b.jpg: is not a picture that can be read ({KINDS}); take it out"
SMALL = Limits(megabytes=0.05, megapixels=0.01, images=4, queue=6, seconds=60)
FIGURES = {
    "test": {
        "images": 20,
        "values": {"accuracy": 0.9},
        "intervals": {"accuracy": [0.7, 0.97]},
    }
}
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def served(folder):
    with serving(folder, SMALL, top=2, page="<p>Drop</p>") as found:
        yield found


def test_files_have_the_answers_of_predict_in_their_order_under_their_names(served, folder):
    photos = [picture(shade) for shade in (0, 100, 250)]
    found = served.post(*((f"{n}.png", each) for n, each in enumerate(photos)))
    assert (found.status, found.headers["content-type"]) == (200, "application/json")
    wanted = fieldmark.load(folder).predict(photos)
    assert [each["image"] for each in found.json["answers"]] == ["0.png", "1.png", "2.png"]
    for one, other in zip(found.json["answers"], wanted, strict=True):
        assert (one["label"], one["error"], one["reason"]) == (other.label, None, None)
        assert one["score"] == pytest.approx(other.score, rel=1e-4)
        assert one["unlike"] == other.is_unlike
        best = sorted(other.scores, key=lambda name: -other.scores[name])[:2]
        assert [each["label"] for each in one["top"]] == best
    assert [each["unlike"] for each in found.json["answers"]] == [False, True, True]


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", None])
def test_a_body_is_one_picture(served, kind):
    headers = {"Content-Type": kind} if kind else {}
    found = served.ask("POST", "/predict", picture(), headers)
    assert found.status == 200
    assert [each["image"] for each in found.json["answers"]] == ["image 1"]


def test_the_table_is_that_of_the_answers_and_has_a_row_of_a_broken_file(served):
    files = ("a.png", picture()), ("b.jpg", b"no picture")
    answer = served.post(*files).json["answers"][0]
    found = served.post(*files, path="/predict.csv")
    assert (found.status, found.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    rows = list(csv.DictReader(io.StringIO(found.text)))
    assert [rows[0][name] for name in ("image", "label", "score", "reason", "error", "top_2")] == [
        "a.png",
        answer["label"],
        str(answer["score"]),
        "",
        "",
        answer["top"][1]["label"],
    ]
    assert rows[1]["error"] == NO_PICTURE
    assert [rows[1][name] for name in ("image", "label", "score")] == ["b.jpg", "", ""]


def test_a_broken_file_is_the_error_of_its_image_and_of_the_request_where_all_are(served):
    found = served.post(("b.jpg", b"no picture"), ("a.png", picture()), ("c.png", b""))
    assert found.status == 200
    assert [each["error"] for each in found.json["answers"]] == [
        NO_PICTURE,
        None,
        "c.png: is empty (0 bytes); copy it anew or take it out",
    ]
    assert found.json["answers"][0] == {
        "image": "b.jpg",
        "label": None,
        "score": None,
        "reason": None,
        "unlike": None,
        "error": NO_PICTURE,
        "top": [],
    }
    found = served.post(("b.jpg", b"no picture"))
    assert (found.status, found.error) == (422, NO_PICTURE)
    assert found.json["answers"][0]["error"] == NO_PICTURE


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_request_of_too_many_bytes_is_refused_whatever_length_it_claims(served, chunked):
    body = iter([bytes(30_000)] * 3) if chunked else bytes(90_000)
    headers = {**JPEG, "Transfer-Encoding": "chunked"} if chunked else JPEG
    found = served.ask("POST", "/predict", body, headers, chunked)
    assert found.status == 413
    assert found.error == (
        "the request has more than 0.05 MiB; send fewer or smaller pictures at once"
    )


def test_a_body_in_chunks_without_a_length_is_taken(served):
    whole = picture()
    body, headers = iter([whole[:20], whole[20:]]), {**JPEG, "Transfer-Encoding": "chunked"}
    assert served.ask("POST", "/predict", body, headers, chunked=True).status == 200


def test_too_many_images_at_once_are_refused(served):
    found = served.post(*[("a.png", picture())] * 5)
    assert found.status == 413
    assert found.error == "the request has more than 4 images; send fewer at once"


def test_an_image_of_too_many_pixels_is_refused_by_its_head_and_the_others_are_answered(served):
    bomb, larger = png_head(30_000, 30_000), picture(side=101)
    found = served.post(("bomb.png", bomb), ("larger.png", larger), ("a.png", picture()))
    assert found.status == 200
    assert [each["error"] for each in found.json["answers"]] == [
        "bomb.png: claims too many pixels to be opened safely; make it smaller or take it out",
        "larger.png: has 101 x 101 pixels, more than the 0.01 million that are opened; make it "
        "smaller",
        None,
    ]


REFUSED = {
    "empty": (b"", JPEG, 422, f"the request is empty; {HOW}"),
    "json": (
        b"{}",
        {"Content-Type": "application/json"},
        415,
        f"a body of the type 'application/json' is not taken; {HOW}",
    ),
    "packed": (
        b"a",
        {**JPEG, "Content-Encoding": "gzip"},
        415,
        "a compressed body is not taken; send it as it is",
    ),
    "no files": (*form(), 422, f"the request holds no picture; {HOW}"),
    "a field without a file": (*form(("", b"")), 422, f"the request holds no picture; {HOW}"),
    "a strange field": (
        *form(("size", None, "3")),
        422,
        f"the field 'size' holds a text and no file; {HOW}",
    ),
    "captions": (
        *form(("a.png", picture()), ("caption", None, "an ape")),
        422,
        "the model reads no captions; leave the field 'caption' out",
    ),
    "no boundary": (
        b"--a",
        {"Content-Type": "multipart/form-data"},
        400,
        f"the form cannot be read (Missing boundary in multipart); {HOW}",
    ),
    "an odd charset": (
        form(("a.png", picture()))[0],
        {"Content-Type": "multipart/form-data; boundary=line; charset=undefined"},
        400,
        f"the form cannot be read (its names are not in the charset that it claims); {HOW}",
    ),
    "a broken form": (
        b"nothing of it",
        {"Content-Type": "multipart/form-data; boundary=line"},
        400,
        f"the form cannot be read (Invalid multipart data); {HOW}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_is_none_is_told_what_to_send(served, name):
    body, headers, status, sentence = REFUSED[name]
    headers = {"Content-Type": headers} if isinstance(headers, str) else headers
    found = served.ask("POST", "/predict", body, headers)
    assert (found.status, found.json) == (status, {"error": sentence})


def test_a_name_is_only_ever_shown_and_in_one_line(served, tmp_path):
    hidden = tmp_path / "hidden.png"
    hidden.write_bytes(picture())
    found = served.post((str(hidden), b"no picture"), ("a\x1b[31m\u202eb" + "c" * 999, picture()))
    first, second = found.json["answers"]
    assert first["error"] == f"{hidden}: is not a picture that can be read ({KINDS}); take it out"
    assert second["image"] == ("a[31mb" + "c" * 999)[:255]


def test_two_batches_that_are_computed_at_once_are_not_taken_for_each_other(served, folder):
    shades = (0, 60, 120, 180, 250)
    wanted = fieldmark.load(folder).predict([picture(each) for each in shades])
    asked = [served.begin(("a.png", picture(each))) for each in shades]
    for (thread, found), one in zip(asked, wanted, strict=True):
        thread.join()
        [answer] = found[0].json["answers"]
        assert answer["score"] == pytest.approx(one.score, rel=1e-4)
        assert answer["unlike"] == one.is_unlike


def test_the_model_is_told_of(served, folder):
    info = json.loads((folder / "model.json").read_text())
    found = served.ask("GET", "/classes").json
    assert found == {name: info[name] for name in found}
    assert found["classes"] == ["a", "b", "c"]
    described = served.ask("GET", "/openapi.json").json["paths"]
    assert [*described] == [
        "/predict",
        "/predict.csv",
        "/classes",
        "/health",
        "/ready",
        "/metrics",
    ]
    assert set(described["/predict"]["post"]["responses"]) >= {"200", "413", "429", "504"}
    assert served.ask("GET", "/").text == "<p>Drop</p>"


def test_what_is_not_there_is_told(served):
    found = served.ask("GET", "/docs")  # FastAPI's loads its script from elsewhere
    assert (found.status, found.error) == (
        404,
        "GET /docs: not found; /openapi.json lists what there is",
    )
    found = served.ask("GET", "/predict")
    assert (found.status, found.headers["allow"]) == (405, "POST")


def test_a_mistake_of_the_model_is_told_and_the_next_batch_is_answered(served, monkeypatch):
    def broken(batch):
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(served.desk.predictor, "answers", broken)
        patch.setattr("logging.Logger.error", lambda *words, **more: None)
        found = served.post(("a.png", picture()))
    assert (found.status, found.error) == (
        500,
        "unexpected: MemoryError: no room; the server's own screen says more",
    )
    assert served.post(("a.png", picture())).status == 200


def test_a_request_does_not_pay_for_the_picture_of_another(served, monkeypatch):
    before = served.desk.predictor.answers

    def broken(batch):
        if any(each.name == "odd.png" for each in batch):
            raise MemoryError("no room")
        return before(batch)

    jobs = [Job(None, Future(), Read(name, "seen")) for name in ("a.png", "odd.png", "b.png")]
    with monkeypatch.context() as patch:
        patch.setattr(served.desk.predictor, "answers", broken)
        one, odd, other = served.desk._answers(jobs)
    assert (one.reason, str(odd), other.reason) == ("seen", "no room", "seen")


def test_an_unknown_error_of_a_picture_is_its_own(served, monkeypatch):
    def broken(content, name, caption):
        raise RecursionError("too deep")

    with monkeypatch.context() as patch:
        patch.setattr(served.desk.predictor, "read", broken)
        found = served.post(("a.png", picture()))
    assert (found.status, found.error) == (422, "a.png: cannot be read (RecursionError: too deep)")


def test_what_goes_by_is_counted_for_prometheus(folder):
    with serving(folder) as served:
        assert "fieldmark_unlike_share nan" in served.ask("GET", "/metrics").text
        for shade in (0, 0, 0, 250):
            served.post(("a.png", picture(shade)))
        served.post(("b.jpg", b"no picture"))
        found = served.ask("GET", "/metrics")
    assert found.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = found.text.splitlines()
    shown = re.compile(r'\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? (\d|nan)\S*')
    assert all(each.startswith("# ") or shown.fullmatch(each) for each in lines)
    for line in (
        'fieldmark_requests_total{path="/predict",status="200"} 4',
        'fieldmark_requests_total{path="/predict",status="422"} 1',
        "fieldmark_images_answered_total 4",
        "fieldmark_images_failed_total 1",
        "fieldmark_images_unlike_total 1",
        "fieldmark_images_unlabelled_total 0",
        "fieldmark_unlike_share 0.25",
        "fieldmark_unlabelled_share 0",
        "fieldmark_unlike_share_in_validation 0.025",
        "fieldmark_batch_images_count 4",
        'fieldmark_request_seconds_bucket{le="+Inf"} 5',
        "fieldmark_queue_images 0",
        "fieldmark_ready 1",
    ):
        assert line in lines, line


def test_of_several_labels_each_answer_has_a_list(tmp_path):
    photos = [picture(shade) for shade in (0, 80, 160, 250)]
    bundle = several_labels(tmp_path / "run", photos)
    wanted = fieldmark.load(bundle).predict(photos)
    with serving(bundle, page="", top=1) as served:
        found = served.post(*[("a.png", each) for each in photos])
        table = served.post(*[("a.png", each) for each in photos], path="/predict.csv")
    assert [each["labels"] for each in found.json["answers"]] == [[*e.labels] for e in wanted]
    assert {each["unlike"] for each in found.json["answers"]} == {None}
    rows = csv.DictReader(io.StringIO(table.text))
    assert [each["labels"] for each in rows] == ["|".join(each.labels) for each in wanted]


def test_models_that_are_one_are_served_as_one(tmp_path):
    members = [one_label(tmp_path / name) for name in ("a", "b")]
    joining = {"format": 1, "kind": "mean", "classes": ["a", "b", "c"], "thresholds": None}
    joining["members"] = [{"run": each.name} for each in members]
    (tmp_path / "ensemble.json").write_text(json.dumps(joining))
    wanted = fieldmark.load(tmp_path).predict(picture())
    with serving(tmp_path) as served:
        [found] = served.post(("a.png", picture())).json["answers"]
    assert (found["label"], found["unlike"]) == (wanted.label, None)
    assert found["score"] == pytest.approx(wanted.score, rel=1e-4)


def test_an_export_is_served_and_large_pictures_wait_small(tmp_path):
    export = mean_colours(tmp_path / "export", figures=FIGURES)
    with serving(export) as served:
        photo = picture(shade=250, side=400)
        [found] = served.post(("a.png", photo)).json["answers"]
        assert served.desk.predictor.read(photo, "a.png").seen.shape == (SIDE, SIDE, 3)
    assert (found["label"], found["unlike"]) == ("red", None)
    page = drop_page.render(export, info_of_any(export), Limits())
    assert "<title>export: Tells " in page
    assert "Right on 90.0 % of 20 test images (95 % interval 70.0 to 97.0 %)" in page


def test_the_page_of_an_export_is_called_as_the_run_that_it_was_made_from(tmp_path):
    export = mean_colours(tmp_path / "onnx", name="monkeys")
    for place in (export, export / "model.onnx"):
        page = drop_page.render(place, info_of_any(place), Limits())
        assert "<title>monkeys: Tells " in page


def test_a_model_that_reads_captions_wants_one_for_each_picture(served, monkeypatch):
    info, seen = served.desk.predictor.info, []
    monkeypatch.setattr(
        served.desk.predictor, "info", replace(info, spec=replace(info.spec, words=8))
    )
    monkeypatch.setattr(
        served.desk.predictor,
        "answers",
        lambda batch: [seen.append(each.caption) or Failure(each.name, "seen") for each in batch],
    )
    wants = (
        "the model reads captions; send files and a field 'caption' for each of them, in the same "
        "order"
    )
    found = served.post(("a.png", picture()))
    assert (found.status, found.error) == (422, wants)
    found = served.ask("POST", "/predict", picture(), JPEG)
    assert (found.status, found.error) == (422, wants)
    captions = [("caption", None, each) for each in ("an ape", "a tree")]
    served.post(("a.png", picture()), ("b.png", picture()), *captions)
    assert sorted(seen) == ["a tree", "an ape"]


def test_a_histogram_holds_in_each_bucket_those_before_it():
    found = counts.Histogram((1, 2, 5))
    for value in (0.5, 1, 2, 4, 9):
        found.add(value)
    assert list(found.lines("x")) == [
        'x_bucket{le="1"} 2',
        'x_bucket{le="2"} 3',
        'x_bucket{le="5"} 4',
        'x_bucket{le="+Inf"} 5',
        "x_sum 16.5",
        "x_count 5",
    ]
