"""Which file a cell of a table means, where it does not lie as the table says."""

import unicodedata

import pytest
from tablerows import refusal

from fieldmark.data.sources import Reading, read_listing
from fieldmark.data.tables import named_images


def put(root, *places):
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(b"x")


def tabled(root, names, name="labels.csv", head="image,label"):
    lines = [f"{each},{'ab'[k % 2]}" for k, each in enumerate(names)]
    (root / name).write_text("\n".join([head, *lines]))
    return str(root / name)


def paths(listing):
    return listing.samples.frame["path"].to_list()


@pytest.mark.parametrize(
    ("there", "cell"),
    [
        ("{}.jpg", "{}"),  # the stem
        ("{}.PNG", "{}"),
        ("Images/{}.jpg", "{}.jpg"),  # a folder beside the table
        ("photos/{}.jpg", "{}"),
        ("a/b/{}.jpg", "{}.jpg"),  # below folders
        ("{}.png", "{}.jpg"),  # another ending
        ("{}.JPG", "{}.jpg"),
        ("IMG_{}.jpg", "img_{}.JPG"),
        ("000{}.jpg", "{}"),  # zeros that a spreadsheet takes away
        ("photos/{}.jpg", r"C:\Users\me\photos\{}.jpg"),  # of another machine
        ("{}.jpg", r"D:\{}.jpg"),
        ("train/{}.jpg", "/kaggle/input/set/train/{}.jpg"),
        ("photos/{}.jpg", "file:///home/me/photos/{}.jpg"),
        ("{}.jpg", "data/train/{}.jpg"),  # below a folder that is not there
        ("{}.jpg", " {}.jpg "),
    ],
)
def test_a_file_is_found_by_what_its_name_says(tmp_path, there, cell):
    put(tmp_path, *(there.format(k) for k in range(4)))
    listing = read_listing(tabled(tmp_path, [cell.format(k) for k in range(4)]))
    assert paths(listing) == [there.format(k) for k in range(4)]
    assert listing.left_out == {}


def test_that_files_lie_elsewhere_or_are_called_otherwise_is_said(tmp_path):
    put(tmp_path, "Images/0.jpg", "Images/1.jpg")
    source = tabled(tmp_path, ["0.jpg", "1.jpg"])
    assert read_listing(source).notes == (
        f"{source}: 2 images are found by the ends of their paths: '0.jpg' is 'Images/0.jpg'",
    )
    put(tmp_path, "2.PNG")
    source = tabled(tmp_path, ["2.jpg"])
    assert read_listing(source).notes == (
        f"{source}: 1 image is called otherwise than the table says: '2.jpg' is '2.PNG'",
    )


def test_of_files_of_one_name_the_longest_end_of_the_path_decides(tmp_path):
    put(tmp_path, *(f"x/{side}/{k}.jpg" for side in ("train", "test") for k in range(2)))
    source = tabled(tmp_path, ["/home/me/train/0.jpg", "/home/me/test/0.jpg"])
    assert paths(read_listing(source)) == ["x/train/0.jpg", "x/test/0.jpg"]


def test_a_table_of_training_means_the_files_of_training(tmp_path):
    put(tmp_path, *(f"{side}/{k}.jpg" for side in ("train", "test") for k in range(2)))
    source = tabled(tmp_path, ["0.jpg", "1.jpg"], "train.csv")
    assert paths(read_listing(source)) == ["train/0.jpg", "train/1.jpg"]


def test_a_file_that_may_be_one_of_several_is_no_ones_and_the_way_out_is_named(tmp_path):
    put(tmp_path, "one/0.jpg", "two/0.jpg")
    source = tabled(tmp_path, ["0.jpg"])
    assert refusal(source) == (
        f"{source}: none of its 1 rows can be used; {source}, line 2: '0.jpg' lies in several "
        f"folders, 'one' and 'two'; write which, or name one: --images {tmp_path}/one"
    )


def test_of_several_folders_the_one_is_named_under_which_most_cells_lie_as_written(tmp_path):
    put(
        tmp_path,
        *(f"{at}/cat/{k}.jpg" for at, many in (("few", 1), ("all", 3)) for k in range(many)),
    )
    source = tabled(tmp_path, [f"cat/{k}.jpg" for k in range(3)])
    left_out = [*read_listing(source).left_out.values()]
    assert left_out == [
        f"{source}, line 2: 'cat/0.jpg' lies in several folders, 'all' and 'few'; "
        f"write which, or name one: --images {tmp_path}/all"
    ]
    listing = read_listing(source, Reading(images=f"{tmp_path}/all"))
    assert paths(listing) == ["cat/0.jpg", "cat/1.jpg", "cat/2.jpg"]


