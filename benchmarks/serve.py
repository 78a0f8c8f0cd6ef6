"""`fieldmark serve` under load, against the server that people write: requests a second, p50, p99.

    uv run python benchmarks/serve.py RUN PHOTOS [--rounds 3] [--seconds 6]
        [--connections 1 8 64] [--engines torch openvino onnxruntime] [--ways def] [--many 10000]

RUN: a run's folder, of one label an image. PHOTOS: a folder of JPEGs, which are sent one a request
as multipart/form-data, each connection the next when it has its answer. Servers are processes of
their own, on the cores that this client is on too. In a round each server is asked for `--seconds`
at each number of connections, in turns, so that the machine's moods meet all of them, and ratios
are taken within a round.

The naive server is FastAPI and torch in float32, one image a request, decoded by Pillow and
transformed by torchvision as in its documentation: with `def`, for which FastAPI takes a thread of
40 each, or with `async def` (--ways async), which answers one after the other.

--many: as many requests at 64 connections afterwards, with the first engine, of which every tenth
is broken (half a JPEG, text, an empty file, a PNG that claims 900 million pixels), with the
server's memory on the way.
"""

import argparse
import asyncio
import os
import re
import statistics
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from fieldmark.machine import processor, versions

LINE = "----line"
WARM = 64  # requests before anything is counted
PACKAGES = ("torch", "openvino", "onnxruntime", "fastapi", "uvicorn", "pillow")


def naive(run, way):
    """The server that people write, with the network of a run. way: "async" or "def"."""
    import io

    import torch
    import uvicorn
    from fastapi import FastAPI, UploadFile
    from PIL import Image
    from torchvision import transforms

    from fieldmark.models import bundle

    classifier, info = bundle.load(Path(run))
    network = classifier.eval()
    prepare = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.PILToTensor()]
    )
    app = FastAPI()

    def answer(content):
        image = prepare(Image.open(io.BytesIO(content)).convert("RGB"))
        with torch.inference_mode():
            scores = network(image[None])[0].softmax(0)
        place = int(scores.argmax())
        return {"label": info.classes[place], "score": float(scores[place])}

    if way == "async":

        @app.post("/predict")
        async def predict(files: UploadFile):
            return answer(await files.read())

    else:

        @app.post("/predict")
        def predict(files: UploadFile):
            return answer(files.file.read())

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    place = server.config.bind_socket()
    place.listen()
    print(f"http://127.0.0.1:{place.getsockname()[1]}", flush=True)
    server.run([place])


@contextmanager
def started(command):
    """A server's process. -> it and its port"""
    # in a session of its own, for Linux gives each an equal share of a busy machine, however many
    # threads it has (autogroup); else forty threads have forty shares
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                yield process, int(found[1])
                return
        sys.exit(f"{command} did not start")
    finally:
        process.terminate()
        process.wait()


