"""The settings of the images: where they are, what is asked of them, how they are split."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from fieldmark.settings.section import Section
from fieldmark.settings.values import Pattern, Share

LEVELS = ("class", "split", "group", "-")


class DataSettings(Section):
    """Which images, and how they are split."""

    source: str = Field(
        description="a folder of class folders, a table of labels, or a built-in name"
    )
    task: Literal["auto", "single-label", "multi-label"] = Field(
        "auto",
        description="one label an image, or any number, each a question of its own; auto: "
        "multi-label where an image has two labels, or the table is made for it (a column of 0 and "
        "1 a label, or lists)",
    )
    images: str | None = Field(None, description="the folder that a table's images lie in")
    test: str = Field(
        "auto",
        description="auto; none: no test set, and val is for validation; a source; or a run whose "
        "test images are among these",
    )
    val_fraction: Share = Field(0.15, description="share of the images for validation")
    test_fraction: Share = Field(0.15, description="share of the images for the test")
    val: Literal["auto", "cross", "hold", "none"] = Field(
        "auto",
        description="hold: some images are put aside; cross: folds of the training images, whose "
        "heads answer what they were not trained on, and the head that is kept is trained on all; "
        "none: no validation; auto: cross where a head is first trained on features, no validation "
        "is given, and images times classes are at most 1,000,000; else hold",
    )
    split_seed: int = Field(0, ge=0, le=2**63 - 1, description="decides the split; --seed does not")
    image_column: str | None = Field(None, description="a table's column of image files")
    label_column: str | None = Field(
        None,
        description="a table's column of labels, or, with commas between, the columns of 0 and 1 "
        "that are a label each",
    )
    label_separator: Literal["auto", "space", "comma", "semicolon", "bar", "none"] = Field(
        "auto",
        description="what divides several labels in a cell; auto: what is plain, and it is told; "
        "none: a cell is one label",
    )
    group_column: str | None = Field(
        None, description="a column (site, animal, patient) that no split may part"
    )
    group: Literal["auto", "exif"] = Field(
        "auto",
        description="auto: of the column, or as the format has it; exif: pictures of one camera, "
        "each at most 30 minutes after the one before, by what the camera wrote into them",
    )
    split_column: str | None = Field(None, description="a table's column of splits")
    pattern: Pattern | None = Field(
        None,
        description="where labels stand in the names of files: '{label}_{}.jpg', or in their "
        "folders, '{group}/{label}/{}'; {split} and names of your own too",
    )
    crops: str | None = Field(
        None,
        description="a JSON file of MegaDetector's results: each of its boxes is an image, and no "
        "two sides have boxes of one picture",
    )
    crops_above: Share | Literal["auto"] = Field(
        "auto",
        description="the least confidence of a box of data.crops; auto: what the file says is "
        "typical of the detector, or 0.2",
    )
    levels: str | None = Field(
        None,
        description="what the folders below the named one are, level by level, with / between: "
        "class, split, group (a site, an animal), or - for one that means nothing: group/class; "
        "by itself it is found, or asked where it is not clear",
    )
    on_bad: Literal["leave_out", "error"] = Field(
        "leave_out", description="what to do with files that cannot be read"
    )
    copies: Literal["near", "equal", "show"] = Field(
        "near",
        description="what counts as one image, which shares a side of a drawn split and leaves "
        "training where a given split judges it: near (equal, or surely saved again), equal; "
        "show: as equal, but none leaves training",
    )
    data_dir: str | None = Field(None, description="where a built-in data set lies")
    predict: str | None = Field(
        None,
        description="a table of images without labels: the run ends with NAME.csv, their labels as "
        "Kaggle takes them, and NAME.pth, its weights as torch takes them",
    )
    corrections: str | None = Field(
        None,
        description="a file of labels that a person corrected, as the page of `fieldmark suspects` "
        "saves one: columns path, row, action (label, add, drop, remove, right) and label",
    )
    label_names: str | None = Field(None, description="a file of label names, for reports alone")

    @field_validator("levels")
    @classmethod
    def _levels_are_known(cls, levels: str | None) -> str | None:
        """Each level is one of four words, and each but "-" stands once."""
        words = ["class"] if levels is None else levels.split("/")
        once = [word for word in words if word != "-"]
        if not set(words) <= set(LEVELS) or "class" not in once or len(set(once)) < len(once):
            raise ValueError(
                "must have 'class' once, and before or behind it, with / between, 'split', 'group' "
                f"or '-' for a level that means nothing, as in group/class, not '{levels}'"
            )
        return levels

    @model_validator(mode="after")
    def _leave_some(self) -> "DataSettings":
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError(
                "val_fraction and test_fraction leave nothing to train on; "
                "their sum must be less than 1"
            )
        others = {"group_column": self.group_column is not None}
        others["levels"] = "group" in (self.levels or "").split("/")
        others["pattern"] = "{group}" in (self.pattern or "")
        other = next((name for name, says in others.items() if says), None)
        if self.group == "exif" and other is not None:
            raise ValueError(f"group=exif and {other} both say what belongs together; take one")
        return self
