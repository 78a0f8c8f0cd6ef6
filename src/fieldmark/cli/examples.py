"""Two examples of each verb, with which its --help ends.

`photos/` are class folders with a class `cat`, `new/` holds images without labels, and runs/first
and runs/second are there once the examples of `train` were typed; a test types them all.
"""

EXAMPLES: dict[str, tuple[str, str]] = {
    "inspect": ("inspect photos/", "inspect labels.csv data.label_column=species"),
    "train": (
        "train photos/ --name first",
        "train photos/ --epochs 10 train.patience=3 --name second",
    ),
    "cross-validate": (
        "cross-validate photos/",
        "cross-validate photos/ --folds 3 --repeats 2 --epochs 10",
    ),
    "one-vs-rest": ("one-vs-rest photos/", "one-vs-rest photos/ --class cat --take 0.5"),
    "grid": (
        "grid photos/ --over lr=0.01,0.001",
        "grid photos/ --over optimizer=adamw,sgd --over seed=0,1 --epochs 5",
    ),
    "sweep": (
        "sweep photos/ --sweep sweep.yaml --trials 20",
        "sweep photos/ --sweep sweep.yaml --trials 40 --jobs 2",
    ),
    "report": ("report runs/first", "report runs/second"),
    "evaluate": ("evaluate runs/first", "evaluate runs/first others/ --page others.html"),
    "compare": (
        "compare runs/first runs/second",
        "compare runs/first runs/second --metric accuracy --out figures.csv",
    ),
    "suspects": ("suspects runs/first", "suspects runs/first --no-map --page doubts.html"),
    "predict": (
        "predict runs/first new/ --out labels.csv",
        "predict runs/first new/ --top 3 --sort-into sorted --out top.jsonl",
    ),
    "explain": ("explain runs/first new/", "explain runs/first new/1.jpg --class cat"),
    "export": ("export runs/first", "export runs/first --to pth --out first-pth"),
    "card": ("card runs/first", "card runs/first --out first-card --licence cc-by-4.0"),
    "serve": ("serve runs/first", "serve runs/first --port 8080 --abstain 0.95 --unlike"),
    "models": ("models resnet", "models --summary resnet18 --num-classes 10"),
    "options": ("options train", "options optimizer sgd"),
    "recipes ls": ("recipes ls", "recipes cat digits"),
    "recipes cat": ("recipes cat digits", "recipes cat nature-transfer"),
    "recipes cp": ("recipes cp digits mine.yaml", "recipes cp cifar-fast ."),
    "study work": ("study work runs/photos-grid-1a2b3c4d5e", "study work /shared/runs/my-study"),
}


def shown(verb: str) -> str | None:
    """The examples of a verb as --help shows them, a line each; None where it has none."""
    if verb not in EXAMPLES:
        return None
    return "\n".join(["\b", "Examples:", *(f"  fieldmark {each}" for each in EXAMPLES[verb])])
