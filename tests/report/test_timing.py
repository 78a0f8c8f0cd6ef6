"""Parts that add up, and what a person is told to do."""

import pytest

from fieldmark.report.timing import ELSE, parts_of, time_line, where_time_went


def advice(workers=1, device="cpu", cores=4, has_weights=True, **times):
    machine = {"workers": workers, "device": device, "cores": cores}
    timing = where_time_went({"whole": 100.0, **times}, **machine, has_weights=has_weights)
    assert sum(seconds for _, seconds in timing.parts) == pytest.approx(max(100, sum_of(times)))
    return timing.advice


def sum_of(times):
    beside = ("workers_reading", "workers_augmenting", "reading", "augmenting")
    return sum(seconds for name, seconds in times.items() if name not in beside)


def test_the_parts_stand_in_the_order_of_a_run_and_add_up():
    times = {"writing": 5, "forward": 20, "backward": 40, "waiting": 10, "decoding": 3, "whole": 90}
    assert parts_of(times) == (
        ("decoding photos", 3),
        ("waiting for images", 10),
        ("forward", 20),
        ("backward and step", 40),
        ("writing", 5),
        (ELSE, 12),
    )


def test_what_workers_do_is_beside_and_no_part():
    times = {"waiting": 10, "workers_reading": 300, "workers_augmenting": 500, "whole": 100}
    assert parts_of(times) == (("waiting for images", 10), (ELSE, 90))


def test_without_workers_reading_and_augmenting_are_what_was_waited_for():
    times = {"waiting": 50, "reading": 10, "augmenting": 35, "whole": 100}
    assert parts_of(times) == (
        ("reading images", 10),
        ("augmenting", 35),
        ("waiting for images", 5),
        (ELSE, 50),
    )


def test_loading_beside_a_busy_gpu_counts_only_as_far_as_it_waited():
    times = {"waiting": 10, "reading": 10, "augmenting": 30, "steps": 80, "whole": 100}
    assert parts_of(times) == (
        ("reading images", 2.5),
        ("augmenting", 7.5),
        ("forward, backward and step", 80),
        (ELSE, 10),
    )


def test_a_run_of_no_time_has_one_part_without_seconds():
    timing = where_time_went({}, workers=0, device="cpu", has_weights=True)
    assert timing.parts == ((ELSE, 0.0),)
    assert timing.advice == "0 s in all: there is little to gain."
    assert time_line(timing) == "time    0 s in all: there is little to gain"


def test_who_waits_for_photos_is_told_of_workers_and_the_cache():
    assert advice(waiting=62, workers_reading=50, workers_augmenting=9, forward=14) == (
        "62 % of the time went into waiting for images: more --workers (now 1; there are 4 cores), "
        "or a larger cache (FIELDMARK_CACHE_GB), which keeps photos decoded."
    )


def test_who_waits_for_augmentation_is_told_to_make_it_lighter():
    assert advice(waiting=62, workers_reading=5, workers_augmenting=50, workers=4) == (
        "62 % of the time went into waiting for images: a lighter --augment."
    )


def test_loading_without_workers_is_waiting_too():
    assert advice(waiting=55, reading=1, augmenting=50, workers=0) == (
        "55 % of the time went into waiting for images: more --workers (now 0; there are 4 cores), "
        "or a lighter --augment."
    )


@pytest.mark.parametrize(
    ("device", "times", "more"),
    [
        ("cpu", {"forward": 30, "backward": 54}, ", or a GPU"),
        ("cuda", {"forward": 30, "backward": 54}, ""),
        ("mps", {"steps": 84}, ""),
    ],
)
def test_where_the_network_takes_the_time_a_smaller_one_is_advised(device, times, more):
    assert advice(device=device, **times) == (
        "84 % of the time was the network's own work: "
        f"a smaller --model or --image-size, or --freeze{more}."
    )


def test_random_weights_are_not_to_be_frozen():
    assert advice(has_weights=False, forward=30, backward=54).endswith(
        "a smaller --model or --image-size, or a GPU."
    )
    assert advice(has_weights=False, device="cuda", forward=80).endswith("--image-size.")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "decoding",
            "went into decoding photos, which is done once; "
            "the next run with these images finds them in the cache",
        ),
        (
            "embedding",
            "went into embedding the images, which is done once; "
            "the next run with this network and these images finds it in the cache",
        ),
        (
            "heads",
            "went into training heads: fewer features.penalties or features.scalings, or, where "
            "they are trained by epochs, fewer --epochs, features.rates, seeds or heads",
        ),
        (
            "validation",
            "went into validation: a smaller data.val_fraction, "
            "at the price of less certain figures",
        ),
        (
            "writing",
            "went into writing: an --out on a faster disk, or, where epochs are long, "
            "a larger train.checkpoint_minutes",
        ),
        (
            "predicting",
            "went into the last predictions, which are made once, however long the training is",
        ),
        (
            "trackers",
            "went into trackers, most of it into their start, "
            "which is the same however long the training is",
        ),
        (
            "figures",
            "went into the figures and their intervals, which are made once, "
            "however long the training is",
        ),
    ],
)
def test_the_part_that_took_most_is_told(name, line):
    assert advice(forward=25, **{name: 60}) == f"60 % of the time {line}."


def test_a_second_part_is_told_where_it_is_large_and_can_be_changed():
    told = advice(forward=30, backward=30, writing=20, validation=10)
    assert told.startswith("60 % of the time was the network's own work: ")
    assert ". 20 % of the time went into writing: " in told
    assert "validation" not in told
    assert advice(forward=30, backward=40, writing=14).count("%") == 1


def test_where_no_part_took_most_of_the_time_that_is_said():
    assert advice(forward=10, waiting=12, writing=5) == (
        "No part that could be made shorter took most of the time."
    )


def test_a_short_run_has_little_to_gain():
    times = {"waiting": 9, "whole": 10}
    timing = where_time_went(times, workers=0, device="cpu", has_weights=True)
    assert timing.advice == "10 s in all: there is little to gain."


def test_the_line_for_the_terminal_names_the_largest_parts_first():
    times = {
        "forward": 20,
        "backward": 50,
        "waiting": 25,
        "writing": 3,
        "decoding": 1,
        "whole": 100,
    }
    timing = where_time_went(times, workers=4, device="cuda", has_weights=True, cores=4)
    assert time_line(timing) == (
        "time    1 min 40 s in all; backward and step 50 %, waiting for images 25 %, "
        "forward 20 %, writing 3 %; "
        "70 % of the time was the network's own work: a smaller --model or --image-size, or "
        "--freeze. 25 % of the time went into waiting for images: a larger cache "
        "(FIELDMARK_CACHE_GB), which keeps photos decoded"
    )
