"""Forms in which people's classifiers come as ONNX: tiny real models, each with something that ours have not.

The nodes of a form are ONNX's own text; each takes ``x`` float [N, 3, 16, 16] (or as its header says) to
``y`` [N, 7]. Where it ends in ``h`` [N, 8, ...], a linear layer follows. Weights are drawn, by name and
shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, parser

Shapes = dict[str, tuple[int, ...]]
SIZE, CHANNELS, LABELS = 16, 3, 7
COMMON: Shapes = {
    "w": (8, 3, 3, 3),
    "k": (8, 8, 1, 1),
    "d": (8, 1, 3, 3),
    "v": (8,),
    "m": (7, 8),
    "b": (7,),
    "row": (1, 7),
    "slope": (8, 1, 1),
    "q": (2, 8),
    "u": (8, 2),
    "mt": (8, 7),
    "last": (7, 8, 1, 1),
}
HEAD = "f = Flatten (h)\ny = Gemm <transB = 1> (f, m, b)"


@dataclass(frozen=True)
class Form:
    """One model: its ``nodes``; ``given`` and ``gives``, the types of its ends; ``values`` and ``shapes``.

    ``renamed``: initializers that get other names. ``half``: all of it in float16. ``listed``: initializers
    are inputs too. ``fixed``: the batch that it stays tied to. ``unread``: why torch cannot hold it.
    """

    nodes: str
    given: str = "float[n, 3, 16, 16] x"
    gives: str = "float[n, 7] y"
    opset: int = 18
    shapes: Shapes = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    half: bool = False
    unread: str = ""
    listed: bool = False
    fixed: int | None = None


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


CONV = "c = Conv <pads = [1, 1, 1, 1]> (x, w, v)"
POOL = "h = GlobalAveragePool (r)"
CHANNELS_LAST = """
t = Transpose <perm = [0, 3, 1, 2]> (x)
c = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (t, w, v)
l = Transpose <perm = [0, 2, 3, 1]> (c)
r = Relu (l)
h = ReduceMean <keepdims = 0> (r, axes)
a = MatMul (h, mt)
s = Add (a, b)
y = Softmax <axis = -1> (s)
"""
SHUFFLE = """
c = Conv (x, w, v)
a = Reshape (c, groups)
t = Transpose <perm = [0, 2, 1, 3, 4]> (a)
r = Reshape (t, back)
g = Conv <group = 8> (r, d)
h = GlobalAveragePool (g)
"""
EXCITE = """
c = Conv (x, w, v)
p = GlobalAveragePool (c)
s = Shape (p)
n = Gather <axis = 0> (s, zero)
n1 = Unsqueeze (n, first)
flat = Concat <axis = 0> (n1, rest)
f1 = Reshape (p, flat)
g1 = Gemm <transB = 1> (f1, q)
g2 = Relu (g1)
g3 = Gemm <transB = 1> (g2, u)
g4 = Sigmoid (g3)
wide = Concat <axis = 0> (n1, tail)
g5 = Reshape (g4, wide)
r = Mul (c, g5)
h = GlobalAveragePool (r)
"""
ATTEND = """
c = Conv <strides = [2, 2]> (x, w, v)
f = Reshape (c, rows)
t = Transpose <perm = [0, 2, 1]> (f)
z = LayerNormalization <axis = -1> (t, v, v)
e = MatMul (t, f)
a = Softmax <axis = -1> (e)
o = MatMul (a, z)
s = Add (o, t)
h = ReduceMean <keepdims = 0> (s, one)
y = Gemm <transB = 1> (h, m, b)
"""
TOKEN = """
c = Conv <strides = [4, 4]> (x, w, v)
f = Reshape (c, rows)
t = Transpose <perm = [0, 2, 1]> (f)
s = Concat <axis = 1> (token, t)
p = Slice (s, first, one, one)
h = Squeeze (p, one)
y = Gemm <transB = 1> (h, m, b)
"""
FORMS: dict[str, Form] = {
    "channels last, as Keras writes it": Form(
        CHANNELS_LAST, given="float[n, 16, 16, 3] x", values={"axes": ints(1, 2)}
    ),
    "prelu": Form(f"{CONV}\nr = PRelu (c, slope)\n{POOL}"),
    "gelu": Form(f"{CONV}\nr = Gelu (c)\n{POOL}", opset=20),
    "gelu by erf": Form(
        f"{CONV}\na = Div (c, root)\ne = Erf (a)\no = Add (e, unit)\np = Mul (c, o)\n"
        f"r = Mul (p, point)\n{POOL}",
        values={"root": np.float32(2**0.5), "unit": np.float32(1), "point": np.float32(0.5)},
    ),
    "mish": Form(f"{CONV}\ns = Softplus (c)\nt = Tanh (s)\nr = Mul (c, t)\n{POOL}"),
    "pads of their own": Form(
        f'z = Pad <mode = "reflect"> (x, pads)\nc = Conv (z, w, v)\no = Pad (c, pads)\nr = Relu (o)\n{POOL}',
        values={"pads": ints(0, 0, 1, 1, 0, 0, 1, 2)},
    ),
    "split": Form(
        f"{CONV}\nl, o = Split <axis = 1> (c, parts)\ng = Sigmoid (o)\ns = Mul (l, g)\n"
        f"r = Concat <axis = 1> (s, l)\n{POOL}",
        values={"parts": ints(4, 4)},
    ),
    "slices": Form(
        f"{CONV}\ne = Slice (c, from, to, axes, steps)\nr = Relu (e)\n{POOL}",
        values={"from": ints(0, 1), "to": ints(99, 99), "axes": ints(2, 3), "steps": ints(2, 2)},
    ),
    "channel shuffle": Form(SHUFFLE, values={"groups": ints(0, 2, 4, 14, 14), "back": ints(-1, 8, 14, 14)}),
    "float16": Form(f"{CONV}\nr = Relu (c)\n{POOL}\n{HEAD}", half=True),
    "casts to float16": Form(
        "a = Cast <to = 10> (x)\nw16 = Cast <to = 10> (w)\nc = Conv (a, w16)\nr = Relu (c)\n"
        "g = GlobalAveragePool (r)\nh = Cast <to = 1> (g)"
    ),
    "least and greatest": Form(
        f"{CONV}\na = Max (c, low)\nr = Min (a, high)\n{POOL}",
        values={"low": np.float32(0), "high": np.float32(6)},
    ),
    "resize to sizes": Form(
        f'{CONV}\nr = Resize <mode = "linear", coordinate_transformation_mode = "half_pixel">'
        f" (c, , , sizes)\n" + POOL,
        given="float[2, 3, 16, 16] x",
        gives="float[2, 7] y",
        values={"sizes": ints(2, 8, 23, 23)},
    ),
    "resize by factors": Form(
        f'{CONV}\nr = Resize <mode = "nearest"> (c, , by)\n{POOL}',
        values={"by": np.array([1, 1, 2, 2], np.float32)},
    ),
    "linear squeeze and excite": Form(
        EXCITE,
        values={"zero": np.array(0, np.int64), "first": ints(0), "rest": ints(-1), "tail": ints(8, 1, 1)},
    ),
    "auto_pad": Form(
        'c = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (x, w, v)\n'
        'p = MaxPool <auto_pad = "SAME_LOWER", kernel_shape = [2, 2]> (c)\n'
        'r = AveragePool <auto_pad = "SAME_UPPER", kernel_shape = [3, 3], strides = [2, 2]> (p)\n' + POOL,
        unread="operator MaxPool .* its padding is uneven",
    ),
    "hard sigmoid of Keras": Form(f"{CONV}\ng = HardSigmoid (c)\nr = Mul (c, g)\n{POOL}"),
    "batch of eight": Form(
        f"{CONV}\nr = Relu (c)\ng = GlobalAveragePool (r)\ns = Reshape (g, rows)\n"
        "y = Gemm <transB = 1> (s, m, b)",
        given="float[8, 3, 16, 16] x",
        gives="float[8, 7] y",
        values={"rows": ints(8, -1)},
    ),
    "tied to its batch by a class token": Form(
        TOKEN,
        given="float[4, 3, 16, 16] x",
        gives="float[4, 7] y",
        values={
            "rows": ints(4, 8, -1),
            "token": np.ones((4, 1, 8), np.float32),
            "first": ints(0),
            "one": ints(1),
        },
        fixed=4,
        unread="takes 4 faces at a time and no other number",
    ),
    "constants of every kind": Form(
        "i = Constant <value_ints = [1, 1, 1, 1]> ()\nlow = Constant <value_float = 0.0> ()\n"
        "high = Constant <value_floats = [6.0]> ()\naxis = Constant <value_int = 0> ()\n"
        "top = Squeeze (high)\nw2 = Identity (w)\nc = Conv <pads = [1, 1, 1, 1]> (x, w2, v)\n"
        f"r = Clip (c, low, top)\n{POOL}"
    ),
    "weights that are computed": Form(
        f"mean = ReduceMean (w, axes)\nw2 = Sub (w, mean)\nc = Conv (x, w2, v)\nr = Relu (c)\n{POOL}",
        values={"axes": ints(1, 2, 3)},
    ),
    "batch normalisation of rows": Form(
        f"{CONV}\nr = Relu (c)\n{POOL}\nf = Flatten (h)\ng = Relu (f)\n"
        "o = BatchNormalization (g, v, v, v, big)\ny = Gemm <transB = 1> (o, m, b)"
    ),
    "batch normalisation before and after": Form(
        "z = BatchNormalization (x, three, three, three, bigger)\nc = Conv (z, w)\n"
        f"n = BatchNormalization (c, v, v, v, big)\nr = Relu (n)\n{POOL}",
        shapes={"three": (3,), "bigger": (3,)},
    ),
    "layers named like methods": Form(
        f"{CONV}\nr = Relu (c)\ne = Conv (r, k)\nh = GlobalAveragePool (e)",
        renamed={"w": "train.weight", "k": "forward.weight", "m": "to.0.weight"},
    ),
    "names that collide when cleaned": Form(
        f"{CONV}\nr = Relu (c)\ne = Conv (r, k)\no = Relu (e)\nh = GlobalAveragePool (o)",
        renamed={"w": "a/b-c.weight", "k": "a.b_c.weight", "v": "a.b c", "b": "a.b,c"},
    ),
    "dilated pooling": Form(f"{CONV}\nr = MaxPool <kernel_shape = [3, 3], dilations = [2, 2]> (c)\n{POOL}"),
    "bias of one row": Form(
        f"{CONV}\nr = Relu (c)\n{POOL}\nf = Flatten (h)\ny = Gemm <alpha = 0.5, beta = 2.0> (f, mt, row)"
    ),
    "softmax and a name for it": Form(
        f"{CONV}\nr = Relu (c)\n{POOL}\nf = Flatten (h)\ns = Gemm <transB = 1> (f, m, b)\n"
        "p = Softmax <axis = 1> (s)\ny = Identity (p)"
    ),
    "softmax over channels": Form(
        f"{CONV}\nr = Relu (c)\n{POOL}\nz = Conv (h, last, b)\np = Softmax <axis = 1> (z)\ny = Flatten (p)"
    ),
    "normalisation inside": Form(
        f"a = Sub (x, mean)\nz = Div (a, std)\nc = Conv (z, w, v)\nr = Relu (c)\n{POOL}",
        shapes={"mean": (1, 3, 1, 1)},
        values={"std": np.float32([[[[0.9]], [[1.1]], [[1.3]]]])},
    ),
    "one weight, two layers": Form(
        f"{CONV}\nr = Relu (c)\ne = Conv (r, k)\no = Relu (e)\nt = Conv (o, k)\nh = GlobalAveragePool (t)"
    ),
    "attention": Form(
        ATTEND, values={"rows": ints(0, 8, -1), "one": ints(1)}, unread="operator LayerNormalization"
    ),
    "as written in 2018": Form(
        "c = Conv (x, w, v)\nz = Pad <pads = [0, 0, 1, 1, 0, 0, 1, 1]> (c)\n"
        "r = Clip <min = 0.0, max = 6.0> (z)\ng = GlobalAveragePool (r)\n"
        "h = Squeeze <axes = [2, 3]> (g)\ns = Gemm <transB = 1> (h, m, b)\ny = Softmax (s)",
        opset=9,
        listed=True,
    ),
}


def model(form: Form) -> onnx.ModelProto:
    """The form as an onnx.ModelProto, checked."""
    body = form.nodes if "y = " in form.nodes else f"{form.nodes}\n{HEAD}"
    text = "\n".join(line for line in body.splitlines() if line.strip())
    graph = parser.parse_graph(f"g ({form.given}) => ({form.gives}) {{\n{text}\n}}")
    used = {name for node in graph.node for name in node.input}
    for name, shape in {**COMMON, **form.shapes, "big": (8,)}.items():
        if name in used and name not in form.values:
            graph.initializer.append(numpy_helper.from_array(drawn(name, shape), name))
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in form.values.items()
        if name in used
    )
    for old, new in form.renamed.items():
        for node in graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
        for tensor in graph.initializer:
            tensor.name = new if tensor.name == old else tensor.name
    if form.half:
        in_half(graph)
    made = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", form.opset)], ir_version=3 if form.listed else 9
    )
    if form.listed:
        graph_inputs = [
            onnx.helper.make_tensor_value_info(each.name, each.data_type, each.dims)
            for each in graph.initializer
        ]
        made.graph.input.extend(graph_inputs)
    onnx.checker.check_model(made)
    return made


def drawn(name: str, shape: tuple[int, ...]) -> Any:
    """Weights as a trained network has them: about as much comes out as goes in."""
    fan = int(np.prod(shape[1:])) or 1
    values = np.random.default_rng(sum(name.encode())).normal(0, (2 / fan) ** 0.5, shape)
    return (np.abs(values) + 0.5 if name.startswith("big") else values).astype(np.float32)


def in_half(graph: onnx.GraphProto) -> None:
    """Everything in float16, the graph's ends too."""
    for tensor in graph.initializer:
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
        )
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
