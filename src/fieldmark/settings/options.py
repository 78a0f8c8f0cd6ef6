"""Short names for common settings: the same table serves the command line and Python."""

OPTIONS = {
    "images": "data.images",
    "data_dir": "data.data_dir",
    "crops": "data.crops",
    "predict": "data.predict",
    "corrections": "data.corrections",
    "model": "model.name",
    "weights": "model.weights",
    "freeze": "model.freeze",
    "unfreeze": "model.unfreeze",
    "head": "head.name",
    "loss": "loss.name",
    "epochs": "train.epochs",
    "batch_size": "train.batch_size",
    "lr": "optimizer.lr",
    "optimizer": "optimizer.name",
    "schedule": "schedule.name",
    "image_size": "input.size",
    "augment": "augment.name",
    "max_size_mb": "budget.max_size_mb",
    "max_hours": "budget.max_hours",
    "target": "budget.target",
    "seed": "run.seed",
    "precision": "run.precision",
    "engine": "run.engine",
    "compile": "run.compile",
    "track": "track.to",
    "workers": "run.workers",
    "device": "run.device",
    "out": "run.out",
    "name": "run.name",
}


def flag(option: str) -> str:
    """The option as it is typed: batch_size -> --batch-size."""
    return f"--{option.replace('_', '-')}"


FLAGS = {key: flag(option) for option, key in OPTIONS.items()}  # how a setting's option is typed
