"""Just enough of ONNX's protobuf to look at a model before a library does.

The runtime has no onnx package. It needs two things from a file it is about to load: that every weight
lies inside the bytes whose digest was checked, and, for a detector with a fixed input, another input size.
Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edge.errors import ModelMismatch

# message -> field -> message: the parts of a model in which a tensor can stand
NESTED = {
    "Model": {7: "Graph", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
EXTERNAL_DATA, DATA_LOCATION = 13, 14
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
SHAPE = (2, 1, 2)  # ValueInfoProto.type.tensor_type.shape
DEEPEST = 64


def refuse_external_data(content: bytes, name: str) -> None:
    """Raise ModelMismatch if ``content`` is no ONNX model, or keeps weights in another file."""
    if _has_external_data(memoryview(content), "Model", name, 0):
        raise ModelMismatch(
            f"'{name}' keeps weights in another file (ONNX external data): save it as one file"
        )


def set_input_shape(content: bytes, shape: Sequence[int], name: str) -> bytes:
    """The model with its first input's dimensions set to ``shape``; shapes derived from it are dropped.

    Raises ModelMismatch if ``content`` is no ONNX model.
    """
    parts = []
    for field, wire, value in _fields(memoryview(content), name):
        if field == 7 and isinstance(value, memoryview):
            parts.append(_encode(field, wire, _reshape_graph(value, shape, name)))
        else:
            parts.append(_encode(field, wire, value))
    return b"".join(parts)


def _has_external_data(message: memoryview, kind: str, name: str, depth: int) -> bool:
    if depth > DEEPEST:
        raise ModelMismatch(f"'{name}' nests graphs over {DEEPEST} deep")
    for field, wire, value in _fields(message, name):
        if kind == "Tensor" and (field == EXTERNAL_DATA or (field == DATA_LOCATION and value == 1)):
            return True
        inner = NESTED[kind].get(field)
        if (
            inner
            and wire == LENGTH
            and isinstance(value, memoryview)
            and _has_external_data(value, inner, name, depth + 1)
        ):
            return True
    return False


def _reshape_graph(graph: memoryview, shape: Sequence[int], name: str) -> bytes:
    """A GraphProto with its first input (field 11) of ``shape``, outputs (12) of any, no value_info (13)."""
    parts, seen = [], False
    for field, wire, value in _fields(graph, name):
        if field == 13:
            continue
        if field == 11 and not seen and isinstance(value, memoryview):
            seen = True
            parts.append(_encode(field, wire, _replace(value, SHAPE, lambda old: _dimensions(shape), name)))
        elif field == 12 and isinstance(value, memoryview):
            parts.append(_encode(field, wire, _replace(value, SHAPE, lambda old: _any_size(old, name), name)))
        else:
            parts.append(_encode(field, wire, value))
    return b"".join(parts)


def _replace(
    message: memoryview, path: Sequence[int], change: Callable[[memoryview], bytes], name: str
) -> bytes:
    """``message`` with the message at ``path`` given to ``change``."""
    parts = []
    for field, wire, value in _fields(message, name):
        if field != path[0] or not isinstance(value, memoryview):
            parts.append(_encode(field, wire, value))
        elif len(path) > 1:
            parts.append(_encode(field, wire, _replace(value, path[1:], change, name)))
        else:
            parts.append(_encode(field, wire, change(value)))
    return b"".join(parts)


def _dimensions(shape: Sequence[int]) -> bytes:
    """A TensorShapeProto."""
    return b"".join(_encode(1, LENGTH, _encode(1, VARINT, size)) for size in shape)


def _any_size(shape: memoryview, name: str) -> bytes:
    """A TensorShapeProto of the same rank that promises nothing."""
    return b"".join(_encode(1, LENGTH, b"") for field, _, _ in _fields(shape, name) if field == 1)


def _fields(message: memoryview, name: str) -> Iterator[tuple[int, int, memoryview | int]]:
    """(field number, wire type, value) of each field; numbers for varints, views for the rest."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at, name)
        wire = key & 7
        if wire == VARINT:
            number, at = _varint(message, at, name)
            yield key >> 3, wire, number
            continue
        if wire == LENGTH:
            size, at = _varint(message, at, name)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise ModelMismatch(f"'{name}' is not an ONNX model")
        if at + size > end:
            raise ModelMismatch(f"'{name}' is not an ONNX model, or is cut short")
        yield key >> 3, wire, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int, name: str) -> tuple[int, int]:
    number = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise ModelMismatch(f"'{name}' is not an ONNX model, or is cut short")


def _encode(field: int, wire: int, value: memoryview | bytes | int) -> bytes:
    head = _encode_varint(field << 3 | wire)
    if isinstance(value, int):
        return head + _encode_varint(value)
    return head + (_encode_varint(len(value)) if wire == LENGTH else b"") + bytes(value)


def _encode_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