def form(name, content):
    """A whole request."""
    head = f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = f"--{LINE}\r\n{head}".encode() + content + f"\r\n--{LINE}--\r\n".encode()
    lines = (
        "POST /predict HTTP/1.1",
        "Host: localhost",
        f"Content-Type: multipart/form-data; boundary={LINE}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


async def asked(line, request):
    """-> the status of the answer, which is read whole"""
    reader, writer = line
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def load(port, requests, connections, *, seconds=None, number=None, watch=None):
    """Ask over and over. -> statuses, seconds of each answer, seconds in all"""
    statuses, times, begun, numbers = Counter(), [], time.monotonic(), count()

    async def one():
        line = await asyncio.open_connection("127.0.0.1", port)
        while (
            time.monotonic() - begun < seconds
            if number is None
            else (place := next(numbers)) < number
        ):
            place = next(numbers) if number is None else place
            sent = time.monotonic()
            statuses[await asked(line, requests[place % len(requests)])] += 1
            times.append(time.monotonic() - sent)
            if watch is not None:
                watch(len(times))
        line[1].close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return statuses, times, time.monotonic() - begun


def processor_seconds(process):
    """That a process has used so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process):
    """MiB that a process has in memory."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def bomb():
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    about = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", about) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def with_broken(photos):
    """Requests of which every tenth is of a broken file."""
    broken = [photos[0][: len(photos[0]) // 2], b"no picture", b"", bomb()]
    contents = []
    for place, photo in enumerate(photos):
        contents.append(broken[place // 10 % len(broken)] if place % 10 == 9 else photo)
    return [form(f"{place}.jpg", each) for place, each in enumerate(contents)]


def compare(servers, requests, args):
    """In turns. -> {(server, connections): [(requests a second, p50, p99, processor s), ...]}"""
    found = {}
    for name, (_, port) in servers.items():
        statuses, *_ = asyncio.run(load(port, requests, 8, number=WARM))
        assert set(statuses) == {200}, (name, statuses)
    for _ in range(args.rounds):
        for connections in args.connections:
            for name, (process, port) in servers.items():
                used = processor_seconds(process)
                statuses, times, whole = asyncio.run(
                    load(port, requests, connections, seconds=args.seconds)
                )
                used = (processor_seconds(process) - used) / len(times)
                assert set(statuses) == {200}, (name, statuses)
                rank = sorted(times)
                p50, p99 = (rank[int(share * (len(rank) - 1))] for share in (0.5, 0.99))
                figures = len(times) / whole, p50, p99, used
                found.setdefault((name, connections), []).append(figures)
                print(name, connections, *found[name, connections][-1], file=sys.stderr, flush=True)
    return found


def tell(found, names, args):
    """A row a server and number of connections: medians, and the ratio to the better naive one."""
    heads = "connections", "server", "requests/s", "times the better naive", "p50, ms", "p99, ms"
    print(f"| {' | '.join(heads)} | processor ms a request |")
    print("|---|---|---|---|---|---|---|")
    for connections in args.connections:
        plain = [
            max(found[name, connections][each][0] for name in names if name.startswith("naive"))
            for each in range(args.rounds)
        ]
        for name in names:
            rounds = found[name, connections]
            rate, *times = (statistics.median(each) for each in zip(*rounds, strict=True))
            ratios = [each[0] / other for each, other in zip(rounds, plain, strict=True)]
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            cells = " | ".join(f"{1000 * each:.0f}" for each in times)
            print(f"| {connections} | {name} | {rate:.0f} | {ratio} | {cells} |")


def endure(name, server, photos, number):
    """Many requests with broken ones among them: statuses, and memory on the way."""
    process, port = server
    levels = []

    def watch(done):
        if done % (number // 10) == 0:
            levels.append(memory(process))
            print(name, done, f"{levels[-1]:.0f} MiB", file=sys.stderr, flush=True)

    requests = with_broken(photos)
    statuses, _, whole = asyncio.run(load(port, requests, 64, number=number, watch=watch))
    told = ", ".join(f"{value} of {status}" for status, value in sorted(statuses.items()))
    steps = ", ".join(f"{each:.0f}" for each in levels)
    print(f"\n{name}: {number} requests in {whole:.0f} s: {told}; MiB on the way: {steps}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--naive", choices=("async", "def"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--connections", type=int, nargs="+", default=(1, 8, 64))
    parser.add_argument("--engines", nargs="+", default=("torch", "openvino", "onnxruntime"))
    parser.add_argument("--ways", nargs="+", default=("def",), choices=("async", "def"))
    parser.add_argument("--many", type=int, default=10_000)
    args = parser.parse_args()
    if args.naive:
        naive(args.run, args.naive)
        return
    photos = [each.read_bytes() for each in sorted(args.photos.rglob("*.jpg"))]
    requests = [form(f"{place}.jpg", each) for place, each in enumerate(photos)]
    python, ours = sys.executable, ["-m", "fieldmark", "serve", args.run, "--port", "0"]
    print(f"{processor()}, {os.cpu_count()} cores; {versions(PACKAGES)}; load {os.getloadavg()}")
    size = sum(map(len, photos)) / len(photos) / 1024
    print(f"{len(photos)} photos of {size:.0f} KiB on average")
    commands = {
        **{f"naive, {each}": [python, __file__, args.run, "--naive", each] for each in args.ways},
        **{f"fieldmark, {each}": [python, *ours, "--engine", each] for each in args.engines},
    }
    from contextlib import ExitStack

    with ExitStack() as stack:
        servers = {name: stack.enter_context(started(each)) for name, each in commands.items()}
        if args.rounds:
            tell(compare(servers, requests, args), list(servers), args)
        if args.many:
            name = f"fieldmark, {args.engines[0]}"
            endure(name, servers[name], photos, args.many)


if __name__ == "__main__":
    main()
