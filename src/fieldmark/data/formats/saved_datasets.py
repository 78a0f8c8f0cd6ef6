"""What `save_to_disk` of Hugging Face's datasets wrote: Arrow files, and JSON that says which.

Only state.json and dataset_info.json are read, and the Arrow files as tables: nothing runs code.
"""

from pathlib import Path
from typing import Any

from fieldmark.data.folders import Tree, join
from fieldmark.data.formats.brought import read_json
from fieldmark.errors import DataError

SPLITS, STATE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"


def saved_files(tree: Tree) -> list[str]:
    """The Arrow files of a saved data set, or of each of its splits, as paths below the folder;
    [] where it is none. Raises DataError for one that cannot be read whole.
    """
    names = tree.others.get("", ())
    if SPLITS in names:
        splits = _value(tree.root / SPLITS, "splits")
        for split in splits:
            _refuse_outside(tree.root / SPLITS, split)
        return [file for split in splits for file in _files(tree.root, split)]
    is_one = STATE in names and any(name.endswith(".arrow") for name in names)
    return _files(tree.root, "") if is_one else []


def _files(root: Path, folder: str) -> list[str]:
    state = root / folder / STATE
    if not state.is_file():
        raise DataError(f"{state}: is not there, and a saved data set has it; copy it anew")
    if _get(read_json(state), "_indices_files") or _get(read_json(state), "_indices_data_files"):
        raise DataError(
            f"{state}: the data set is a choice of rows, kept apart from them; save it anew, in "
            "Python: dataset.flatten_indices().save_to_disk(FOLDER)"
        )
    names = [_get(each, "filename") for each in _value(state, "_data_files")]
    for name in names:
        _refuse_outside(state, name)
    return [join(folder, name) for name in names]


def _refuse_outside(path: Path, name: Any) -> None:
    """Raise DataError for what is no name of a file or folder beside a JSON file."""
    parts = name.replace("\\", "/").split("/") if isinstance(name, str) else [""]
    if not parts[0] or ".." in parts or ":" in parts[0]:
        raise DataError(
            f"{path}: names {name!r}, which is no file or folder beside it; copy the data set anew"
        )


def _value(path: Path, key: str) -> list[Any]:
    found = _get(read_json(path), key)
    if not isinstance(found, list) or not found:
        raise DataError(f"{path}: has no list '{key}', as a saved data set has; copy it anew")
    return found


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
