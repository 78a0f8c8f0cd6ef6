"""Words of other tools, and what is said of them. Meaning goes before letters."""

import pytest

from fieldmark.catalog import Catalog
from fieldmark.cli.main import run as fieldmark
from fieldmark.errors import SettingsError
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.models.catalog import MODELS
from fieldmark.settings import meant
from fieldmark.settings.layers import layer, read
from fieldmark.settings.tree import known_keys, sections

OF_CHOICES = ("dropout", "momentum", "weight_decay", "lr", "warmup_epochs")
OF_CHOICES += ("label_smoothing", "class_weights")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("train digits --data x", "--data; the images are DATA, a word without a dash"),
        ("train digits --gpu 0", "--gpu; did you mean --device cuda?"),
        ("train digits --gpus 1", "--gpus; did you mean --device cuda?"),
        ("train digits --imgsz 224", "--imgsz; did you mean --image-size?"),
        ("train digits --img_size=224", "--img_size; did you mean --image-size?"),
        ("train digits --arch resnet50", "--arch; did you mean --model?"),
        ("train digits --backbone x", "--backbone; did you mean --model?"),
        ("train digits --pretrained", "--pretrained; did you mean --weights default?"),
        ("train digits --learning-rate 1", "--learning-rate; did you mean --lr?"),
        ("train digits --patience 5", "--patience; did you mean train.patience=5?"),
        ("train digits --val-split=0.2", "--val-split; did you mean data.val_fraction=0.2?"),
        ("train digits --test-split", "--test-split; did you mean data.test_fraction=VALUE?"),
        (
            "train digits --num-classes 3",
            "--num-classes; leave it out: the classes are counted from the images",
        ),
        ("train digits --bs 3", "--bs; did you mean --batch-size?"),
        ("train digits --wd 0.1", "--wd; did you mean optimizer.weight_decay=0.1?"),
        ("train digits --l2 0.1", "--l2; did you mean penalty.l2=0.1?"),
        ("train digits --project x", "--project; did you mean --out?"),
        ("train digits --freeze-backbone", "--freeze-backbone; did you mean --freeze?"),
        ("train digits --foo", "--foo; `fieldmark train --help` lists them"),
        ("train digits --modle x", "--modle; did you mean --model?"),
        (
            "grid digits --over lr=1,2 --folds 5",
            "--folds; folds are `fieldmark cross-validate DATA --folds K`",
        ),
        ("cross-validate digits --kfold 5", "--kfold; did you mean --folds?"),
        (
            "predict run x --imgsz 224",
            "--imgsz; it is asked of `fieldmark train`, as --image-size",
        ),
        ("predict run --model x", "--model; the trained model is the first word, RUN"),
        ("evaluate run --gpu 0", "--gpu; did you mean --device cuda?"),
    ],
)
def test_an_option_of_another_tool_is_answered_by_what_it_means(capsys, words, told):
    assert fieldmark(words.split()) == 2
    assert capsys.readouterr().err == f"fieldmark: there is no option {told}\n"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("fit", "; did you mean `fieldmark train`?"),
        ("test", "; did you mean `fieldmark evaluate`?"),
        ("trian", "; did you mean `fieldmark train`?"),
        ("xyzzy", "; `fieldmark --help` lists them"),
    ],
)
def test_a_verb_of_another_tool_is_answered_by_what_it_means(capsys, word, told):
    assert fieldmark([word, "digits"]) == 2
    assert capsys.readouterr().err == f"fieldmark: there is no verb '{word}'{told}\n"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "vit_base_patch16_224",
            "; did you mean 'vit_b_16', or of timm 'timm/vit_base_patch16_224'?",
        ),
        ("google/vit-large-patch16-224", "; did you mean 'vit_l_16'?"),
        ("resnet-50", "; did you mean 'resnet50'?"),
        ("EfficientNetB0", "; did you mean 'efficientnet_b0'?"),
        (
            "efficientnet",
            "; did you mean 'efficientnet_lite0', the first of its kind? `fieldmark models "
            "efficientnet` lists all 14",
        ),
        (
            "MobileNetV3",
            "; did you mean 'mobilenet_v3_small', the first of its kind? `fieldmark models "
            "mobilenet_v3` lists all 2",
        ),
        ("mobilenetv3_large_100", "; did you mean 'mobilenet_v3_large'?"),
        (
            "yolov8n-cls",
            ", since YOLO's are not here; a quick network is 'mobilenet_v3_small', a good one "
            "'convnext_tiny'",
        ),
        (
            "dinov2_vits14",
            "; networks of this kind are timm's: `fieldmark models timm/dino` lists them",
        ),
        ("resnet81", "; did you mean 'resnet18'?"),
    ],
)
def test_a_network_of_another_tool_is_answered_by_its_like(name, hint):
    assert MODELS.read(name, {})[1][0].what == f"there is no model '{name}'{hint}"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("learning_rate", "did you mean 'optimizer.lr'?"),
        ("train.lr", "did you mean 'optimizer.lr'?"),
        ("data.batch_size", "did you mean 'train.batch_size'?"),
        ("patience", "did you mean 'train.patience'?"),
        ("train.epoch", "did you mean 'train.epochs'?"),
        ("foo", "`fieldmark options train` lists them all"),
    ],
)
def test_a_setting_of_another_tool_is_answered_by_what_it_means(key, hint):
    with pytest.raises(SettingsError) as told:
        read([layer("", {"data.source": "x", key: 1})])
    assert str(told.value) == f"{key}: there is no such setting; {hint}"


def test_a_misspelt_setting_of_a_choice_is_answered_by_the_setting(capsys):
    for words, whose in (
        ([], "no model that may be chosen takes this option"),
        (["--model", "resnet18"], "the model 'resnet18' takes no such option"),
    ):
        assert fieldmark(["train", "digits", *words, "model.wieghts=none"]) == 2
        told = f"fieldmark: model.wieghts: {whose}; did you mean 'weights'?\n"
        assert capsys.readouterr().err == told


def test_an_option_of_a_choice_is_answered_by_what_it_means():
    (mistake,) = OPTIMIZERS.read("adamw", {"learning_rate": 1})[1]
    assert mistake.what == "the optimizer 'adamw' takes no such option; did you mean 'lr'?"


def test_a_choice_that_others_call_otherwise_is_named():
    losses = Catalog("loss", {"cross_entropy": (len, ""), "focal": (len, "")})
    for name in ("CrossEntropyLoss", "cross-entropy", "ce"):
        (mistake,) = losses.read(name, {})[1]
        assert mistake.what == f"there is no loss '{name}'; did you mean 'cross_entropy'?"


def test_every_word_leads_to_a_setting_that_there_is():
    targets = {each.partition("=")[0] for each in meant.MEANT.values() if " " not in each}
    strange = targets - set(known_keys())
    assert {key.partition(".")[0] for key in strange} <= set(sections())
    assert {key.partition(".")[2] for key in strange} <= set(OF_CHOICES)
