"""Convolutions that are plain matrix products."""

from ..ir.graph import Const, Graph, Node
from ..ir.ops import Conv2d, MatMul, Reshape
from .rewrite import rewrite


def conv_to_matmul(graph: Graph) -> Graph:
    """conv2d(x, w), 1x1, stride 1          ->  matmul(x, w)
    conv2d(x, w), w as large as the image   ->  reshape(matmul(reshape(x), w)) to (1, 1, M)

    Exact, for convolutions without groups and padding.
    """

    def rule(node: Node, users):
        match node:
            case Node(Conv2d(groups=1, pads=(0, 0, 0, 0)) as op, (x, Const() as w, *bias)):
                kh, kw, c, m = w.type.shape
                if (kh, kw) == (1, 1) and op.strides == (1, 1):
                    return Node(MatMul(), (x, Const(w.value.reshape(c, m), w.name), *bias), node.name)
                if (kh, kw) == x.type.shape[:2]:
                    k = kh * kw * c
                    flat = Reshape((k,))(x)
                    y = Node(MatMul(), (flat, Const(w.value.reshape(k, m), w.name), *bias), node.name)
                    return Reshape((1, 1, m))(y)
        return None

    return rewrite(graph, rule)
