"""How a data set's faces are framed, for the bundle of a network that learnt from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import faces
from edge import strict
from edge.bundle_files.sections import CropRule, DoubtRule
from edge.errors import DataInvalid
from edge.files import read_json

CROPS = Path(faces.__file__).parent / "crops"


@dataclass(frozen=True)
class Framing:
    """How a face of this data set is cut out, and when its reading is to be doubted."""

    crop: CropRule
    doubt: DoubtRule

    def of_size(self, side: int) -> Framing:
        """The same with crops of ``side`` pixels, 0: as it is. Raises BundleInvalid."""
        return replace(self, crop=replace(self.crop, size=side)) if side else self


def read_framing(name_or_path: str) -> Framing:
    """The sections ``crop`` and ``doubt`` of a .json file, or of the built-in one for a data set.

    Raises DataInvalid.
    """
    path = Path(name_or_path) if name_or_path.endswith(".json") else CROPS / f"{name_or_path}.json"
    try:
        table = read_json(path)
        crop, doubt = table["crop"], table["doubt"]
    except (KeyError, TypeError) as error:
        raise DataInvalid(f"crop rule '{path}' needs the sections crop and doubt of bundle.json") from error
    return strict.fill(Framing, {"crop": crop, "doubt": doubt}, f"crop rule '{path}'", DataInvalid)
