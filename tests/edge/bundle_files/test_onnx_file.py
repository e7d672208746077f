"""The little protobuf reader, held against the onnx library."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle_files.onnx_file import refuse_external_data, set_input_shape
from edge.errors import ModelMismatch

onnx = pytest.importorskip("onnx", reason="the onnx package makes and reads the models of these tests")


def hide(model: object, where: str) -> bytes:
    """The tiny model with one tensor's data said to lie elsewhere, at a place that a reader may forget."""
    from onnx import TensorProto, helper

    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret")
    graph = model.graph
    constant = helper.make_node("Constant", [], ["c"])
    constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
    if where == "initializer":
        graph.initializer.append(tensor)
    elif where == "constant":
        graph.node.append(constant)
    elif where == "branch":
        branch = helper.make_graph([constant], "inside", [], [])
        graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))
    elif where == "function":
        model.functions.add(name="f", domain="d").node.append(constant)
    elif where == "sparse":
        graph.sparse_initializer.add().values.CopyFrom(tensor)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("where", ["initializer", "constant", "branch", "function", "sparse"])
def test_finds_external_data_wherever_it_stands(data: Path, where: str) -> None:
    content = hide(onnx.load(data / "tiny.onnx"), where)
    with pytest.raises(ModelMismatch, match="'m' keeps weights in another file"):
        refuse_external_data(content, "m")


def test_lets_a_self_contained_model_pass(data: Path) -> None:
    for name in ("tiny.onnx", "tiny_yunet.onnx"):
        refuse_external_data((data / name).read_bytes(), name)


@given(st.binary(max_size=300))
def test_any_bytes_pass_or_are_refused_in_one_sentence(content: bytes) -> None:
    try:
        refuse_external_data(content, "m")
    except ModelMismatch as error:
        assert "'m'" in str(error)


@given(cut=st.integers(0, 2003))
def test_a_model_cut_anywhere_never_crashes_the_reader(cut: int) -> None:
    content = (Path(__file__).parents[2] / "data" / "tiny.onnx").read_bytes()[:cut]
    try:
        set_input_shape(content, (1, 1, 8, 8), "m")
    except ModelMismatch as error:
        assert "'m'" in str(error)


@pytest.mark.parametrize("sides", [(32, 32), (96, 160), (640, 480), (4096, 20000)])
def test_sets_the_input_shape_and_nothing_else(data: Path, sides: tuple[int, int]) -> None:
    before = onnx.load(data / "tiny_yunet.onnx")
    changed = set_input_shape((data / "tiny_yunet.onnx").read_bytes(), (1, 3, *sides), "m")
    after = onnx.load_from_string(changed)
    onnx.checker.check_model(after)
    assert [d.dim_value for d in after.graph.input[0].type.tensor_type.shape.dim] == [1, 3, *sides]
    assert list(after.graph.node) == list(before.graph.node)
    assert list(after.graph.initializer) == list(before.graph.initializer)
    assert [output.name for output in after.graph.output] == [output.name for output in before.graph.output]
    assert (after.ir_version, list(after.opset_import)) == (before.ir_version, list(before.opset_import))


def test_endless_nesting_is_refused() -> None:
    content = b""
    for _ in range(200):  # graph(7) -> node(1) -> attribute(5) -> graph(6), over and over
        for field in (6, 5, 1):
            content = bytes([field << 3 | 2]) + _varint(len(content)) + content
    with pytest.raises(ModelMismatch, match="deep"):
        refuse_external_data(b"\x3a" + _varint(len(content)) + content, "m")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))
