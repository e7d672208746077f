"""What reads files that others made, each with real files to begin from.

A reader is called with the bytes of a file. It returns, or raises a FerliteError; everything else is a fault.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.hostile.mutate import json_mutant, mutant
from edge import bundle as bundles
from edge import engine as engines
from edge import priors, settings
from edge.bundle_files.onnx_file import refuse_external_data, set_input_shape
from edge.bundle_files.tflite_file import refuse_damage
from edge.engine import EngineOptions, ModelFile
from edge.source import open_source
from edge.sources.decode import decode_image

DATA = Path(__file__).parent.parent.parent / "tests" / "data"
FRAMES = 3  # of a video are decoded: its header is what is looked at


@dataclass(frozen=True)
class Reader:
    """``read`` takes a mutant of the ``seeds``; ``scratch`` is a folder in memory."""

    seeds: Sequence[bytes]
    read: Callable[[bytes], object]
    change: Callable[..., bytes] = mutant


def images(scratch: Path) -> Reader:
    """Pictures of every format that OpenCV writes."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    deep = noise.astype(np.uint16) * 257
    seeds = [
        bytes(cv2.imencode(suffix, picture)[1])
        for suffix, picture in [
            (".jpg", noise),
            (".png", noise),
            (".png", deep),
            (".bmp", noise),
            (".webp", noise),
            (".tif", noise),
            (".tif", deep),
            (".ppm", noise),
            (".pgm", noise[:, :, 0]),
            (".jp2", noise),
        ]
    ]
    with suppress(cv2.error):
        seeds += [bytes(cv2.imencode(suffix, noise)[1]) for suffix in (".gif", ".avif")]
    return Reader(seeds, lambda content: decode_image(content, "mutant"))


def videos(scratch: Path) -> Reader:
    """Short videos in every container that OpenCV writes."""
    seeds = []
    for suffix, codec in ((".mp4", "mp4v"), (".avi", "MJPG"), (".mkv", "FFV1"), (".avi", "FFV1")):
        path = scratch / f"seed{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, (48, 32))
        for level in range(0, 240, 40):
            writer.write(np.full((32, 48, 3), level, np.uint8))
        writer.release()
        seeds.append(path.read_bytes())

    def read(content: bytes) -> object:
        path = scratch / "mutant.bin"
        path.write_bytes(content)
        with closing(open_source(str(path))) as source:
            return [type(frame) for frame in islice(source.frames(), FRAMES)]

    return Reader(seeds, read)


def bundle_files(scratch: Path) -> Reader:
    """bundle.json beside good weights: read, and every digest checked. Nothing outside may be read."""
    folder = scratch / "bundle"
    folder.mkdir()
    (scratch / "secret").write_text("outside")
    for name in ("tiny.onnx", "tiny.tflite", "tiny.xml", "tiny.bin"):
        shutil.copyfile(DATA / name, folder / name)
    (folder / "link").symlink_to(scratch / "secret")
    seeds = [
        json.dumps(_with_tiny_weights(json.loads((path / "bundle.json").read_bytes()))).encode()
        for path in sorted(bundles.SHIPPED.iterdir())
        if path.is_dir()
    ]
    outside = {**json.loads(seeds[0]), "files": {"onnx": {"parts": {"link": "0" * 64}, "precision": "fp32"}}}

    def read(content: bytes) -> object:
        (folder / "bundle.json").write_bytes(content)
        loaded = bundles.load(folder)
        loaded.verify()
        return loaded

    return Reader([*seeds, json.dumps(outside).encode()], read, json_mutant)


