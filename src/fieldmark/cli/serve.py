"""`fieldmark serve`: a trained run behind HTTP, and a page that pictures are dropped on."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fieldmark.cli.typed import Abstain, Device, Engine, Model, UnlikeToo, flag, named

if TYPE_CHECKING:
    from socket import socket

    from fieldmark.serve.limits import Limits

LIKELY = 5  # classes that are told beside the label, where a model has as many


Host = Annotated[str, named("ADDRESS", "0.0.0.0 lets other machines in.")]
Port = Annotated[int, named("N", "0 for any that is free.", min=0, max=65535)]
TokenFile = Annotated[
    Path | None, named("FILE", "A token that requests must bring; only you may read it.")
]
Top = Annotated[int | None, named("K", "The K likeliest classes too; 5.", min=0)]
BatchSize = Annotated[int, named("N", "Images that the network sees at once.", min=1)]
WaitMs = Annotated[float, named("N", "Milliseconds that an image waits for others.", min=0)]
MaxMb = Annotated[float, named("N", "MiB of a request.", min=0.001)]
MaxMegapixels = Annotated[float, named("N", "Million pixels of an image.", min=0.001)]
MaxImages = Annotated[int, named("N", "Images of a request.", min=1)]
Queue = Annotated[int, named("N", "Images that wait; more are told to come back.", min=1)]
Seconds = Annotated[float, named("N", "Seconds that an answer may take.", min=0.1)]


def command(
    run: Model,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token_file: TokenFile = None,
    abstain: Abstain = None,
    unlike: UnlikeToo = False,
    top: Top = None,
    batch_size: BatchSize = 8,
    wait_ms: WaitMs = 5,
    max_mb: MaxMb = 32,
    max_megapixels: MaxMegapixels = 50,
    max_images: MaxImages = 64,
    queue: Queue = 256,
    seconds: Seconds = 30,
    log: Annotated[bool, flag("--log", "A line a request, on standard error.")] = False,
    device: Device = "auto",
    engine: Engine = "torch",
) -> int:
    """Answer requests: POST /predict and /predict.csv, GET /classes, /health, /ready, /metrics.

    At / is a page that pictures are dropped on, at /openapi.json what there is. Only this machine
    reaches it without --host. Ctrl-C, or SIGTERM, answers what was taken and ends.
    """
    from fieldmark.errors import refuse
    from fieldmark.serve.limits import Limits, mistakes

    limits = Limits(
        megabytes=max_mb,
        megapixels=max_megapixels,
        images=max_images,
        queue=queue,
        seconds=seconds,
        batch_size=batch_size,
        wait_ms=wait_ms,
    )
    refuse(mistakes(limits))
    asked = look_at(run, host, port, token_file, top)
    from fieldmark.serve.server import share_cores
    from fieldmark.use.predictor import Answering, Predictor

    answering = Answering(abstain=abstain, unlike=unlike)
    share_cores()
    with asked.socket:
        predictor = Predictor(
            run, answering, device=device, engine=engine, batch_size=limits.batch_size
        )
        return serve(predictor, run, limits, asked, log=log)


@dataclass(frozen=True)
class Asked:
    """Where requests come in, which token they must bring, how many likely classes are told."""

    socket: "socket"
    token: bytes | None
    top: int


def look_at(run: str, host: str, port: int, token_file: Path | None, top: int | None) -> Asked:
    """All that can be refused without torch. Raises SettingsError, RunError, WeightsError."""
    from fieldmark.serve.door import read_token
    from fieldmark.serve.server import bound, refuse_lacking
    from fieldmark.use.asked import info_of_any, refuse_top

    refuse_lacking()
    info = info_of_any(run)
    if top is not None:
        refuse_top(top, info)
    token = read_token(token_file) if token_file is not None else None
    most = min(LIKELY, len(info.classes)) if top is None else top
    return Asked(bound(host, port), token, most)


def serve(predictor: Any, run: str, limits: "Limits", asked: Asked, *, log: bool) -> int:
    """Answer requests until a signal comes. -> the exit code"""
    from fieldmark.serve import drop_page
    from fieldmark.serve.desk import Desk
    from fieldmark.serve.server import address_of, is_open, running, warmed
    from fieldmark.stopping import listening
    from fieldmark.use.info import unended

    pace = warmed(predictor, limits)
    _note(*unended(run), *predictor.told)
    page = drop_page.render(run, predictor.info, limits)
    if asked.token is not None:
        page = drop_page.render_closed(limits)
    elif is_open(asked.socket):
        _note("other machines reach it, and nobody is asked for a token; --token-file FILE asks")
    with (
        listening("answering what was taken", limits.seconds + 5) as stop,
        running(
            Desk(predictor, limits, pace),
            asked.socket,
            page=page,
            top=asked.top,
            token=asked.token,
            log=_log if log else None,
        ) as thread,
    ):
        print(f"{run} is served at {address_of(asked.socket)} (Ctrl-C ends it)", flush=True)
        while thread.is_alive() and not stop.asked:
            thread.join(0.1)
    return 0


def _note(*lines: str) -> None:
    for line in lines:
        print(f"note: {line}", file=sys.stderr, flush=True)


def _log(line: str) -> None:
    print(f"fieldmark: {line}", file=sys.stderr, flush=True)