def test_a_missing_file_is_not_replaced_by_one_of_its_name_elsewhere(tmp_path):
    put(tmp_path, "img/0.jpg", "img/1.jpg", "masks/2.jpg")
    source = tabled(tmp_path, ["img/0.jpg", "img/1.jpg", "img/2.jpg"])
    listing = read_listing(source)
    assert paths(listing) == ["img/0.jpg", "img/1.jpg"]
    assert list(listing.missing.values()) == ["img/2.jpg"]


def test_a_name_with_a_folder_is_never_a_file_of_another_folder(tmp_path):
    put(tmp_path, "site1/IMG_0000.JPG", "site9/IMG_0000.png", "0007.jpg")
    source = tabled(
        tmp_path, ["site1/IMG_0000.JPG", "site3/IMG_0000.JPG", "x/7.jpg", "data/0007.jpg"]
    )
    listing = read_listing(source)
    assert paths(listing) == ["site1/IMG_0000.JPG", "0007.jpg"]
    assert list(listing.missing.values()) == ["site3/IMG_0000.JPG", "x/7.jpg"]


def test_a_name_that_leads_out_is_looked_for_only_where_the_folder_is_named(tmp_path):
    put(tmp_path, "d/0.png", "d/x/0.png", "d/1.png")
    source = tabled(tmp_path / "d", ["../x/0.png", "1.png"])
    listing = read_listing(source)
    assert paths(listing) == ["1.png"]
    assert "lies outside of" in listing.left_out[f"{source}, line 2"]
    assert paths(read_listing(source, Reading(images=str(tmp_path / "d")))) == ["x/0.png", "1.png"]


def test_a_file_that_a_row_names_itself_is_no_other_rows(tmp_path):
    put(tmp_path, "1.jpg", "2.jpg")
    source = tabled(tmp_path, ["1.jpg", "1.JPG", "2.jpg"])
    listing = read_listing(source)
    assert paths(listing) == ["1.jpg", "2.jpg"]
    assert "did you mean '1.jpg'?" in listing.left_out[f"{source}, line 3"]


@pytest.mark.parametrize(("there", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_folders_accents_may_be_composed_on_one_side_only(tmp_path, there, written):
    folder, cell = (unicodedata.normalize(form, "été") for form in (there, written))
    put(tmp_path, f"{folder}/0.jpg", f"{folder}/1.jpg")
    listing = read_listing(tabled(tmp_path, [f"{cell}/0.jpg", f"{cell}/1.jpg"]))
    assert listing.left_out == {}
    assert all((tmp_path / path).exists() for path in paths(listing))


def test_the_folder_of_a_file_may_stand_in_another_column(tmp_path):
    put(tmp_path, *(f"cam{k}/IMG_1.jpg" for k in range(2)))
    (tmp_path / "t.csv").write_text(
        "RelativePath,File,Species\ncam0,IMG_1.jpg,fox\ncam1,IMG_1.jpg,elk\n"
    )
    listing = read_listing(str(tmp_path / "t.csv"))
    assert paths(listing) == ["cam0/IMG_1.jpg", "cam1/IMG_1.jpg"]
    source = f"{tmp_path}/t.csv"
    assert f"{source}: each image lies in the folder that 'RelativePath' gives" in listing.notes


def test_folders_of_splits_that_no_column_speaks_of_are_told(tmp_path):
    put(tmp_path, "train/0.jpg", "test/1.jpg")
    source = tabled(tmp_path, ["train/0.jpg", "test/1.jpg"])
    assert read_listing(source).notes == (
        f"{source}: the images lie in 'test' and 'train', which is not used as a split; a column "
        "'split' with these words says that they are one",
    )


def test_images_to_predict_are_found_in_the_same_ways(tmp_path):
    put(tmp_path, "Images/0.jpg")
    found, notes, columns = named_images(tmp_path / tabled(tmp_path, ["0"], head="whatever,note"))
    assert found[0].path == tmp_path / "Images" / "0.jpg"
    assert columns.image == "whatever"
    assert "'0' is 'Images/0.jpg'" in notes[-1]
