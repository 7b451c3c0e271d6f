"""Training on several ranks: speed beside one process and beside PyTorch, and equal bits.

    python -m benchmarks.ranks --nets cifar resnet --ranks 2
    python -m benchmarks.ranks --digests --ranks 1 2 4
    python -m benchmarks.ranks --nets cifar --ranks 2 4 --links 1 10

Speed: N ranks of one thread each, one process of N threads, and PyTorch's DistributedDataParallel
(gloo) with N processes of one thread take turns, each in new processes; a time is the median over
the rounds of the time of a step, itself the median of the epochs after the first one. "hidden" is
the share of the exchange that no rank had to wait for. The batch is that of all ranks together.

Links: the time of a step with a link that is throttled to so many Gbit/s, beside the prediction of
`fastconv.explain(model, ranks=..., network=...)`, for which every rank measures its step while the
others do.

Digests: checksums of the weights after three epochs, with dropout and augmentation.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.model_nets import AnyNet, ModelNet
from benchmarks.nets import NETS
from benchmarks.throttled import Throttled

if TYPE_CHECKING:
    from fastconv.models import Model

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
EPOCHS = 4  # of a measurement


def resnet() -> Model:
    from fastconv import zoo

    return zoo.resnet18((32, 32, 3), 10)


MODELS: dict[str, AnyNet] = {
    "mnist": NETS["mnist"],
    "cifar": NETS["cifar"],
    "resnet": ModelNet("resnet", "ResNet-18 (CIFAR)", resnet, (64,), 64, (32, 32, 3), 10),
}


def network(net: AnyNet, augmented: bool = False) -> Model:
    """The network, compiled; `augmented` adds dropout and random shifts and flips."""
    from fastconv import layers, models, optimizers, utils, zoo

    utils.set_random_seed(1)
    makes: dict[str, Callable[[], Model]] = {"mnist": zoo.mnist_cnn, "cifar": zoo.cifar_cnn}
    model = makes.get(net.name, resnet)()
    if augmented:
        image = layers.Input(net.input_shape)
        x = layers.RandomFlip("horizontal")(layers.RandomTranslation(0.1, 0.1)(image))
        model = models.Model(image, layers.Dropout(0.1)(model(x)))
    model.compile(optimizers.RMSprop(), "sparse_categorical_crossentropy")
    return model


# ---------------------------------------------------------------------------------------- one side


def run_fastconv(net: AnyNet, options: argparse.Namespace) -> dict[str, Any]:
    from fastconv import callbacks, inspect, runtime
    from fastconv.distribution import DataParallel

    runtime.set_num_threads(options.threads)
    model, (x, y) = network(net), net.batch(options.batch * options.steps)
    parallel = None
    if options.job == "ranks":
        ranks, communicator = DataParallel().ranks.size, None
        if options.links:
            from mpi4py import MPI

            link = inspect.Link(options.links[0])
            communicator = Throttled(MPI.COMM_WORLD, link)
        parallel = DataParallel(
            chunks=options.chunks or ranks,
            communicator=communicator,
            gradient_dtype=options.gradients,
            overlap=bool(options.links) or options.overlap or None,
        )
        assert parallel.ranks.size > 1
    predicted = 0.0
    if options.links:
        runtime.set_num_threads(options.threads)
        size = options.batch // ranks
        scaling = inspect.explain(model, size, ranks=ranks, network=link).scaling
        predicted = scaling.seconds(ranks, link) if scaling else 0.0
    seconds: list[float] = []
    begin = [0.0]

    def start(*_: Any) -> None:
        begin[0] = time.perf_counter()

    def stop(*_: Any) -> None:
        seconds.append((time.perf_counter() - begin[0]) / options.steps)

    hook = callbacks.LambdaCallback(on_epoch_begin=start, on_epoch_end=stop)
    model.fit(x, y, options.batch, EPOCHS, 0, hook, shuffle=False, distribute=parallel)
    helper = parallel and parallel.helper
    hidden = (
        1 - helper.waited_seconds / helper.busy_seconds if helper and helper.busy_seconds else 0
    )
    return {
        "seconds": statistics.median(seconds[1:]),
        "hidden": hidden,
        "predicted": predicted,
        "rank": parallel.ranks.rank if parallel else 0,
    }


def run_torch(net: AnyNet, options: argparse.Namespace) -> dict[str, Any]:
    import torch
    from torch import distributed, nn

    from benchmarks.peers import torch_peer

    torch.set_num_threads(options.threads)
    distributed.init_process_group("gloo")
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    module = nn.parallel.DistributedDataParallel(torch_peer.model(net, net.weights()).train())
    rmsprop = torch_peer.optimizer(module)
    x, y = net.batch(options.batch // ranks, seed=2 + rank)
    images, target = torch_peer.images(x), torch.from_numpy(y)
    seconds = []
    for _ in range(EPOCHS):
        begin = time.perf_counter()
        for _ in range(options.steps):
            rmsprop.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(module(images), target).backward()
            rmsprop.step()
        seconds.append((time.perf_counter() - begin) / options.steps)
    distributed.destroy_process_group()
    return {"seconds": statistics.median(seconds[1:]), "hidden": 0, "rank": rank}


def run_digest(net: AnyNet, options: argparse.Namespace) -> dict[str, Any]:
    from fastconv.distribution import DataParallel

    model, (x, y) = network(net, augmented=True), net.batch(3 * options.batch // 2)
    parallel = DataParallel(chunks=options.chunks or 8)
    model.fit(x, y, options.batch, 3, 0, distribute=parallel)
    digest = zlib.crc32(b"".join(weight.tobytes() for weight in model.get_weights()))
    return {"digest": f"{digest:08x}", "rank": parallel.ranks.rank}


# ------------------------------------------------------------------------------------------- jobs


def start(
    job: str, name: str, ranks: int, options: argparse.Namespace, link: float = 0
) -> dict[str, Any]:
    """Run the processes of a side; return what rank 0 has printed."""
    python = options.peers if job == "torch" else options.python
    threads = options.ranks[0] if job == "process" else 1
    command = [str(python), "-m", "benchmarks.ranks", "--job", job, "--nets", name]
    command += ["--threads", str(threads), "--batch", str(options.batch)]
    command += ["--steps", str(options.steps)]
    command += ["--chunks", str(options.chunks), "--gradients", options.gradients]
    command += ["--overlap"] * options.overlap
    command += ["--links", str(link)] if link else []
    environments = [dict(os.environ, OMP_NUM_THREADS=str(threads))]
    if job == "torch":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks)}
        environments = [environments[0] | shared | {"RANK": str(rank)} for rank in range(ranks)]
    elif ranks:
        command = [str(options.launcher), "-n", str(ranks), *command]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=each, stdout=subprocess.PIPE, text=True)
        for each in environments
    ]
    lines = "".join(process.communicate()[0] for process in processes).splitlines()
    if any(process.returncode for process in processes):
        raise SystemExit(f"{' '.join(command)} failed")
    return json.loads(next(line for line in lines if line.startswith("{")))


def compare_speed(options: argparse.Namespace) -> None:
    ranks = options.ranks[0]
    sides = {"process": 0, "ranks": ranks} | ({"torch": ranks} if options.peers.exists() else {})
    for name in options.nets:
        times: dict[str, list[float]] = {side: [] for side in sides}
        hidden = []
        for _ in range(options.rounds):
            for side, count in sides.items():
                found = start(side, name, count, options)
                times[side].append(found["seconds"])
                if side == "ranks":
                    hidden.append(found["hidden"])
        median = {side: statistics.median(each) for side, each in times.items()}
        mine = median["ranks"]
        print(
            f"{MODELS[name].title}, batch {options.batch}: {ranks} ranks x 1 thread "
            f"{1e3 * mine:.1f} ms, 1 process x {ranks} threads {1e3 * median['process']:.1f} ms "
            f"({median['process'] / mine:.2f} of its throughput), hidden "
            f"{100 * statistics.median(hidden):.0f} %"
        )
        if "torch" in median:
            print(f"    PyTorch DDP {1e3 * median['torch']:.1f} ms ({median['torch'] / mine:.2f})")


def compare_predictions(options: argparse.Namespace) -> None:
    for name in options.nets:
        for ranks in options.ranks:
            for link in options.links:
                runs = [start("ranks", name, ranks, options, link) for _ in range(options.rounds)]
                measured, predicted, hidden = (
                    statistics.median(run[key] for run in runs)
                    for key in ("seconds", "predicted", "hidden")
                )
                print(
                    f"{MODELS[name].title}, {ranks} ranks, {link:g} Gbit/s: {1e3 * measured:.1f} "
                    f"ms, predicted {1e3 * predicted:.1f} ms ({measured / predicted:.2f}), hidden "
                    f"{100 * hidden:.0f} %"
                )


def compare_digests(options: argparse.Namespace) -> None:
    for name in options.nets:
        alone = start("digest", name, 0, options)["digest"]
        found = [start("digest", name, ranks, options)["digest"] for ranks in options.ranks]
        same = all(each == alone for each in found)
        print(f"{MODELS[name].title}: {alone}, ranks {options.ranks}: {'equal' if same else found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--nets", nargs="+", choices=MODELS, default=["mnist", "resnet"])
    parser.add_argument("--ranks", nargs="+", type=int, default=[2])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10, help="of an epoch")
    parser.add_argument("--chunks", type=int, default=0, help="0: the number of ranks, or 8")
    parser.add_argument("--gradients", default="float32")
    parser.add_argument(
        "--overlap", action="store_true", help="exchange during the computation, as with --links"
    )
    parser.add_argument("--links", nargs="+", type=float, help="bandwidths in Gbit/s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--digests", action="store_true")
    beside = Path(sys.executable).with_name("mpirun")
    parser.add_argument(
        "--launcher", default=str(beside) if beside.exists() else shutil.which("mpirun")
    )
    parser.add_argument("--python", default=sys.executable, help="of the ranks")
    parser.add_argument("--peers", type=Path, default=PEERS, help="Python with PyTorch")
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        run = {"torch": run_torch, "digest": run_digest}.get(options.job, run_fastconv)
        found = run(MODELS[options.nets[0]], options)
        if not found.pop("rank"):
            print(json.dumps(found), flush=True)
    elif options.links:
        compare_predictions(options)
    elif options.digests:
        compare_digests(options)
    else:
        compare_speed(options)


if __name__ == "__main__":
    main()
