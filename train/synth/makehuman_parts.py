"""What MakeHuman's head lacks for close pictures: finer eyes, teeth, and to know its mouth's inside from its
skin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from train.synth.mesh import Indices, Points

# Vertices that are first seen when the jaw opens lie in these ranges.
CAVITY = ((529, 710), (1645, 1659), (3007, 3167), (4055, 4069))


class Refined:
    """Triangles each cut into four, ``times`` over: an eye of 72 points has no round iris.

    ``parents`` int32 [P, 2]: the two vertices that each new one lies between; ``triangles`` int32 [T, 3].
    """

    def __init__(self, triangles: Indices, first: int, times: int) -> None:
        self._first = first
        pairs: list[tuple[int, int]] = []
        for _ in range(times):
            known: dict[tuple[int, int], int] = {}
            cut: list[tuple[int, int, int]] = []
            for a, b, c in triangles.tolist():
                middles = []
                for pair in ((a, b), (b, c), (c, a)):
                    key = (min(pair), max(pair))
                    if key not in known:
                        known[key] = first + len(pairs)
                        pairs.append(key)
                    middles.append(known[key])
                ab, bc, ca = middles
                cut += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
            triangles = np.array(cut, np.int32)
        self.parents, self.triangles = np.array(pairs, np.int32), triangles

    def __call__(self, values: Points) -> Points:
        """The new vertices' values [P, 3] of the old ones' [V, 3]."""
        whole = np.concatenate([values, np.zeros((len(self.parents), 3), np.float32)])
        for number, (a, b) in enumerate(self.parents.tolist()):
            whole[self._first + number] = (whole[a] + whole[b]) / 2
        return whole[self._first :]


class Mouth:
    """Where the mouth's inside is, and two rows of teeth in it, which MakeHuman's head does not have.

    ``triangles`` int32 [T, 3] count from the first tooth on. ``lips`` are the vertices where the lips meet.
    """

    ACROSS, ROWS = 13, 3

    def __init__(self, mean: Points, lips: tuple[int, int], chin: int) -> None:
        self._lips, self._chin = list(lips), chin
        self._lip = mean[self._lips].mean(0)
        cells = []
        for row in range(2):
            for down in range(self.ROWS - 1):
                for x in range(self.ACROSS - 1):
                    a = (row * self.ROWS + down) * self.ACROSS + x
                    c = a + self.ACROSS
                    cells += [(a, c, a + 1), (a + 1, c, c + 1)]
        self.triangles: Indices = np.array(cells, np.int32)

    def inside(self, mean: Points) -> npt.NDArray[np.bool_]:
        """Which vertices [V] line the mouth: of CAVITY those that lie behind the lips."""
        off = mean - self._lip
        lining = np.zeros(len(mean), bool)
        for first, end in CAVITY:
            lining[first:end] = True
        return np.asarray(lining & (np.abs(off[:, 0]) < 3) & (off[:, 2] < -0.69))

    def teeth(self, shape: Points) -> Points:
        """The teeth of a head [V, 3]: two arcs behind the lips, float32 [2 ROWS ACROSS, 3]."""
        x = np.linspace(-2.1, 2.1, self.ACROSS)
        lip = shape[self._lips].mean(0)
        rows = []
        for top in (0.9, -0.3):
            for down in range(self.ROWS):
                y = np.full_like(x, top - 0.45 * down)
                rows.append(lip + np.stack([x, y, -0.95 - 0.22 * x**2 - 0.1 * abs(down - 1)], 1))
        return np.concatenate(rows).astype(np.float32)

    def moved(self, delta: Points) -> Points:
        """What a unit [V, 3] does to the teeth: the lower row follows the chin."""
        still = np.zeros((self.ROWS * self.ACROSS, 3), np.float32)
        return np.concatenate([still, np.broadcast_to(delta[self._chin], still.shape)])
