"""The builders. To add one: a file beside this and a line here."""

BUILDERS = {
    "onnx": "quantize.builders.onnx:OnnxBuilder",
    "tflite": "quantize.builders.tflite:TfliteBuilder",
    "openvino": "quantize.builders.openvino:OpenvinoBuilder",
}
