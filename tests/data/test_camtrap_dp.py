"""Camtrap DP packages: a folder, a file of one, a zip."""

import json
import zipfile

import pytest
from tablerows import labels_of, refusal, rows_of

from fieldmark.data.sources import read_listing
from fieldmark.data.tables import named_images

DEPLOYMENTS = "deploymentID,locationID,latitude,longitude\nd1,A,1,2\nd2,A,1,2\nd3,B,1,2\nd4,C,1,2\n"
MEDIA = """mediaID,deploymentID,timestamp,filePath,filePublic,fileMediatype
m1,d1,2020-01-01T10:00:00Z,media/1.jpg,true,image/jpeg
m2,d2,2020-01-02T10:00:00Z,media/2.jpg,false,image/jpeg
m3,d3,2020-01-03T10:00:30+01:00,media/3.jpg,true,image/jpeg
m4,d4,2020-01-04T10:00:00Z,media/4.jpg,true,image/jpeg
m5,d4,2020-01-04T10:00:00Z,media/5.mp4,true,video/mp4
"""
HEAD = (
    "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,"
    "observationType,scientificName,classificationMethod"
)
OBSERVED = f"""{HEAD}
o1,d1,m1,e1,,,media,animal,Vulpes vulpes,human
o2,d2,m2,e2,,,media,blank,,machine
o3,d3,,e3,2020-01-03T09:00:00Z,2020-01-03T09:01:00Z,event,animal,Sus scrofa,human
o4,d4,m4,e4,,,media,unclassified,,human
"""


@pytest.fixture
def package(tmp_path):
    def write(media=MEDIA, observed=OBSERVED, deployments=DEPLOYMENTS, **about):
        root = tmp_path / "pack"
        (root / "media").mkdir(parents=True, exist_ok=True)
        for number in range(1, 5):
            (root / "media" / f"{number}.jpg").write_bytes(b"x")
        tables = {"media": media, "observations": observed, "deployments": deployments}
        for name, text in tables.items():
            if text is not None:
                (root / f"{name}.csv").write_text(text)
        resources = [{"name": name, "path": f"{name}.csv"} for name in tables]
        (root / "datapackage.json").write_text(json.dumps({"resources": resources, **about}))
        return root

    return write


EXPECTED = [
    ("media/1.jpg", ["Vulpes vulpes"], None),
    ("media/2.jpg", ["blank"], None),
    ("media/3.jpg", ["Sus scrofa"], None),
]


def test_an_images_label_is_the_species_of_its_observation_or_of_its_event(package):
    root = package()
    listing = read_listing(str(root))
    assert rows_of(listing) == EXPECTED
    assert listing.samples.frame["group"].to_list() == ["A", "A", "B"]
    assert listing.notes == (
        f"{root}: a Camtrap DP package; the labels are the observations' scientificName, or their "
        "observationType where there is none",
        f"{root}: 'blank' is a class as the others are (1 image)",
        f"{root}: no label in 1 observation, of type unknown or unclassified",
        f"{root}: labels by a machine and not by a person in 1 observation of 4, used as the "
        "others are",
        f"{root}: not public (filePublic false): 1 image; pages show samples of all, so look "
        "before you pass one on",
        f"{root}: labels of their whole event for 1 image of 4, so that some may not show what "
        "they are labelled",
        "Camtrap DP: images of one 'location' stay on one side of the split (3 groups); "
        "data.group_column=NAME or none says otherwise",
    )
    assert listing.left_out == {
        f"{root}/media.csv, line 6": f"{root}/media.csv, line 6: is a video ('video/mp4'); take "
        "pictures of it",
        f"{root}/media.csv, line 5": f"{root}/media.csv, line 5: 'media/4.jpg' has no label; give "
        "it one, or take the row out",
    }


@pytest.mark.parametrize("name", ["datapackage.json", "media.csv", "observations.csv"])
def test_a_file_of_a_package_stands_for_it(package, name):
    assert rows_of(read_listing(str(package() / name))) == EXPECTED


def test_a_zip_of_a_package_is_read_in_place(package, tmp_path):
    root, target = package(), tmp_path / "pack.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root))
    listing = read_listing(str(target))
    assert rows_of(listing) == EXPECTED
    assert listing.samples.root == str(target)


def test_a_package_in_the_one_folder_of_a_folder_or_a_zip_is_found(package, tmp_path):
    root, target = package(), tmp_path / "wrapped" / "once.zip"
    target.parent.mkdir()
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    listing = read_listing(str(target))
    assert rows_of(listing) == EXPECTED
    assert listing.samples.root == f"{target}/pack"
    root.rename(tmp_path / "wrapped" / "pack")
    target.unlink()
    assert rows_of(read_listing(str(tmp_path / "wrapped"))) == EXPECTED


def test_prediction_looks_at_every_picture_whatever_its_labels(package):
    root = package()
    rows, notes, _ = named_images(root / "datapackage.json")
    assert [row.name for row in rows] == [f"media/{k}.jpg" for k in (1, 2, 3, 4)]
    assert notes[-1] == (
        f"1 row left out; {root}/media.csv, line 6: is a video ('video/mp4'); take pictures of it"
    )


def test_without_locations_a_deployment_is_one(package):
    root = package(deployments="deploymentID\nd1\nd2\nd3\nd4\n")
    listing = read_listing(str(root))
    assert listing.samples.frame["group"].to_list() == ["d1", "d2", "d3"]
    assert f"{root}: deployments have no locationID, so a location is a deployment" in listing.notes


def test_an_image_with_an_animal_is_not_blank(package):
    more = OBSERVED + "o5,d2,m2,e2,,,media,animal,Meles meles,human\n"
    assert labels_of(read_listing(str(package(observed=more))))[1] == ["Meles meles"]


def test_a_package_that_lacks_something_is_refused(package):
    root = package()
    (root / "observations.csv").unlink()
    assert refusal(root) == (
        f"{root}: is a Camtrap DP package without 'observations.csv' (observations); put it "
        "beside datapackage.json"
    )
    root = package(media="mediaID,deploymentID,path\nm1,d1,1.jpg\n")
    assert refusal(root) == (
        f"{root}/media.csv: has no column 'filePath', as Camtrap DP's media have; export the "
        "package anew"
    )
    root = package(resources="none", profile="camtrap-dp-profile.json")
    assert refusal(root) == (
        f"{root}/datapackage.json: has no list of 'resources', as Camtrap DP has; export it anew"
    )
    far = [{"name": "media", "path": "https://x.org/media.csv"}]
    root = package(resources=far, profile="camtrap-dp-profile.json")
    assert refusal(root) == (
        f"{root}/datapackage.json: the table 'media' must be one file beside it, not "
        "'https://x.org/media.csv'; download it"
    )


def test_a_package_of_other_data_is_none(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(b"x")
    (tmp_path / "datapackage.json").write_text('{"resources": [{"name": "prices"}]}')
    assert labels_of(read_listing(str(tmp_path))) == [["cat"], ["dog"]]
    (tmp_path / "datapackage.json").write_text('{"resources": [')
    listing = read_listing(str(tmp_path))
    assert labels_of(listing) == [["cat"], ["dog"]]
    assert listing.notes[-1] == f"{tmp_path}/datapackage.json is no JSON, and is not used"
    (tmp_path / "media.csv").write_text(MEDIA)
    assert refusal(tmp_path).startswith(f"{tmp_path}/datapackage.json: cannot be read as JSON (")
