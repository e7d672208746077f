"""A frozen trunk's maps of clips, made once in a process for all who ask: what never changes is no state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch

from edge.classify import at_size
from edge.commands.progress import Progress
from faces.clip_set import ClipSet
from train.clip_stream import view
from train.digests import digest_of_arrays
from train.recipe import Recipe

AT_ONCE = 256  # faces that the trunk sees at once
MOST = 12  # views of sets that are kept
Key = tuple[str, int, str, float, float, int]
_KEPT: OrderedDict[Key, torch.Tensor] = OrderedDict()


class ClipMaps:
    """The maps of one trunk: ``trunk`` makes [N, C, G, G] of normalised faces, ``weights`` are its own."""

    def __init__(
        self,
        recipe: Recipe,
        trunk: Callable[[torch.Tensor], torch.Tensor],
        weights: dict[str, torch.Tensor],
        device: torch.device,
    ) -> None:
        self._recipe, self._trunk, self._device = recipe, trunk, device
        self._weights = digest_of_arrays(value.cpu().numpy() for value in weights.values())
        self._digests: dict[int, tuple[ClipSet, str]] = {}

    def of(self, clips: ClipSet, number: int = 0) -> torch.Tensor:
        """Of a view of all ``clips``, float16 [N, T, C, G, G]."""
        if id(clips) not in self._digests:
            self._digests[id(clips)] = (clips, clips.sha256)
        data, size = self._recipe.data, self._recipe.model.input_size
        key = (self._digests[id(clips)][1], number, self._weights, data.mean, data.std, size)
        if key not in _KEPT:
            _KEPT[key] = self._made(clips, number)
            if len(_KEPT) > MOST:
                _KEPT.popitem(last=False)
        _KEPT.move_to_end(key)
        return _KEPT[key]

    def _made(self, clips: ClipSet, number: int) -> torch.Tensor:
        data, size, length = self._recipe.data, self._recipe.model.input_size, clips.clips.shape[1]
        few, parts = max(1, AT_ONCE // length), []
        with Progress("looking at clips", len(clips), "clips") as progress:
            for start in range(0, len(clips), few):
                seen = view(clips.clips[start : start + few], number, start)
                flat = np.stack([at_size(frame, size) for frame in seen.reshape(-1, *seen.shape[2:])])
                x = (torch.from_numpy(flat).unsqueeze(1).float() - data.mean) / data.std
                with torch.no_grad():
                    maps = self._trunk(x.to(self._device)).half().cpu()
                parts.append(maps.reshape(*seen.shape[:2], *maps.shape[1:]))
                progress.advance(len(seen))
        return torch.cat(parts)
