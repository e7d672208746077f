"""The engines. To add one: a file beside this and a line here, at the place ``auto`` should try it."""

ENGINES = {
    "onnx": "edge.engines.onnx:OnnxEngine",
    "tflite": "edge.engines.tflite:TfliteEngine",
    "openvino": "edge.engines.openvino:OpenvinoEngine",
}
