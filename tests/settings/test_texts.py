import pytest
import yaml

from fieldmark.errors import SettingsError
from fieldmark.runs.checks import check
from fieldmark.settings.layers import layer, read
from fieldmark.settings.options import OPTIONS
from fieldmark.settings.texts import (
    as_typed,
    read_file,
    read_given,
    read_yaml,
    to_yaml,
    with_origins,
)
from fieldmark.settings.tree import known_keys

ODD = {
    "data": {"source": 'Été à la mer, 海/it\'s #1: "x"', "val_fraction": 1e-05},
    "optimizer": {"name": "adam", "lr": 3e-4, "betas": (0.9, 0.999), "note": "1e-3"},
    "model": {"name": "m", "sizes": [[1, 2], [3]], "width": None, "fast": True},
    "train": {"patience": None, "clip_norm": 0.5, "ema": 0.999},
    "run": {"name": "2024", "seed": 1234567890123456789},
}


def mistakes_of(text):
    with pytest.raises(SettingsError) as caught:
        read_yaml(text, "f.yaml")
    return str(caught.value)


def words_of(*words, data="digits", **options):
    return read([read_given(words, options, data)]).settings


@pytest.mark.parametrize("nested", [{"data": "digits"}, ODD])
def test_settings_come_back_from_yaml_as_they_were(tmp_path, nested):
    settings = read([layer("x", nested)]).settings
    path = tmp_path / "settings.yaml"
    path.write_text(to_yaml(settings), encoding="utf-8")
    again = read([read_file(path)]).settings
    assert again == settings
    assert to_yaml(again) == to_yaml(settings)


def test_settings_as_yaml_hold_every_setting_in_order():
    table = yaml.safe_load(to_yaml(read([layer("x", ODD)]).settings))
    written = [f"{section}.{key}" for section, part in table.items() for key in part]
    assert [key for key in written if key in known_keys()] == known_keys()
    assert table["optimizer"]["betas"] == [0.9, 0.999]


def test_on_is_a_name_where_it_is_a_key():
    text = "penalty:\n  on: weights\n  l1: yes\n"
    assert read_yaml(text, "f") == {"penalty": {"on": "weights", "l1": True}}


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("train:\n  epochs: 1\n  lr: 2\n  epochs: 3\n", 4, "epochs"),
        ("data: a\ntrain: {epochs: 1}\n\ndata: b\n", 4, "data"),
        ("a: [{b: 1,\n  b: 2}]\n", 2, "b"),
        ("1: a\n'1': b\n", 2, "1"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_the_line_of_the_second(text, line, key):
    assert mistakes_of(text) == (
        f"f.yaml, line {line}: cannot be read as YAML: '{key}' stands twice"
    )


def test_the_same_key_in_two_sections_is_no_key_twice():
    assert read_yaml("a: {name: 1}\nb: {name: 2}\n", "f") == {"a": {"name": 1}, "b": {"name": 2}}


def test_a_merged_key_may_be_outdone():
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n"
    assert read_yaml(text, "f.yaml")["b"] == {"x": 3, "y": 2}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1,\n", "f.yaml, line 2: cannot be read as YAML: "),
        ("a: b: c\n", "f.yaml, line 1: cannot be read as YAML: mapping values are not allowed"),
        ("a: !!python/name:os.system\n", "f.yaml, line 1: cannot be read as YAML: could not det"),
        ("a: 2020-13-45\n", "f.yaml: cannot be read as YAML: month must be in 1..12"),
        ("a: \0", "f.yaml: cannot be read as YAML: unacceptable character #x0000: "),
        ("", "f.yaml: holds no settings; write 'section:' and its keys"),
        ("- a\n", "f.yaml: holds no settings; write 'section:' and its keys"),
    ],
)
def test_a_text_that_is_no_table_is_refused_in_one_line(text, sentence):
    found = mistakes_of(text)
    assert found.startswith(sentence)
    assert "\n" not in found


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    path = tmp_path / "f.yaml"
    with pytest.raises(SettingsError) as caught:
        read_file(path)
    assert (
        str(caught.value)
        == f"--config {path}: cannot be read: No such file or directory; check the path"
    )
    path.write_bytes(b"data: caf\xe9\n")
    with pytest.raises(SettingsError) as caught:
        read_file(path)
    assert str(caught.value) == f"--config {path}: cannot be read: it is not text; check the path"


def test_a_mistake_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text("data: digits\ntrain: {epochs: few}\noptimizer: sgd\n")
    assert read_file(path).origin == f"file {path}"
    with pytest.raises(SettingsError) as caught:
        read([read_file(path)])
    assert str(caught.value) == f"{path}: train.epochs: must be a whole number, not few"


