"""What `--over` means, and which mistakes are told of it."""

import pytest

from fieldmark.errors import SettingsError
from fieldmark.runs.concrete import gather
from fieldmark.study.axes import axes_of, cells_of, divided, short_label


def told(call):
    with pytest.raises(SettingsError) as caught:
        call()
    return str(caught.value).splitlines()


def cells(*over, words=(), beside=()):
    def gathered(values):
        return gather("digits", dict(word.split("=") for word in words) | values, {}, new=False)

    return cells_of(axes_of(over), beside, gathered)


def test_values_are_divided_by_commas_outside_brackets():
    assert divided("a, b,[1,2],{x: [3,4]},none") == ["a", "b", "[1,2]", "{x: [3,4]}", "none"]


def test_axes_have_the_names_of_the_command_line():
    axes = axes_of(
        ["model.name=resnet18,resnet50", "lr=1e-2,1e-3", "mix=none,mixup", "train.ema=none,0.9"]
    )
    assert [(axis.name, axis.key) for axis in axes] == [
        ("model", "model.name"),
        ("lr", "optimizer.lr"),
        ("mix", "mix.name"),
        ("train.ema", "train.ema"),
    ]


def test_an_optimizer_may_name_its_rate_and_schedule_and_the_others_then_have_none():
    (axis,) = axes_of(["optimizer=adam:1e-4,adadelta:1.0:plateau,sgd"])
    assert [value.settings for value in axis.values] == [
        {"schedule.name": "none", "optimizer.name": "adam", "optimizer.lr": "1e-4"},
        {"schedule.name": "plateau", "optimizer.name": "adadelta", "optimizer.lr": "1.0"},
        {"schedule.name": "none", "optimizer.name": "sgd"},
    ]
    (axis,) = axes_of(["optimizer=adam:1e-4,sgd"])
    assert "schedule.name" not in axis.values[0].settings  # the other settings' own stays


def test_every_combination_is_a_cell_and_the_last_axis_is_the_fastest():
    found = cells("optimizer=adam:1e-4,sgd:1e-2:step", "seed=0,1")
    assert [cell.about for cell in found] == [
        {"optimizer": optimizer, "seed": seed}
        for optimizer in ("adam:1e-4", "sgd:1e-2:step")
        for seed in ("0", "1")
    ]
    last = found[-1].resolved.settings
    assert (last.optimizer.name, last.optimizer.options["lr"]) == ("sgd", "1e-2")
    assert (last.schedule.name, last.run.seed) == ("step", 1)
    assert found[0].resolved.settings.schedule.name == "none"
    assert short_label(found[-1].about) == "sgd:1e-2:step, seed 1"


def test_files_are_called_by_their_names(tmp_path):
    for name in ("a.pth", "b.pth"):
        (tmp_path / name).touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.pth").touch()
    (axis,) = axes_of([f"weights={tmp_path}/a.pth,{tmp_path}/b.pth"])
    assert [value.label for value in axis.values] == ["a", "b"]
    same = [f"{tmp_path}/a.pth", f"{tmp_path}/other/a.pth"]
    (axis,) = axes_of([f"weights={','.join(same)}"])
    assert [value.label for value in axis.values] == same


def test_a_label_names_its_axis_where_the_value_does_not_say_what_it_is():
    about = {"model": "resnet18", "mix": "cutmix", "weights": "a", "image_size": "96"}
    assert short_label({**about, "train.ema": "none"}) == (
        "resnet18, cutmix, a, image size 96, ema none"
    )


def test_mistakes_of_axes_are_told_together():
    over = [
        "model",
        "train.ema=0.1",
        "seed=1,2,1",
        "loss=a,",
        "optimizer=sgd:1:step:3,adam",
        "out=a,b",
    ]
    assert told(lambda: axes_of(over)) == [
        "--over model: is not KEY=V1,V2; write model=a,b",
        "--over train.ema=0.1: has one value; give two or more, or set it without --over",
        "--over seed=1,2,1: has '1' twice; name each value once",
        "--over loss=a,: has an empty value; leave the comma or the axis out",
        "--over optimizer=sgd:1:step:3,adam: 'sgd:1:step:3' is not NAME, NAME:RATE or "
        "NAME:RATE:SCHEDULE",
        "--over out=a,b: says where a run is, and not what it is; take another setting",
    ]


