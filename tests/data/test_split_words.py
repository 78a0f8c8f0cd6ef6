"""What people call the parts of a split."""

import pytest

from fieldmark.data.split_words import is_fold, sides_of, split_like, split_of


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("training_set", "train"),
        ("Train_Images", "train"),
        ("TrainSet", "train"),
        ("trainset", "train"),
        ("train1", "train"),
        ("trainval", "train"),
        ("train_val", "train"),
        ("Validate", "val"),
        ("Validation Images", "val"),
        ("valid_data", "val"),
        ("dev", "val"),
        ("PublicTest", "test"),
        ("hold-out", "test"),
        ("Held out", "test"),
        ("test_set", "test"),
        ("test_tube", None),
        ("train station", None),
        ("images", None),
        ("fold0", None),
        ("", None),
    ],
)
def test_a_name_is_a_side_where_it_says_nothing_else(name, side):
    assert split_of(name) == side


@pytest.mark.parametrize(
    ("names", "sides"),
    [
        (["seg_train", "seg_test", "seg_pred"], {"seg_train": "train", "seg_test": "test"}),
        (["pets-train", "pets-valid"], {"pets-train": "train", "pets-valid": "val"}),
        (["tr", "te"], {"tr": "train", "te": "test"}),
        (["imagesTr", "imagesTs"], {"imagesTr": "train", "imagesTs": "test"}),
        (["labeled", "unlabeled"], {"labeled": "train"}),
        (["tr", "te", "cat"], {}),
        (["cat_train", "cat_test", "dog_train", "dog_test"], {}),
        (["test_tube", "flask"], {}),
        (["test", "val"], {}),
    ],
)
def test_names_are_sides_together(names, sides):
    assert sides_of(names) == sides


def test_names_that_speak_of_a_split_or_of_folds_are_told():
    assert split_like(["trainA", "testA", "cat"]) == ["trainA", "testA"]
    assert split_like(["fold0", "fold1"]) == ["fold0", "fold1"]
    assert split_like(["train", "bus", "car"]) == split_like(["test_tube", "flask"]) == []
    assert list(map(is_fold, ["Fold_3", "kfold 1", "fold", "a1"])) == [True, True, False, False]
