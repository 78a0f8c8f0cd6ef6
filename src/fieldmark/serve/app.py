"""The addresses that are answered, by FastAPI."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fieldmark.serve import counts
from fieldmark.serve.answers import Answers, Classes, Refused, as_csv, as_plain, why_none
from fieldmark.serve.desk import Answer, Desk
from fieldmark.serve.limits import RefusalError
from fieldmark.serve.received import CAPTION, received

JSON, CSV, HTML = "application/json", "text/csv; charset=utf-8", "text/html; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
LEFT = 499  # what is counted where the client has gone, as nginx does
PLAIN = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
FORM = {
    "type": "object",
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
        CAPTION: {"type": "array", "items": {"type": "string"}},
    },
}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": FORM},
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
REFUSED = {
    400: "A form that cannot be read.",
    401: "No token, or another one.",
    408: "The pictures did not come in time.",
    413: "More bytes or pictures than are taken.",
    415: "A body of another type.",
    422: "No picture, or none that has an answer.",
    429: "More is waiting than is taken; Retry-After says when to come back.",
    503: "The server is stopping.",
    504: "The answer did not come in time.",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": words} for status, words in REFUSED.items()
}


def app_of(desk: Desk, page: str, top: int) -> FastAPI:
    """The application. page: the HTML at "/"; top: of the likeliest classes, how many are told."""
    # FastAPI's own pages of documentation load their script and style from another server
    app = FastAPI(
        title="Fieldmark",
        description="Pictures in, labels out.",
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(HTTPException, _not_there)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _unexpected)
    _predicting(app, desk, top)
    _telling(app, desk, page)
    return app


def _predicting(app: FastAPI, desk: Desk, top: int) -> None:
    """POST /predict and /predict.csv."""
    options: dict[str, Any] = {"openapi_extra": BODY, "responses": RESPONSES}

    @app.post("/predict", response_model=Answers, summary="Label pictures.", **options)
    async def predict(request: Request) -> Response:
        found = await _answers(request, desk)
        value: dict[str, Any] = {"answers": [as_plain(each, desk.predictor, top) for each in found]}
        if why := why_none(found):
            return _json({"error": why, **value}, 422)
        return _json(value)

    @app.post("/predict.csv", summary="Label pictures; the answer is a table.", **options)
    async def predict_csv(request: Request) -> Response:
        found = await _answers(request, desk)
        table = as_csv(found, desk.predictor, top)
        return _response(table, CSV, 422 if why_none(found) else 200)


def _telling(app: FastAPI, desk: Desk, page: str) -> None:
    """What is told of the model and of the server."""

    @app.get("/", include_in_schema=False)
    async def drop() -> Response:
        return _response(page, HTML)

    @app.get("/classes", response_model=Classes, summary="What the model can tell apart.")
    async def classes() -> Response:
        info = desk.predictor.info
        fields = {name: getattr(info, name) for name in Classes.model_fields}
        return _json(fields)

    @app.get("/health", summary="Whether the server is there.")
    async def health() -> Response:
        return _json({"status": "ok"})

    @app.get("/ready", summary="Whether pictures are taken.", responses={503: RESPONSES[503]})
    async def ready() -> Response:
        why = desk.why_not
        return _json({"error": why}, 503) if why else _json({"status": "ready"})

    @app.get("/metrics", summary="What went by, as Prometheus reads it.")
    async def metrics() -> Response:
        return _response(counts.text([*counts.metrics(desk.counts), *_now(desk)]), PROMETHEUS)


def _now(desk: Desk) -> list[counts.Metric]:
    """The metrics of this moment, and what validation had."""
    found = [
        counts.one("fieldmark_queue_images", "gauge", "Images not answered yet.", desk.images),
        counts.one("fieldmark_hung_decoders", "gauge", "Threads that hang.", desk.hung),
        counts.one("fieldmark_ready", "gauge", "Whether pictures are taken.", not desk.why_not),
    ]
    check = desk.predictor.check
    if check is not None:
        name, share = "fieldmark_unlike_share_in_validation", check.chosen.flagged
        what = "Unlike the training ones, of the run's validation images."
        found.append(counts.one(name, "gauge", what, share / check.chosen.images))
    return found


async def _answers(request: Request, desk: Desk) -> list[Answer]:
    """The answers of the pictures of a request. Raises RefusalError, ClientDisconnect."""
    until = asyncio.get_running_loop().time() + desk.limits.seconds
    with desk.taking() as taken:
        try:
            async with asyncio.timeout_at(until):
                pictures = await received(
                    request,
                    desk.limits,
                    taken.bytes,
                    captions=bool(desk.predictor.info.spec.words),
                )
        except TimeoutError:
            sentence = f"the pictures did not come within {desk.limits.seconds:g} s; send fewer"
            raise RefusalError(408, sentence, {"Connection": "close"}) from None
        taken.pictures(len(pictures))
        answers = desk.begun(pictures)
        del pictures
        return await _waited(desk, answers, request.receive, until)


async def _waited(
    desk: Desk,
    answers: "Sequence[asyncio.Future[Answer]]",
    receive: Callable[[], Awaitable[Any]],
    until: float,
) -> list[Answer]:
    """All answers; where the time is up, or the client gone, those that lack are not computed."""
    loop = asyncio.get_running_loop()
    gone, whole = loop.create_task(_gone(receive)), asyncio.gather(*answers)
    try:
        both: set[asyncio.Future[Any]] = {gone, whole}
        left = until - loop.time()
        await asyncio.wait(both, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if whole.done():
            found = whole.result()
            desk.counts.answered(found)
            return found
        if gone.done():
            raise ClientDisconnect
        desk.replace_hung()
        raise RefusalError(
            504, f"the answer did not come within {desk.limits.seconds:g} s; send fewer"
        )
    finally:
        gone.cancel()
        whole.cancel()  # and with it the answers that lack
        whole.add_done_callback(_looked_at)


def _looked_at(whole: "asyncio.Future[Any]") -> None:
    """Of what nobody waits for any more, asyncio would say on the screen that it was lost."""
    if not whole.cancelled():
        whole.exception()


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    """Comes back when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)
    return _json({"error": error.sentence}, error.status, error.headers)


def _not_there(request: Request, error: Exception) -> Response:
    """Also a way of asking that the address does not know."""
    assert isinstance(error, HTTPException)
    what = HTTPStatus(error.status_code).phrase.lower()
    sentence = f"{request.method} {request.url.path}: {what}; /openapi.json lists what there is"
    return _json({"error": sentence}, error.status_code, error.headers)


def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=LEFT)


def _unexpected(request: Request, error: Exception) -> Response:
    what = f"{type(error).__name__}: {error}".partition("\n")[0]
    return _json({"error": f"unexpected: {what}; the server's own screen says more"}, 500)


def _json(value: Any, status: int = 200, headers: Any = None) -> Response:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _response(f"{text}\n", JSON, status, headers)


def _response(text: str, kind: str, status: int = 200, headers: Any = None) -> Response:
    content = text.encode("utf-8", "backslashreplace")
    return Response(content, status, {**PLAIN, **(headers or {})}, media_type=kind)