def test_a_setting_is_gone_over_once():
    assert told(lambda: axes_of(["seed=0,1", "run.seed=2,3"])) == [
        "--over run.seed=2,3: sets run.seed, and so does --over seed=0,1; leave one out"
    ]
    assert told(lambda: axes_of(["lr=1,2", "optimizer=adam:1e-3,sgd"])) == [
        "--over optimizer=adam:1e-3,sgd: sets optimizer.lr, and so does --over lr=1,2; leave one "
        "out"
    ]
    assert told(lambda: cells("lr=1e-3,1e-2", beside=["optimizer.lr"])) == [
        "--over lr=1e-3,1e-2: sets optimizer.lr, which is set beside it too; leave one out"
    ]


def test_too_many_cells_are_refused():
    seeds = ",".join(map(str, range(101)))
    assert told(lambda: axes_of([f"seed={seeds}", "train.epochs=1,2,3,4,5,6,7,8,9,10"])) == [
        "--over: 1,010 cells are more than 1,000; take fewer values"
    ]


def test_mistakes_of_all_cells_are_told_under_the_value_or_the_cell_that_makes_them():
    over = ("model=resnet18,resnet99,small_cnn", "seed=0,x")
    assert told(lambda: cells(*over)) == [
        "--over seed=x: must be a whole number, not x",
        "--over model=resnet99: there is no model 'resnet99'; did you mean 'resnet50'?",
    ]


def test_what_a_value_does_not_take_is_refused_and_named():
    over = ("optimizer=adam,sgd", "seed=0,1")
    assert told(lambda: cells(*over, words=["optimizer.nesterov=true"])) == [
        "--over optimizer=adam: optimizer.nesterov: the optimizer 'adam' takes no such option; it "
        "takes 'lr', 'weight_decay', 'betas' and 'eps'"
    ]
    over = ("optimizer=adam,sgd", "optimizer.momentum=0.8,0.9")
    assert told(lambda: cells(*over)) == [
        "--over optimizer=adam: optimizer.momentum: the optimizer 'adam' takes no such option; it "
        "takes 'lr', 'weight_decay', 'betas' and 'eps'"
    ]


def test_a_mistake_of_all_cells_is_told_once_and_of_none():
    assert told(lambda: cells("seed=0,1", words=["train.epochs=x"])) == [
        "train.epochs: must be a whole number, not x"
    ]


def test_two_cells_of_the_same_settings_are_refused():
    assert told(lambda: cells("train.min_delta=0.1,1e-1")) == [
        "--over: 'min_delta 0.1' and 'min_delta 1e-1' are the same settings; leave one out"
    ]


def test_a_published_study_of_six_networks_and_three_optimizers_is_one_command():
    models = (
        "googlenet,resnet50,resnext50_32x4d,shufflenet_v2_x2_0,efficientnet_v2_s,regnet_x_3_2gf"
    )
    over = [f"model={models}", "optimizer=sgd:1e-2:plateau,adam:1e-4,adadelta:1.0:plateau"]

    def gathered(values):
        return gather("digits", values, {}, recipe="multilabel-transfer", new=False)

    found = cells_of(axes_of(over), (), gathered)
    assert len(found) == 18
    optimizers = [cell.resolved.settings.optimizer for cell in found[:3]]
    assert [(each.name, each.options["lr"]) for each in optimizers] == [
        ("sgd", "1e-2"),
        ("adam", "1e-4"),
        ("adadelta", "1.0"),
    ]
    schedules = [cell.resolved.settings.schedule for cell in found[:3]]
    assert [each.name for each in schedules] == ["plateau", "none", "plateau"]
    assert schedules[0].options["by"] == "loss"  # the recipe's own
    assert schedules[1].options == {}