def _with_tiny_weights(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest of a bundle that ships, with the tests' tiny models in the place of its own."""
    parts = {"onnx": ("tiny.onnx",), "tflite": ("tiny.tflite",), "openvino": ("tiny.xml", "tiny.bin")}
    for engine, entry in manifest["files"].items():
        digests = {name: hashlib.sha256((DATA / name).read_bytes()).hexdigest() for name in parts[engine]}
        entry["parts"] = digests
    return manifest


def zips(scratch: Path) -> Reader:
    """A whole bundle as a .zip."""
    folder = scratch / "zipped"
    folder.mkdir()
    made = _with_tiny_weights(json.loads((bundles.SHIPPED / bundles.DEFAULT / "bundle.json").read_bytes()))
    made["files"] = {"onnx": made["files"]["onnx"]}
    (folder / "bundle.json").write_text(json.dumps(made))
    shutil.copyfile(DATA / "tiny.onnx", folder / "tiny.onnx")
    seeds = [Path(shutil.make_archive(str(scratch / "seed"), "zip", folder)).read_bytes()]

    def read(content: bytes) -> object:
        path = scratch / "mutant.zip"
        path.write_bytes(content)
        loaded = bundles.load(path)
        loaded.verify()
        return loaded

    return Reader(seeds, read)


def onnx_models(scratch: Path) -> Reader:
    """ONNX files as our own code looks at them before a library does."""
    seeds = [(DATA / name).read_bytes() for name in ("tiny.onnx", "tiny_yunet.onnx")]

    def read(content: bytes) -> object:
        refuse_external_data(content, "mutant")
        return set_input_shape(content, (1, 3, 64, 64), "mutant")

    return Reader(seeds, read)


def tflite_models(scratch: Path) -> Reader:
    """TFLite files as our own code looks at them before a library does."""
    return Reader([(DATA / "tiny.tflite").read_bytes()], lambda content: refuse_damage(content, "mutant"))


def onnx_engine(scratch: Path) -> Reader:
    """ONNX files whose digest is right, all the way into ONNX Runtime."""
    return _engine("onnx", ".onnx", ("tiny.onnx", "tiny_yunet.onnx"))


def tflite_engine(scratch: Path) -> Reader:
    """TFLite files whose digest is right, all the way into LiteRT."""
    return _engine("tflite", ".tflite", ("tiny.tflite",))


def _engine(name: str, suffix: str, files: tuple[str, ...]) -> Reader:
    engines.engine_class(name).version()  # not installed: say so before the first mutant

    def read(content: bytes) -> object:
        with closing(
            engines.load(name, ModelFile("mutant", {suffix: content}), EngineOptions(threads=1))
        ) as made:
            return made.inputs

    return Reader([(DATA / file).read_bytes() for file in files], read)


def edge_json(scratch: Path) -> Reader:
    """A deployed board's settings."""
    table = {
        "schema": 1,
        "source": "0",
        "bundle": "mobilenetv2",
        "engine": "onnx",
        "engine_order": ["onnx"],
        "engine_settings": {"a": 1},
        "threads": 2,
        "smooth": 0.4,
        "detector": "haar",
        "detect_size": 320,
        "detect_every": 3,
        "sink": ["jsonl:-", "csv:x.csv"],
    }

    def read(content: bytes) -> object:
        path = scratch / "edge.json"
        path.write_bytes(content)
        return settings.from_file(path)

    return Reader([json.dumps(table).encode()], read, json_mutant)


def prior_files(scratch: Path) -> Reader:
    """How common expressions are, from a file."""
    labels = bundles.load().labels
    shares: dict[str, Any] = {label: 1 / len(labels) for label in labels}

    def read(content: bytes) -> object:
        path = scratch / "prior.json"
        path.write_bytes(content)
        return priors.shares(priors.read(path), labels)

    return Reader([json.dumps(shares).encode()], read, json_mutant)


def signatures(scratch: Path) -> Reader:
    """bundle.sig beside a bundle.json that it does not fit."""
    from edge.bundle_files import signature

    table = {
        "schema": 1,
        "name": "tiny",
        "version": 3,
        "expires": "2999-01-01",
        "bundle_sha256": "0" * 64,
        "key": "0" * 64,
        "signature": "0" * 128,
    }

    return Reader([signature.Signed(**table).content()], signature.parse, json_mutant)


def profiles(scratch: Path) -> Reader:
    """A person's profile."""
    from edge import profile

    bundle = bundles.load()
    still = dict.fromkeys(bundle.labels, 0.0)
    path = scratch / "profile.json"
    profile.write(path, profile.Profile(profile.identity(bundle), still, still, 30))
    seed = path.read_bytes()

    def read(content: bytes) -> object:
        path.write_bytes(content)
        return profile.read(path, bundle)

    return Reader([seed], read, json_mutant)


def sounds(scratch: Path) -> Reader:
    """WAV files to be heard beside a video, and two windows of them."""
    import wave

    from edge.voice.mel import RATE
    from edge.voice.sound import WavSound

    noise, seeds = np.random.default_rng(0).integers(-9000, 9000, 2 * RATE, np.int16), []
    for channels in (1, 2):
        path = scratch / f"seed{channels}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((channels, 2, RATE, 0, "NONE", ""))
            file.writeframes(noise.tobytes())
        seeds.append(path.read_bytes())

    def read(content: bytes) -> object:
        path = scratch / "mutant.wav"
        path.write_bytes(content)
        with closing(WavSound(path)) as sound:
            return [sound.last(now) for now in (1.0, 1.5)]

    return Reader(seeds, read)


READERS: dict[str, Callable[[Path], Reader]] = {
    "image": images,
    "video": videos,
    "bundle.json": bundle_files,
    "bundle.zip": zips,
    "onnx file": onnx_models,
    "tflite file": tflite_models,
    "onnx engine": onnx_engine,
    "tflite engine": tflite_engine,
    "edge.json": edge_json,
    "prior.json": prior_files,
    "bundle.sig": signatures,
    "profile.json": profiles,
    "voice.wav": sounds,
}
