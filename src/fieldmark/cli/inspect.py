"""`fieldmark inspect`: a look at images before anything is trained on them."""

from pathlib import Path
from typing import Annotated, Any

from fieldmark.cli.typed import (
    Crops,
    DataDir,
    Images,
    Text,
    Words,
    command_line,
    data_and_rest,
    flag,
    named,
)


def command(
    words: Words = None,
    images: Images = None,
    data_dir: DataDir = None,
    crops: Crops = None,
    as_json: Annotated[bool, flag("--json", "Print what was found as JSON.")] = False,
    strict: Annotated[bool, flag("--strict", "Exit code 2 where an error was found.")] = False,
    augment: Annotated[Text, named("NAME", "Show images augmented so, on the page.")] = None,
    page: Annotated[Path | None, named("FILE", "The page (default inspect-DATA.html).")] = None,
    names: Annotated[
        Path | None, named("FILE", "Names that captions suggest (default beside the page).")
    ] = None,
) -> int:
    """Look at DATA: counts, broken files, copies, odd labels; a table here and a page.

    KEY=VALUE reaches the settings under data: data.label_column=species.
    """
    import json

    from fieldmark.console import Console
    from fieldmark.files import check_page
    from fieldmark.reviews.inspect import as_json as in_json
    from fieldmark.reviews.inspect import as_lines, keep_names, look, write_page
    from fieldmark.settings.layers import read
    from fieldmark.settings.texts import read_given

    data, rest = data_and_rest(words)
    options = {"images": images, "data_dir": data_dir, "crops": crops}
    settings = read([read_given(rest, options, data)]).settings.data
    path = page or Path(f"inspect-{Path(settings.source).resolve().stem}.html")
    check_page(path)
    console = Console(quiet=as_json)
    seen = look(settings, console)
    sheets: tuple[Any, ...] = ()
    if augment is not None:
        from fieldmark.reviews.augmented import augmented_sheets

        sheets = augmented_sheets(seen.listing, seen.facts, augment)
    write_page(seen, path, command_line(), sheets)
    kept = keep_names(seen, names or path.with_name(f"{path.stem}-names.csv"))
    if names is not None and not kept:
        kept = (
            f"names    {names} is not written: names are for labels that are numbers, from captions"
        )
    if as_json:
        print(json.dumps(in_json(seen), indent=2, ensure_ascii=False))
    else:
        console.say("\n".join([*as_lines(seen), f"page     {path}", *filter(None, [kept])]))
    return 0 if seen.is_sound or not strict else 2
