"""Roboflow's exports of several labels an image."""

from tablerows import rows_of

from fieldmark.data.sources import read_listing

HASH = "0123456789abcdef"


def export(root):
    def row(name, cat, dog):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
        return f"{name.rpartition('/')[2]}, {cat}, {dog}"

    head = "filename, cat, dog"
    sides = {
        "train": [
            row(f"train/a_jpg.rf.1{HASH}.jpg", 1, 0),
            row(f"train/a_jpg.rf.2{HASH}.jpg", 1, 0),
            row(f"train/b_jpg.rf.3{HASH}.jpg", 1, 1),
        ],
        "valid": [row(f"valid/c_jpg.rf.4{HASH}.jpg", 0, 1)],
        "test": [row(f"test/d_jpg.rf.5{HASH}.jpg", 0, 0)],
    }
    for side, rows in sides.items():
        (root / side / "_classes.csv").write_text("\n".join([head, *rows]) + "\n")
    return root


def test_each_column_of_a_table_is_a_label_and_each_folder_a_split(tmp_path):
    listing = read_listing(str(export(tmp_path)))
    assert sorted((labels, split) for _, labels, split in rows_of(listing)) == [
        ([], "test"),
        (["cat"], "train"),
        (["cat"], "train"),
        (["cat", "dog"], "train"),
        (["dog"], "val"),
    ]
    assert listing.samples.task.name == "multi-label"
    assert f"{tmp_path}: Roboflow's export of several labels an image" in listing.notes


def test_augmented_copies_of_a_photo_are_a_group(tmp_path):
    listing = read_listing(str(export(tmp_path)))
    groups = dict(zip(listing.samples.frame["path"], listing.samples.frame["group"], strict=True))
    assert groups[f"train/a_jpg.rf.1{HASH}.jpg"] == groups[f"train/a_jpg.rf.2{HASH}.jpg"] == "a_jpg"
    assert (
        f"{tmp_path}: 5 images are copies, augmented by Roboflow, of 4 photos, which are the groups"
        in listing.notes
    )
