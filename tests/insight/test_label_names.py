import random

import captions18
import pytest

from fieldmark.errors import DataError
from fieldmark.insight.label_counts import count_labels
from fieldmark.insight.label_names import (
    LabelName,
    ShownNames,
    are_numbers,
    in_order,
    keep_names,
    kept_names,
    read_names,
    write_names,
)

ANSWERS = {  # what a person would accept
    "1": {"person", "man", "woman"},
    "2": {"bicycle", "bike"},
    "3": {"car"},
    "4": {"motorcycle", "motorbike"},
    "5": {"airplane", "plane"},
    "6": {"bus"},
    "7": {"train"},
    "8": {"truck"},
    "9": {"boat"},
    "10": {"traffic light", "light"},
    "11": {"fire hydrant", "hydrant"},
    "13": {"stop sign"},
    "14": {"parking meter", "meter"},
    "15": {"bench"},
    "16": {"bird"},
    "17": {"cat"},
    "18": {"dog"},
    "19": {"horse"},
}


def propose(labels, captions):
    """The names that counting the labels comes to."""
    classes = sorted({label for its in labels for label in its})
    found = count_labels(labels, captions, classes).captions
    return found.names if found else ()


@pytest.mark.parametrize("name", ["train.csv", "subset_train.csv"])
def test_the_labels_of_captions18_get_their_names(name):
    labels, captions = captions18.read(name)
    assert len(labels) == {"train.csv": 30_000, "subset_train.csv": 1_200}[name]
    found = propose(labels, captions)
    assert [each.label for each in found] == list(ANSWERS)
    wrong = {each.label: each.name for each in found if each.name not in ANSWERS[each.label]}
    assert wrong == {}


def pets():
    """Captions of three labels: 7 has a name of two words, 2 and 10 want the same word."""
    draw = random.Random(0)
    labels, captions = [], []
    for label, words in (("7", ["guinea pig"]), ("2", ["dogs"]), ("10", ["dog", "dog", "puppy"])):
        for k in range(60):
            labels.append([label])
            size = draw.choice(["small", "old", "wet"])
            captions.append(f"a {size} {words[k % len(words)]} on the grass {k}")
    return labels, captions


def test_names_come_in_the_order_of_numbers_and_none_twice():
    assert [(each.label, each.name, each.captions, each.of) for each in propose(*pets())] == [
        ("2", "dog", 60, 60),
        ("7", "guinea pig", 60, 60),
        ("10", "puppy", 20, 60),
    ]


def test_the_same_captions_in_any_order_give_the_same_names():
    labels, captions = pets()
    order = list(range(len(labels)))
    random.Random(1).shuffle(order)
    mixed = propose([labels[k] for k in order], [captions[k] for k in order])
    assert [(each.label, each.name, each.others) for each in mixed] == [
        (each.label, each.name, each.others) for each in propose(labels, captions)
    ]


def test_images_without_a_caption_say_nothing():
    labels, captions = pets()
    more = propose([*labels, ["99"], ["2"], []], [*captions, None, "  ", None])
    assert more == propose(labels, captions)
    assert propose([["1"], ["2"]], [None, ""]) == ()


def test_labels_are_numbers_or_not():
    assert are_numbers(["1", "12"])
    assert not are_numbers(["1", "cat"])
    assert not are_numbers(["²"])
    assert not are_numbers([])
    assert in_order(["10", "9", "1"]) == ["1", "9", "10"]
    assert in_order(["b", "10", "9"]) == ["10", "9", "b"]


def proposals():
    return (
        LabelName("1", "man", ("person", "woman"), 0.22481, 62, 227),
        LabelName("13", "stop sign", (), 0.6, 32, 60),
    )


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "names.csv"
    write_names(path, proposals())
    assert path.read_text() == (
        "label,name,other words,weight,captions with it,captions of the label\n"
        "1,man,person woman,0.22,62,227\n"
        "13,stop sign,,0.60,32,60\n"
    )
    names = read_names(path, ("1", "13", "2"))
    assert names == ShownNames({"1": "man", "13": "stop sign"})
    assert [names.shown(label) for label in ("1", "2", "13")] == ["man", "2", "stop sign"]


def test_a_file_for_more_labels_than_there_are_serves_those_that_are_there(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("label,name\n1,man\n12,2\n13,man\n12,again\n")
    assert read_names(path, ("1", "2")) == ShownNames({"1": "man"})
    path.write_text("label,name\n")
    assert read_names(path, ("1", "2")) == ShownNames()


def test_names_that_are_kept_are_read_again(tmp_path):
    path = tmp_path / "names.csv"
    keep_names(path, ShownNames())
    assert not path.exists()
    assert kept_names(path, ("1",)) == ShownNames()
    names = ShownNames({"1": 'a "big", one', "10": "bus; stop"})
    keep_names(path, names)
    assert kept_names(path, ("1", "2", "10")) == names


def test_a_spreadsheets_file_is_read(tmp_path):
    path = tmp_path / "names.csv"
    path.write_bytes(
        '\ufeffName;Label\r\n bus  stop ;6\r\n;7\r\n\r\n"a ""big"" one";8\r\n'.encode()
    )
    assert read_names(path, ("6", "7", "8")) == ShownNames({"6": "bus stop", "8": 'a "big" one'})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "label,name\n\n12,sign\n13,man\n",
            "line 3: there is no label '12' in the images; there are '1', '2' and '10'",
        ),
        (
            "label,name\n1,man\n2,car\n1,woman\n",
            "line 4: the label '1' stands in line 2 already; take one of the two out",
        ),
        (
            "label,name\n1,car\n\n2,car\n",
            "line 4: 'car' would be the name of both '1' and '2'; give one another name",
        ),
        (
            "label,name\n1,10\n",
            "line 2: '10' would be the name of both '1' and '10'; give one another name",
        ),
        ("1,man\n", "line 1: names the columns '1' and 'man'; two must be 'label' and 'name'"),
        ("", "line 1: names no columns; two must be 'label' and 'name'"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "names.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_names(path, ("1", "10", "2"))
    where = f"{path}, " if message.startswith("line") else ""
    assert str(caught.value) == f"{where}{message}"


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    path = tmp_path / "names.csv"
    with pytest.raises(DataError) as caught:
        read_names(path, ("1",))
    assert str(caught.value) == (
        f"data.label_names={path}: cannot be read (No such file or directory); name a file as "
        "`fieldmark inspect` writes one"
    )
    path.write_bytes(b"label,name\n1,caf\xe9\n")
    with pytest.raises(DataError, match="it is not UTF-8"):
        read_names(path, ("1",))
