"""Files of the trade: MegaDetector's results and Camtrap DP's observations."""

import csv
import io
import json
import re

import pytest
from smallruns import draw_photos
from tinybundles import one_label, several_labels

from fieldmark.data.boxes import Box
from fieldmark.data.crops import Finder
from fieldmark.data.formats.megadetector import read_boxes
from fieldmark.errors import SettingsError
from fieldmark.use.camtrap_file import COLUMNS, CamtrapDP
from fieldmark.use.forms import form_of, package_in, refuse_form
from fieldmark.use.inputs import find_images
from fieldmark.use.megadetector_file import MegaDetector
from fieldmark.use.predictor import UNSURE, Failure, Prediction, Predictor
from fieldmark.use.tally import Tally


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=2)


@pytest.fixture(scope="module")
def predictor(photos, tmp_path_factory):
    return Predictor(one_label(tmp_path_factory.mktemp("bundles") / "b"))


def answer(image, label, score=0.9, rest=("a", "empty"), **more):
    scores = {label or rest[0]: score, rest[1]: 1 - score}
    labels = () if label is None else (label,)
    return Prediction(image, label, score, scores, labels, **more)


def written(form, answers):
    stream = io.StringIO()
    form.write(stream, answers)
    return stream.getvalue()


def results(form, *answers):
    return json.loads(written(form, answers))


def test_a_picture_is_one_box_with_the_likeliest_classes(tmp_path):
    form = MegaDetector(("empty", "a"), "Fieldmark", tmp_path)
    found = results(
        form,
        answer(str(tmp_path / "site 1" / "ü.jpg"), "a"),
        answer(str(tmp_path / "2.jpg"), "empty", rest=("empty", "a")),
        answer(str(tmp_path / "3.jpg"), None, reason=UNSURE),
        Failure(str(tmp_path / "4.jpg"), "4.jpg: is cut off; copy it again"),
    )
    assert found["info"]["format_version"] == "1.6"
    assert found["detection_categories"]["1"] == "animal"
    assert found["classification_categories"] == {"0": "empty", "1": "a"}
    whole = {"category": "1", "conf": 1.0, "bbox": [0.0, 0.0, 1.0, 1.0]}
    assert found["images"] == [
        {
            "file": "site 1/ü.jpg",
            "detections": [whole | {"classifications": [["1", 0.9], ["0", 0.1]]}],
        },
        {"file": "2.jpg", "detections": []},
        {"file": "3.jpg", "detections": [whole]},
        {"file": "4.jpg", "failure": "4.jpg: is cut off; copy it again", "detections": None},
    ]


def test_no_images_are_an_empty_list_and_the_score_to_answer_is_told():
    found = results(MegaDetector(("a",), "Fieldmark", above=0.7))
    assert found["images"] == []
    assert found["info"]["classifier_metadata"] == {"typical_classification_threshold": 0.7}


def test_boxes_of_a_picture_stand_together_and_are_read_back(predictor, tmp_path):
    first, second = Box(0.1, 0.2, 0.3, 0.4), Box(0.5, 0.5, 0.25, 0.5)
    given = {"format_version": "1.6"}
    boxes = [{"category": "1", "conf": 0.8, "bbox": [0.1, 0.2, 0.3, 0.4]}]
    boxes.append({"category": "1", "conf": 0.6, "bbox": [0.5, 0.5, 0.25, 0.5]})
    file = tmp_path / "md.json"
    names = {"detection_categories": {"1": "animal"}, "info": given}
    file.write_text(json.dumps(names | {"images": [{"file": "x/1.jpg", "detections": boxes}]}))
    finder = Finder(read_boxes(file), 0.5)
    form = form_of("megadetector", find_images([b""]), predictor.info, ["x"], finder)
    answers = [answer(f"x/1.jpg{box.fragment()}", "a", rest=("a", "b")) for box in (first, second)]
    found = results(form, *answers)
    (image,) = found["images"]
    assert [each["bbox"] for each in image["detections"]] == [
        [0.1, 0.2, 0.3, 0.4],
        boxes[1]["bbox"],
    ]
    assert [each["conf"] for each in image["detections"]] == [0.8, 0.6]
    assert found["info"]["detector_metadata"] == {"typical_detection_threshold": 0.5}
    again = tmp_path / "again.json"
    again.write_text(json.dumps(found))
    assert read_boxes(again).of == {"x/1.jpg": [(0.8, first), (0.6, second)]}


MEDIA = "mediaID,deploymentID,timestamp,filePath,filePublic,fileMediatype\n"
OBSERVED = "observationID,deploymentID,mediaID,observationType,scientificName\n"