def test_words_outdo_options():
    settings = words_of("lr=0.5", "epochs=7", lr="0.1", batch_size="16")
    assert settings.optimizer.options == {"lr": "0.5"}
    assert (settings.train.epochs, settings.train.batch_size) == (7, 16)


def test_images_that_are_named_by_a_word_and_beside_it_are_refused():
    for word in ("data=photos", "data.source=photos"):
        assert words_of(word, data=None).data.source == "photos"
        with pytest.raises(SettingsError) as caught:
            words_of(word)
        what = "names the images, and so does DATA; leave one out"
        assert str(caught.value) == f"data.source: {what}"


def test_every_option_is_a_setting_or_an_option_of_a_choice():
    for option, key in OPTIONS.items():
        settings = read_given([f"{option}=1"], {}, None).values
        assert settings == {key: "1"}
        assert read_given([], {option: "1"}, None).values == {key: "1"}


@pytest.mark.parametrize(
    ("word", "section", "values"),
    [
        ("train.patience=none", "train", {"patience": None}),
        ("train.patience=3", "train", {"patience": 3}),
        ("train.clip_norm=1e-3", "train", {"clip_norm": 0.001}),
        ("model.freeze=true", "model", {"freeze": True}),
        ("model=resnet18", "model", {"name": "resnet18"}),
        ("model.head=a=b", "model", {"head": "a=b"}),
        ("run.name=none", "run", {"name": None}),
        ("weights=none", "model", {"weights": "none"}),
        ("image_size=64", "input", {"size": 64}),
        ("image_size=auto", "input", {"size": "auto"}),
    ],
)
def test_words_are_read_as_the_setting_wants_them(word, section, values):
    found = getattr(words_of(word), section).model_dump()
    assert {key: found[key] for key in values} == values


def test_an_option_is_told_as_it_is_typed_and_a_word_as_it_stands():
    with pytest.raises(SettingsError) as caught:
        words_of("train.accumulate=0", "workers=x", epochs="0", batch_size="many")
    assert str(caught.value).splitlines() == [
        "--epochs: must be at least 1, not 0",
        "--batch-size: must be a whole number, not many",
        "train.accumulate: must be at least 1, not 0",
        "run.workers: must be a whole number, not x",
    ]


def test_mistakes_of_the_catalogs_come_with_those_of_the_types():
    words = read_given(
        ["optimizer.betas=[0.9", "augment.shfit=1"],
        {"epochs": "0", "lr": "-1", "augment": "light", "schedule": "cosin"},
        "digits",
    )
    with pytest.raises(SettingsError) as caught:
        read([words], [check])
    told = str(caught.value).splitlines()
    assert told[0] == "--epochs: must be at least 1, not 0"
    assert "--lr: must be more than 0, not -1" in told
    assert "--schedule: there is no schedule 'cosin'; did you mean 'cosine'?" in told
    shift = "the augmentation 'light' takes no such option; did you mean 'shift'?"
    assert f"augment.shfit: {shift}" in told
    assert len([line for line in told if line.startswith("optimizer.betas: ")]) == 1
    assert len(told) == 5


def test_words_that_are_no_settings_are_told_together():
    with pytest.raises(SettingsError) as caught:
        words_of("photos", "lr=1", "=5")
    what = "is not key=value, nor images that exist; write for example lr=0.01"
    assert str(caught.value) == f"photos: {what}\n=5: {what}"


def test_a_second_folder_is_answered_by_what_it_may_be_for(tmp_path):
    with pytest.raises(SettingsError) as caught:
        words_of(str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}: comes after the images, which are one folder or table; leave it out, or "
        f"write data.test={tmp_path} for a test"
    )


def test_a_value_stands_as_it_is_typed():
    stage = {"train": ("head",), "epochs": None, "lr": 0.1}
    assert as_typed([stage, True]) == "[{train: [head], epochs: none, lr: 0.1},true]"
    assert as_typed("a b") == "a b"


def test_origins_name_where_each_setting_comes_from():
    layers = [
        layer("recipe r", {"optimizer": {"lr": 0.5}, "train": {"epochs": 3}}),
        read_given(["epochs=4"], {}, "digits"),
    ]
    rows = with_origins(read(layers))
    assert [key for key, _, _ in rows if key in known_keys()] == known_keys()
    found = {key: (value, origin) for key, value, origin in rows}
    assert found["data.source"] == ("digits", "command line")
    assert found["optimizer.lr"] == ("0.5", "recipe r")
    assert found["train.epochs"] == ("4", "command line")
    assert found["train.batch_size"] == ("auto", "default")
    assert found["train.ema"] == ("auto", "default")
