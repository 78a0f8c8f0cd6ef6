"""Wildlife Insights' download: ranks, places, files below the folder."""

import pytest
from tablerows import labels_of, rows_of

from fieldmark.data.sources import Reading, read_listing

HEAD = (
    "project_id,deployment_id,image_id,sequence_id,filename,location,is_blank,class,order,family,"
    "genus,species,common_name"
)
ROWS = """
1,dep1,a,s1,IMG_1.jpg,gs://x/dep1/IMG_1.jpg,0,Mammalia,Carnivora,Canidae,Vulpes,vulpes,Red Fox
1,dep2,b,s2,IMG_1.jpg,gs://x/dep2/IMG_1.jpg,0,Mammalia,Carnivora,Canidae,,,Canid
1,dep3,c,s3,IMG_3.jpg,gs://x/dep3/IMG_3.jpg,1,,,,,,Blank
1,dep3,d,s3,IMG_4.jpg,gs://x/other/IMG_4.jpg,0,,,,,,No CV Result
"""
PLACES = "project_id,deployment_id,placename\n1,dep1,North\n1,dep2,South\n1,dep3,East\n"


@pytest.fixture
def download(tmp_path):
    def write(rows=ROWS, places=PLACES, name="images.csv"):
        for path in ("dep1/IMG_1.jpg", "dep2/IMG_1.jpg", "dep3/IMG_3.jpg", "dep3/IMG_4.jpg"):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(b"x")
        (tmp_path / name).write_text(HEAD + rows)
        if places is not None:
            (tmp_path / "deployments.csv").write_text(places)
        return tmp_path

    return write


EXPECTED = [
    ("dep1/IMG_1.jpg", ["Vulpes vulpes"], None),
    ("dep2/IMG_1.jpg", ["Canidae"], None),
    ("dep3/IMG_3.jpg", ["blank"], None),
]


@pytest.mark.parametrize("named", ["", "images.csv"])
def test_the_label_is_the_lowest_rank_and_the_place_the_group(download, named):
    root = download()
    listing = read_listing(str(root / named))
    assert rows_of(listing) == EXPECTED
    assert listing.samples.frame["group"].to_list() == ["North", "South", "East"]
    table = f"{root}/images.csv"
    assert listing.notes == (
        f"{table}: Wildlife Insights' table; the labels are genus and species, or the lowest rank "
        "that there is",
        f"{table}: 'blank' is a class as the others are (1 image)",
        f"{table}: higher ranks are classes too: 'Canidae'",
        "Wildlife Insights: images of one 'placename' stay on one side of the split (3 groups); "
        "data.group_column=NAME or none says otherwise",
    )
    assert list(listing.left_out.values()) == [
        f"{table}, line 5: 'dep3/IMG_4.jpg' has no label; give it one, or take the row out"
    ]


def test_tables_in_parts_are_one(download):
    root = download(name="images_1.csv")
    more = "\n2,dep3,e,s3,IMG_4.jpg,,0,Aves,,,Parus,major,Great Tit\n"
    (root / "images_2.csv").write_text(HEAD + more)
    assert rows_of(read_listing(str(root)))[-1] == ("dep3/IMG_4.jpg", ["Parus major"], None)


def test_rows_of_one_image_are_one_image(download):
    twice = ROWS + "1,dep3,c,s3,IMG_3.jpg,gs://x/dep3/IMG_3.jpg,0,Aves,,,Parus,major,Great Tit\n"
    assert labels_of(read_listing(str(download(twice))))[2] == ["Parus major"]


def test_without_names_of_places_a_place_is_a_deployment(download):
    root = download(places="deployment_id\ndep1\n")
    listing = read_listing(str(root))
    assert listing.samples.frame["group"].to_list() == ["dep1", "dep2", "dep3"]
    assert (
        f"{root}/images.csv: deployments.csv tells no placename, so a place is a deployment"
        in listing.notes
    )


def test_images_that_lie_elsewhere_are_found_below_their_folder(download, tmp_path):
    root = download()
    (tmp_path / "photos").mkdir()
    for name in ("dep1", "dep2", "dep3"):
        (root / name).rename(tmp_path / "photos" / name)
    (tmp_path / "tables").mkdir()
    for name in ("images.csv", "deployments.csv"):
        (root / name).rename(tmp_path / "tables" / name)
    listing = read_listing(str(tmp_path / "tables"), Reading(images=str(tmp_path / "photos")))
    assert rows_of(listing) == EXPECTED
