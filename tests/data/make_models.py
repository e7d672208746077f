"""Make the tiny real models beside this file: python tests/data/make_models.py

tiny.onnx, tiny.tflite, tiny.xml + tiny.bin: one fully connected layer from an 8 x 8 grey picture to 7 logits,
the same weights for every engine, any batch size. tiny_yunet.onnx: YuNet's twelve outputs, computed by
pooling: a cell's score is its brightness
times stride / 32, its box is two strides wide, its landmarks form a face.
Needs onnx, openvino and ai-edge-litert (all in the dev environment).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SIZE, CLASSES = 8, 7
STRIDES = (8, 16, 32)
# Right eye, left eye, nose, mouth corners: offsets in strides from the cell's corner.
POINTS = ((0.1, 0.2), (0.9, 0.2), (0.5, 0.5), (0.2, 0.9), (0.8, 0.9))


def weights() -> tuple[np.ndarray, np.ndarray]:
    """Float32 [7, 64] and [7] of the layer: small integers, so that every engine gets the same sums."""
    rng = np.random.default_rng(7)
    return rng.integers(-3, 4, (CLASSES, SIZE * SIZE)).astype(np.float32), np.arange(
        CLASSES, dtype=np.float32
    )


def tiny_onnx() -> bytes:
    """The layer as ONNX, NCHW."""
    from onnx import TensorProto, helper, numpy_helper

    matrix, bias = weights()
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "w", "b"], ["logits"], transB=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(matrix, "w"), numpy_helper.from_array(bias, "b")],
    )
    return _save(graph)


def tiny_yunet() -> bytes:
    """A detector of bright squares with YuNet's names and shapes, its input fixed at 64 x 64."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, outputs = [], [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    def output(name: str, source: str, channels: int) -> None:
        nodes.append(helper.make_node("Transpose", [source], [f"{name}_t"], perm=[0, 2, 3, 1]))
        shape = constant(f"{name}_shape", np.array([1, -1, channels], np.int64))
        nodes.append(helper.make_node("Reshape", [f"{name}_t", shape], [name]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, channels]))

    for stride in STRIDES:
        mean = np.full((1, 3, 1, 1), stride / 32 / (3 * 255), np.float32)
        pool = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        nodes.append(helper.make_node("AveragePool", ["input"], [f"pool_{stride}"], **pool))
        for kind, channels, bias in (
            ("cls", 1, [0.0]),
            ("obj", 1, [0.0]),
            ("bbox", 4, [0.5, 0.5, np.log(2), np.log(2)]),
            ("kps", 10, np.ravel(POINTS)),
        ):
            name = f"{kind}_{stride}"
            kernel = mean if channels == 1 else np.zeros((channels, 3, 1, 1), np.float32)
            inputs = [
                f"pool_{stride}",
                constant(f"{name}_w", kernel),
                constant(f"{name}_b", np.array(bias, np.float32)),
            ]
            nodes.append(helper.make_node("Conv", inputs, [f"{name}_c"]))
            output(name, f"{name}_c", channels)
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 64])
    return _save(helper.make_graph(nodes, "tiny_yunet", [image], outputs, constants))


def _save(graph: object) -> bytes:
    from onnx import checker, helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def tiny_tflite() -> bytes:
    """The layer as TFLite, NHWC: with one channel the flattened order is the same."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: list[int], buffer: int, free: bool = False) -> object:
        made = schema.TensorT()
        made.name, made.shape, made.buffer, made.type = (
            name.encode(),
            shape,
            buffer,
            schema.TensorType.FLOAT32,
        )
        made.shapeSignature = [-1, *shape[1:]] if free else None
        return made

    def buffer(data: bytes = b"") -> object:
        made = schema.BufferT()
        made.data = list(data) or None
        return made

    matrix, bias = weights()
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("image", [1, SIZE, SIZE, 1], 1, free=True),
        tensor("w", [CLASSES, SIZE * SIZE], 2),
        tensor("b", [CLASSES], 3),
        tensor("logits", [1, CLASSES], 4, free=True),
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [3], [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [buffer(), buffer(), buffer(matrix.tobytes()), buffer(bias.tobytes()), buffer()]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tiny_openvino(onnx_model: bytes) -> tuple[bytes, bytes]:
    """The ONNX model as OpenVINO IR: .xml and .bin."""
    import tempfile

    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tiny.xml")
        openvino.save_model(openvino.Core().read_model(onnx_model), path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def main() -> int:
    """Write all of them."""
    onnx_model = tiny_onnx()
    xml, weights_file = tiny_openvino(onnx_model)
    files = {
        "tiny.onnx": onnx_model,
        "tiny_yunet.onnx": tiny_yunet(),
        "tiny.tflite": tiny_tflite(),
        "tiny.xml": xml,
        "tiny.bin": weights_file,
    }
    for name, content in files.items():
        (HERE / name).write_bytes(content)
        print(f"{len(content):>7} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
