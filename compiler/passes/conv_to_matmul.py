"""Convolutions that are plain matrix products, or distances of rows."""

from ..ir.graph import Const, Graph, Node
from ..ir.ops import AdderConv2d, AdderMatMul, Conv2d, MatMul, Reshape
from .rewrite import rewrite


def conv_to_matmul(graph: Graph) -> Graph:
    """conv2d(x, w), 1x1, stride 1          ->  matmul(x, w)
    conv2d(x, w), w as large as the image   ->  reshape(matmul(reshape(x), w)) to (1, 1, M)

    Exact, for convolutions without groups and padding; adder_conv2d becomes adder_matmul alike.
    """

    def rule(node: Node, users):
        match node:
            case Node(Conv2d(groups=1, pads=(0, 0, 0, 0)), (_, Const(), *_)):
                return _product(node, MatMul())
            case Node(AdderConv2d(pads=(0, 0, 0, 0)), (_, Const(), *_)):
                return _product(node, AdderMatMul())
        return None

    return rewrite(graph, rule)


def _product(node: Node, op: MatMul | AdderMatMul) -> Node | None:
    x, w, *bias = node.inputs
    kh, kw, c, m = w.type.shape
    if (kh, kw) == (1, 1) and node.op.strides == (1, 1):
        return Node(op, (x, Const(w.value.reshape(c, m), w.name), *bias), node.name)
    if (kh, kw) != x.type.shape[:2]:
        return None
    k = kh * kw * c
    y = Node(op, (Reshape((k,))(x), Const(w.value.reshape(k, m), w.name), *bias), node.name)
    return Reshape((1, 1, m))(y)
