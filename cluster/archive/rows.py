"""Readings as rows of Parquet: the JSON lines' fields under the same names, and back again without a loss."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from edge.errors import DataInvalid, FerliteError, StorageFailed
from edge.files import reason, whole
from edge.results import FrameReadings
from edge.sinks.json_lines import as_json
from edge.source import Frame

GROUP = 512  # frames that are held before they are written
ODD_NAMES = b"ferlite.odd_names"


def schema(labels: Sequence[str]) -> pa.Schema:
    """A row a frame (docs/json-lines.md); ``weights`` has a column for each of the bundle's labels."""
    face = pa.struct(
        [
            ("box", pa.list_(pa.float64(), 4)),
            ("score", pa.float64()),
            ("landmarks", pa.list_(pa.list_(pa.float64(), 2), 5)),
            ("track", pa.int64()),
            ("label", pa.string()),
            ("expression", pa.string()),
            ("weights", pa.struct([(label, pa.float64()) for label in labels])),
            ("doubts", pa.list_(pa.string())),
        ]
    )
    return pa.schema(
        [
            ("schema", pa.int32()),
            ("source", pa.string()),
            ("frame", pa.int64()),
            ("time", pa.float64()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("latency_ms", pa.float64()),
            ("faces", pa.list_(face)),
        ]
    )


class ParquetSink:
    """Takes frames and writes them to ``path``, for whoever moves the file to its place when it is whole.

    A name that is not UTF-8 has its odd bytes as escapes; what it really is stands in the file's metadata.
    """

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        self.name, self._path = f"'{path}'", path
        self._schema = schema(labels)
        self._rows: list[dict[str, Any]] = []
        self._odd: dict[str, str] = {}
        self._writer: pq.ParquetWriter | None = None
        self.frames = 0

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One row. Raises StorageFailed."""
        row = as_json(result)
        row["source"] = self._as_text(row["source"])
        self._rows.append(row)
        self.frames += 1
        if len(self._rows) == GROUP:
            self._flush()

    def close(self) -> None:
        """Finish the file; a second call does nothing. Raises StorageFailed."""
        if self._rows:
            self._flush()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with _said_of(self._path):
                if self._odd:
                    writer.add_key_value_metadata({ODD_NAMES: json.dumps(self._odd).encode()})
                writer.close()

    def _flush(self) -> None:
        table = pa.Table.from_pylist(self._rows, self._schema)
        self._rows = []
        with _said_of(self._path):
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
            self._writer.write_table(table)

    def _as_text(self, name: str) -> str:
        if name.isascii():
            return name
        text = os.fsencode(name).decode("utf-8", "backslashreplace")
        if text != name:
            self._odd[text] = name
        return text


class _said_of:  # noqa: N801 - reads as what it does
    """Arrow's trouble with a file as ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, pa.ArrowException)):
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise StorageFailed(f"cannot write '{self._path}': {why.splitlines()[0]}") from error


def lines(part: Path) -> Iterator[dict[str, Any]]:
    """The frames of a part, each as the JSON lines have it. Raises DataInvalid."""
    with _read_of(part), pq.ParquetFile(part) as file:
        odd = _odd_names(file)
        for batch in file.iter_batches(GROUP):
            for row in batch.to_pylist():
                yield {**row, "source": odd.get(row["source"], row["source"])}


def keep(part: Path, target: Path, names: Collection[str]) -> None:
    """Write to ``target``, whole or not at all, those rows of a part that are of the files ``names``.

    Raises DataInvalid and StorageFailed.
    """
    with whole(target, keep_suffix=True) as place, _read_of(part), pq.ParquetFile(part) as file:
        odd = _odd_names(file)
        with _said_of(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(place, file.schema_arrow.remove_metadata(), compression="zstd")
        try:
            for batch in file.iter_batches(GROUP):
                kept = [odd.get(name, name) in names for name in batch.column("source").to_pylist()]
                with _said_of(target):
                    writer.write_table(pa.Table.from_batches([batch]).filter(pa.array(kept, pa.bool_())))
            there = {text: name for text, name in odd.items() if name in names}
            if there:
                writer.add_key_value_metadata({ODD_NAMES: json.dumps(there).encode()})
        finally:
            with _said_of(target):
                writer.close()


def _odd_names(file: pq.ParquetFile) -> dict[str, str]:
    metadata = file.metadata.metadata or file.schema_arrow.metadata or {}
    return dict(json.loads(metadata.get(ODD_NAMES, b"{}")))


@contextlib.contextmanager
def _read_of(part: Path) -> Iterator[None]:
    """Trouble with reading a part as ours."""
    try:
        yield
    except FerliteError:
        raise  # some of ours are OSErrors too, and say what failed
    except OSError as error:
        raise DataInvalid(f"cannot read '{part}': {reason(error)}") from error
    except (pa.ArrowException, ValueError) as error:
        raise DataInvalid(
            f"'{part}' is no Parquet file of ferlite, or it is damaged: without it, its files are read again"
        ) from error
