"""Every recipe of a published system goes on after `kill -9`, to the same bits."""

import pytest
from smallruns import draw_photos, in_process, recipe_and_die, resume, same_results, train_recipe

from fieldmark.rundir import RunDir

STEP = "fieldmark.fit.loop:step"
SMALL = ("run.workers=1", "run.threads=1", "train.epochs=2", "train.batch_size=8")
SIDES = {  # px of the images: those of CIFAR-10 are seen as they are, photos are made smaller
    "nature-cnn": 64,
    "nature-cnn-published": 64,
    "nature-cnn-best": 64,
    "birds-alexnet": 80,
    "birds-alexnet-best": 80,
    "cifar-resnet18": 32,
    "cifar-resnet18-best": 32,
    "cifar-fast": 32,
    "animals-ovr": 40,
    "multilabel-transfer": 48,
}
OWN = {  # words that only one recipe needs: its weights are published, and are not at hand
    "multilabel-transfer": ("model.name=mobilenet_v2", "model.weights=none", "input.stored=square"),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """SIDE/train and SIDE/val: images in three classes, for each side."""
    root = tmp_path_factory.mktemp("drawn")
    for side in set(SIDES.values()):
        draw_photos(root / str(side) / "train", each=10, side=side)
        draw_photos(root / str(side) / "val", each=4, side=side, seed=1)
    names = sorted((root / "48").rglob("*.png"))
    rows = [
        f"{path},{' '.join(sorted({'1', '2', '3'} - {str(place % 3 + 1)}))}"
        for place, path in enumerate(names)
    ]
    (root / "48" / "table.csv").write_text("\n".join(["ImageID,Labels", *rows]) + "\n")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SIDES)
def test_a_recipe_that_is_killed_goes_on_to_the_same_bits(recipe, photos, tmp_path):
    data = photos / str(SIDES[recipe])
    data = data / "table.csv" if recipe in OWN else data
    words = (*SMALL, f"input.size={SIDES[recipe]}", *OWN.get(recipe, ()))
    whole = train_recipe(recipe, data, tmp_path, "whole", *words)
    often = not recipe.startswith(("birds", "animals"))  # so many parameters take seconds to write
    small_steps = (*words, "train.checkpoint_minutes=1e-9") if often else words
    dead = in_process(recipe_and_die, STEP, 5, recipe, data, tmp_path, "killed", small_steps)
    assert dead == -9
    assert same_results(whole, resume(RunDir(tmp_path / "killed")))
