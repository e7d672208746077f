"""Why train/backbones/layers.py trains some depthwise layers in float32: their backward pass on this CPU.

    python -m benchmarks.depthwise [--save benchmarks/records/depthwise.json]

Times are the thread's own CPU milliseconds on one thread, the least of several runs; needs torch.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks.record import origin, save
from measure import machine

BATCH, RUNS = 32, 5
# channels, side, kernel, stride: EfficientNet's depthwise layers for a 96-pixel face.
LAYERS = (
    (32, 48, 3, 1),
    (96, 48, 3, 2),
    (144, 24, 3, 1),
    (144, 24, 5, 2),
    (240, 12, 5, 1),
    (240, 12, 3, 2),
    (480, 6, 3, 1),
    (672, 6, 5, 1),
    (672, 6, 5, 2),
    (1152, 3, 5, 1),
)


def backward_ms(channels: int, side: int, kernel: int, stride: int, dtype: torch.dtype) -> float:
    """CPU milliseconds of one layer's backward pass over ``BATCH`` maps, channels last."""
    x = torch.randn(BATCH, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last)
    w = torch.randn(channels, 1, kernel, kernel, dtype=dtype, requires_grad=True)
    x.requires_grad_()
    times = []
    for _ in range(RUNS):
        y = F.conv2d(x, w, None, stride, kernel // 2, 1, channels)
        upstream = torch.ones_like(y)
        began = time.thread_time()
        torch.autograd.grad(y, (x, w), upstream)
        times.append(time.thread_time() - began)
    return min(times) * 1000


def measure() -> list[dict[str, float | str]]:
    """One row a layer: its shape, both times, and bfloat16's over float32's."""
    rows: list[dict[str, float | str]] = []
    for channels, side, kernel, stride in LAYERS:
        slow, fast = (
            backward_ms(channels, side, kernel, stride, kind) for kind in (torch.bfloat16, torch.float32)
        )
        layer = f"{channels} x {side} x {side}, {kernel} x {kernel}, stride {stride}"
        rows.append({"layer": layer, "bfloat16_ms": slow, "float32_ms": fast, "ratio": slow / fast})
    return rows


def main() -> None:
    """Print the table; with --save write it as a record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--save", type=Path, help="write the record to this JSON file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure()
    print(f"{'layer':<36}{'bfloat16 ms':>12}{'float32 ms':>12}{'ratio':>8}")
    for row in rows:
        print(f"{row['layer']:<36}{row['bfloat16_ms']:>12.1f}{row['float32_ms']:>12.1f}{row['ratio']:>8.1f}")
    record = {
        "schema": 1,
        "kind": "ferlite depthwise",
        **origin("benchmarks.depthwise"),
        "machine": asdict(machine.here()),
        "torch": torch.__version__,
        "rows": rows,
    }
    save(record, args.save)


if __name__ == "__main__":
    main()
