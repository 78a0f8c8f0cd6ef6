import pytest
import yaml

from fieldmark import recipes
from fieldmark.cli import main
from fieldmark.cli.typed import WORDS, command_line
from fieldmark.errors import Mistake, SettingsError
from fieldmark.settings.aliases import of_config, of_recipe, recipe_with, rewrite
from fieldmark.settings.layers import layer, read
from fieldmark.settings.texts import pairs_of, read_file, read_given

TABLE = """
data: photos
aliases:
  -bn: model.batch_norm
  -e: train.epochs
  --epochs: train.epochs
  -wp: [track.project, track.to=wandb]
  rate: optimizer.lr
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TABLE)
    return str(path)


def after(config, *words):
    """The words that stand behind --config once they are rewritten."""
    return rewrite(["train", "--config", config, *words]).words[3:]


def refused(config, *words):
    with pytest.raises(SettingsError) as caught:
        rewrite(["train", "--config", config, *words])
    return str(caught.value)


def test_a_flag_and_its_value_become_a_setting(config):
    assert after(config, "-bn", "true", "x", "-e=5") == [
        *("model.batch_norm=true", "x", "train.epochs=5")
    ]


def test_a_value_may_hold_an_equals_sign_and_be_negative(config):
    assert after(config, "-bn", "a=b", "-e", "-5") == ["model.batch_norm=a=b", "train.epochs=-5"]


def test_a_flag_may_mean_several_settings_of_which_the_first_has_the_value(config):
    assert after(config, "-wp", "birds") == ["track.project=birds", "track.to=wandb"]


def test_a_name_without_a_dash_is_one_for_name_and_value_words(config):
    assert after(config, "rate=0.1", "rate") == ["optimizer.lr=0.1", "rate"]


def test_of_two_words_for_one_setting_the_last_holds(config):
    words = after(config, "-e", "5", "--epochs", "7")
    assert pairs_of(words) == {"train.epochs": "7"}


def test_words_behind_two_dashes_stay(config):
    assert after(config, "--", "-e", "5") == ["--", "-e", "5"]


def test_without_a_recipe_or_a_file_all_words_stay():
    words = ["train", "photos", "-e", "5", "--epochs", "3"]
    assert rewrite(words).words == words


@pytest.mark.parametrize("spelling", [["--recipe", "nature-cnn"], ["--recipe=nature-cnn"]])
def test_the_recipe_is_found_wherever_it_stands(spelling):
    for words in (["-e", "5", *spelling], [*spelling, "-e", "5"]):
        assert "train.epochs=5" in rewrite(["train", *words]).words


def test_a_copied_recipe_brings_its_flags(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(recipes.text("nature-cnn-published"))
    assert of_config(str(path)) == of_recipe("nature-cnn")
    assert read_file(path).values.keys().isdisjoint({"aliases", "aliases.-e", "aliases.name"})


@pytest.mark.parametrize("words", [["-e"], ["-e="], ["-e", "-bn", "true"], ["-e", "--dry-run"]])
def test_a_flag_without_a_value_is_refused(config, words):
    assert refused(config, *words) == "-e: needs a value, as in -e VALUE"


def test_an_option_for_the_same_setting_beside_a_flag_is_refused(config):
    for option in (["--track", "mlflow"], ["--track=mlflow"]):
        told = "-wp: sets track.to, and so does --track; leave one out"
        assert refused(config, "-wp", "birds", *option) == told


def test_a_word_for_the_same_setting_beside_a_flag_is_refused(config):
    for word in ("train.epochs=3", "epochs=3"):
        told = f"-e: sets train.epochs, and so does {word}; leave one out"
        for words in (["-e", "5", word], [word, "-e", "5"], ["-e", "5", "--", word]):
            assert refused(config, *words) == told
    told = "rate: sets optimizer.lr, and so does --lr; leave one out"
    assert refused(config, "rate=1", "--lr", "2") == told
    told = "-wp: sets track.to, and so does track.to=mlflow; leave one out"
    assert refused(config, "-wp", "birds", "track.to=mlflow") == told


def test_images_are_named_once(tmp_path):
    with pytest.raises(SettingsError) as caught:
        rewrite(["train", "--recipe", "nature-cnn", "-p", "a", "--parent_dir", "b"])
    assert str(caught.value) == "--parent_dir: names the images a second time; leave one out"
    with pytest.raises(SettingsError) as caught:
        rewrite(["train", "--recipe", "nature-cnn", "data=b", "-p", "a"])
    assert str(caught.value) == "-p: sets data.source, and so does data=b; leave one out"


@pytest.mark.parametrize(
    "words", [["photos", "-p", "other"], ["-p", "other", "photos"], ["-p=other", "--", "photos"]]
)
def test_a_flag_for_the_images_beside_the_images_is_refused(words, capsys):
    assert main.run(["train", "--recipe", "nature-cnn", *words]) == 2
    told = "fieldmark: -p: names the images, and so does DATA; leave one out\n"
    assert capsys.readouterr().err == told


def test_a_misspelt_folder_is_told_with_the_one_beside_it(capsys, tmp_path):
    (tmp_path / "train").mkdir()
    assert main.run(["train", f"{tmp_path}/trian"]) == 2
    told = f"DATA: there is no folder or file '{tmp_path}/trian'; did you mean '{tmp_path}/train'?"
    assert capsys.readouterr().err == f"fieldmark: {told}\n"


def test_images_that_are_not_where_the_recipe_has_them_are_told_as_its_own(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    what = "there is no folder or file 'nature_12K', and no built-in set of that name "
    what += "(there are 'digits' and 'cifar10'); name your images as DATA"
    assert main.run(["train", "--recipe", "nature-cnn"]) == 2
    told = f"recipe nature-cnn: data.source: {what} or with -p"
    assert capsys.readouterr().err == f"fieldmark: {told}\n"
    (tmp_path / "mine.yaml").write_text("data: nature_12K\n")
    assert main.run(["train", "--config", "mine.yaml"]) == 2
    assert capsys.readouterr().err == f"fieldmark: mine.yaml: data.source: {what}\n"


def test_an_alias_that_is_spelt_as_an_option_stands_beside_another_alias(config):
    assert after(config, "--epochs", "7", "-e", "5") == ["train.epochs=7", "train.epochs=5"]


@pytest.mark.parametrize(
    ("aliases", "where"),
    [
        ("{-e: [train.epochs, track.to]}", ", -e"),
        ("{-e: train.epochs=5}", ", -e"),
        ("{-e: []}", ", -e"),
        ("[-e, train.epochs]", ""),
    ],
)
def test_a_table_of_aliases_that_makes_no_sense_is_refused(tmp_path, aliases, where):
    path = tmp_path / "f.yaml"
    path.write_text(f"aliases: {aliases}\n")
    with pytest.raises(SettingsError) as caught:
        of_config(str(path))
    what = "must be a flag and its setting, such as -e: train.epochs"
    assert str(caught.value) == f"{path}: aliases{where}: {what}"


def test_mistakes_are_told_under_the_flag_as_typed(config):
    rewritten = rewrite(["train", "--config", config, "-bn", "7", "-e=x", "rate=y", "run.seed=z"])
    words = [word for word in rewritten.words if "=" in word]
    with pytest.raises(SettingsError) as caught:
        read([layer("x", yaml.safe_load("data: d")), read_given(words, {}, None)])
    told = [each.where for each in rewritten.as_typed(caught.value).mistakes]
    assert sorted(told) == ["-e", "run.seed"]
    both = SettingsError([Mistake("model.batch_norm", "a"), Mistake("optimizer.lr", "b")])
    assert str(rewritten.as_typed(both)) == "-bn: a\nrate: b"


def test_of_two_flags_for_one_setting_a_mistake_is_told_under_the_last(config):
    error = SettingsError([Mistake("train.epochs", "a")])
    for first, last in (("-e", "--epochs"), ("--epochs", "-e")):
        rewritten = rewrite(["train", "--config", config, first, "5", last, "x"])
        assert str(rewritten.as_typed(error)) == f"{last}: a"


def test_the_recipe_that_knows_a_flag_is_found():
    assert recipe_with("-nf") == "nature-cnn"
    assert recipe_with("-zz") is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-nf", "64"], "there is no option -nf except with --recipe nature-cnn"),
        (["--num_filters=64"], "there is no option --num_filters except with --recipe nature-cnn"),
        (["--batch_size", "8"], "there is no option --batch_size; did you mean --batch-size?"),
        (["-zz", "8"], "there is no option -zz; `fieldmark train --help` lists them\n"),
        (["--trac", "wandb"], "there is no option --trac; did you mean --track?\n"),
        (["--epoch", "8"], "there is no option --epoch; did you mean --epochs?\n"),
        (["--recipe", "nature-cn", "-nf", "8"], "--recipe: there is no recipe 'nature-cn'; did"),
        (["--recipe", "digits", "-nf", "8"], "there is no option -nf except with --recipe"),
    ],
)
def test_a_flag_of_a_recipe_works_with_that_recipe_only(words, told, capsys):
    assert main.run(["train", "photos", *words]) == 2
    assert capsys.readouterr().err.startswith(f"fieldmark: {told}")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["-nff", "8"], "-nff; did you mean -nf? `fieldmark recipes cat nature-cnn` lists them"),
        (["-nf", "8", "-nff", "8"], "-nff; did you mean -nf? `fieldmark recipes cat"),
        (["--batch_siz=8"], "--batch_siz; did you mean --batch_size? `fieldmark recipes cat"),
        (["--trac", "wandb"], "--trac; did you mean --track? `fieldmark recipes cat nature-cnn`"),
        (["-zz", "8"], "-zz; `fieldmark train --help` and `fieldmark recipes cat nature-cnn` list"),
    ],
)
def test_a_flag_that_a_recipe_does_not_know_is_told_the_nearest_of_its_own(words, hint, capsys):
    assert main.run(["train", "photos", "--recipe", "nature-cnn", *words]) == 2
    assert capsys.readouterr().err.startswith(f"fieldmark: there is no option {hint}")


def test_a_flag_that_a_file_does_not_know_is_told_the_nearest_of_its_own(config, capsys):
    assert main.run(["train", "photos", "--config", config, "-bnn", "true"]) == 2
    told = f"there is no option -bnn; did you mean -bn? {config} lists them"
    assert capsys.readouterr().err == f"fieldmark: {told}\n"


def test_the_command_that_is_kept_is_the_one_that_was_typed(monkeypatch):
    monkeypatch.setattr(main, "app", lambda words, **_: seen.extend(words))
    seen: list[str] = []
    words = ["train", "--recipe", "nature-cnn", "-p", "a b", "-bn", "true"]
    assert main.run(words) == 0
    assert seen == ["train", "--recipe", "nature-cnn", "data.source=a b", "model.batch_norm=true"]
    assert WORDS.get() == tuple(words)
    assert command_line() == "fieldmark train --recipe nature-cnn -p 'a b' -bn true"


def test_other_verbs_and_help_look_at_no_aliases(monkeypatch):
    monkeypatch.setattr(main, "app", lambda words, **_: seen.append(words))
    seen: list[list[str]] = []
    for words in (["recipes", "cat", "--recipe=x"], ["train", "--recipe", "x", "--help"]):
        assert main.run(words) == 0
        assert seen.pop() == words