@pytest.fixture
def package(photos, tmp_path):
    folder = tmp_path / "package"
    draw_photos(folder / "media", each=1)
    resources = [{"name": name, "path": f"{name}.csv"} for name in ("media", "observations")]
    resources.append({"name": "deployments", "path": "deployments.csv"})
    (folder / "datapackage.json").write_text(json.dumps({"resources": resources}))
    rows = [
        f"m{k},d1,2026-05-01T06:00:0{k}Z,media/{name}/00.png,true,image/png"
        for k, name in enumerate(("red", "green", "blue"))
    ]
    (folder / "media.csv").write_text(MEDIA + "\n".join(rows))
    (folder / "observations.csv").write_text(OBSERVED)
    (folder / "deployments.csv").write_text("deploymentID,locationID\nd1,north\n")
    return folder


def test_observations_keep_the_ids_of_the_package(package, predictor):
    found = find_images([str(package_in([str(package)]))])
    form = form_of("camtrap-dp", found, predictor.info, [str(package)])
    stream, tally = io.StringIO(), Tally()
    form.write(stream, tally.watch(predictor.stream(found.images)))
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    assert [row["mediaID"] for row in rows] == ["m0", "m1", "m2"]
    assert {row["deploymentID"] for row in rows} == {"d1"}
    assert [row["eventStart"] for row in rows] == [f"2026-05-01T06:00:0{k}Z" for k in range(3)]
    assert {row["observationType"] for row in rows} == {"animal"}
    assert {row["classificationMethod"] for row in rows} == {"machine"}
    answers = predictor.predict([package / "media" / name / "00.png" for name in ("red", "green")])
    for row, each in zip(rows, answers, strict=False):
        assert row["scientificName"] == each.label
        assert float(row["classificationProbability"]) == pytest.approx(each.score, rel=1e-3)
    assert re.fullmatch(r"Fieldmark \S+ small_cnn [0-9a-f]{12}", rows[0]["classifiedBy"])
    assert tally.seen == 3
    assert len({row["observationID"] for row in rows}) == 3


def test_what_is_no_animal_has_no_name_and_no_answer_has_no_row():
    form = CamtrapDP({"1.jpg": {"mediaID": "m", "deploymentID": "d"}}, "Fieldmark")
    answers = [answer("1.jpg", "empty", rest=("empty", "a")), answer("1.jpg", None, reason=UNSURE)]
    rows = csv.DictReader(io.StringIO(written(form, [*answers, Failure("1.jpg", "is broken")])))
    said = [
        (row["observationType"], row["scientificName"], row["observationComments"]) for row in rows
    ]
    assert said == [("blank", "", ""), ("unknown", "", "no label: unsure")]


def test_of_several_labels_each_is_an_observation(photos, tmp_path):
    predictor = Predictor(several_labels(tmp_path / "b", photos / "red"))
    form = CamtrapDP({"1.jpg": {"mediaID": "m", "deploymentID": "d"}}, "Fieldmark")
    scores = {"10": 0.9, "2": 0.8, "7": 0.1}
    both = Prediction("1.jpg", "10", 0.9, scores, ("10", "2"))
    rows = list(csv.DictReader(io.StringIO(written(form, [both]))))
    assert [row["scientificName"] for row in rows] == ["10", "2"]
    assert [row["observationID"] for row in rows] == ["fieldmark:m:0", "fieldmark:m:1"]
    assert predictor.several


def test_a_package_is_named_by_its_folder_or_its_files_alone(package):
    whole = package / "datapackage.json"
    for named in (package, whole, package / "media.csv", package / "observations.csv"):
        assert package_in([str(named)]) == whole
    for other in (package / "photo.png", "-"):
        with pytest.raises(SettingsError, match="is for a Camtrap DP package; name its folder"):
            package_in([str(other)])


def test_forms_that_cannot_be_had_are_told(tmp_path):
    def refused(*words):
        with pytest.raises(SettingsError) as error:
            refuse_form(*words)
        return str(error.value)

    assert refused("excel", None, {}) == (
        "--format: there is no format 'excel'; there is 'kaggle', 'megadetector' and 'camtrap-dp'"
    )
    assert refused("megadetector", None, {"--scores": True}) == (
        "--scores with --format megadetector: has columns of its own; leave one of the two out"
    )
    for form in ("kaggle", "megadetector"):
        assert refused(form, None, {"--taxonomy": True}) == (
            f"--taxonomy with --format {form}: answers by taxa, and the file has the model's "
            "classes alone; leave one of the two out"
        )
    refuse_form("camtrap-dp", None, {"--taxonomy": True})
    assert refused("megadetector", tmp_path / "a.csv", {}) == (
        f"--out {tmp_path}/a.csv: must end in .json for --format megadetector"
    )
    with pytest.raises(SettingsError) as error:
        package_in([str(tmp_path)])
    assert str(error.value) == (
        "--format camtrap-dp: is for a Camtrap DP package; name its folder, which holds "
        "datapackage.json, alone"
    )
