"""The card's front matter: what the hub shows beside it, and finds it by."""

from huggingface_hub import EvalResult, ModelCardData

from fieldmark.hub.facts import Facts
from fieldmark.report.figure_lines import shown_metrics
from fieldmark.report.words import defined, images, interval, metric_words

TASK = "image-classification"
IDS = {  # the hub's names of metrics
    "macro_f1": "f1",
    "micro_f1": "f1",
    "mean_average_precision": "mean_average_precision",
}
LICENCES = (  # as the hub lists them
    *("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0"),
    *("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
)


def front_matter(facts: Facts) -> ModelCardData:
    """What the hub reads. Intervals have no field there, so they stand in the metrics' names."""
    results, loads = eval_results(facts), facts.architecture is not None
    licence, named = licence_fields(facts.stated.licence or facts.info.licence)
    own = ["fieldmark", facts.architecture or facts.info.model]
    several = ["multi-label"] if facts.metrics.of_task.several else []
    return ModelCardData(
        license=licence,
        license_name=named,
        library_name="timm" if loads else "fieldmark",
        pipeline_tag=TASK,
        tags=[*(["timm", "transformers"] if loads else []), *own, *several],
        base_model=facts.base_model,
        datasets=[facts.stated.dataset] if facts.stated.dataset else None,
        metrics=list(dict.fromkeys(each.metric_type for each in results)) or None,
        model_name=facts.name if results else None,
        eval_results=results or None,
    )


def eval_results(facts: Facts) -> list[EvalResult]:
    """The figures of the test, or of validation where there is none."""
    found, split = facts.figures, facts.split
    return [
        EvalResult(
            task_type=TASK,
            task_name="Image classification",
            dataset_type=facts.stated.dataset or "imagefolder",
            dataset_name=facts.source,
            dataset_split={"val": "validation"}.get(split, split) if split else None,
            metric_type=IDS.get(metric, metric),
            metric_name=metric_name(facts, metric),
            metric_value=round(float(found[metric] or 0.0), 4),
        )
        for metric in (shown_metrics(found) if split else ())
        if defined(found[metric])
    ]


def metric_name(facts: Facts, metric: str) -> str:
    """ "accuracy (95 % interval 94.3 to 98.9 %, 200 test images)" """
    found = facts.figures
    bounds = interval(found.intervals.get(metric), metric)
    of = images(found.n, facts.split or "")
    within = f"95 % interval {bounds}, {of}" if bounds else of
    return f"{metric_words(metric)} ({within})"


def licence_fields(licence: str | None) -> tuple[str | None, str | None]:
    """The hub's word for a licence, and its name where that word is `other`; None: not known."""
    if licence is None:
        return None, None
    word = licence.casefold().replace("apache 2.0", "apache-2.0")  # as some publishers write it
    return (word, None) if word in LICENCES else ("other", licence)
