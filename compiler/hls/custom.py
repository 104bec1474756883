"""Our layers, known to hls4ml through its extension API: thresholds, tables, constants, moves, arg max."""

import functools
from pathlib import Path

from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.attributes import Attribute, TypeAttribute, WeightAttribute
from hls4ml.model.layers import Layer, register_layer

BACKEND = "Vitis"
HEADERS = Path(__file__).parent / "nnet_utils"
# Names of products in gw_products.h.
DISTANCE, SIGN = "gw_distance", "gw_sign"
_CONFIG = """struct config{index} : nnet::gw_element_config {{
    static const unsigned n_in = {n_in};
    static const unsigned n_chan = {n_chan};
    static const unsigned rows = {rows};
    static const unsigned steps = {steps};
    static const int bias = {bias};
    static const int step = {step};
    typedef {constant_t.name} constant_t;
    typedef nnet::{function}<config{index}> function;
}};\n"""
_ARG_MAX_CONFIG = """struct config{index} : nnet::gw_element_config {{
    static const unsigned n_in = {n_in};
    static const unsigned n_chan = {n_chan};
}};\n"""
_GATHER_CONFIG = """struct config{index} : nnet::gw_gather_config {{
    static const unsigned n_in = {n_in};
    static const unsigned n_out = {n_out};
    static const unsigned taps = {taps};
    static const int fill = {fill};
    static const bool largest = {largest};
    typedef {constant_t.name} index_t;
}};\n"""
_GATHER_CALL = "nnet::gw_gather<{input_t}, {output_t}, {config}>({input}, {output}, {constants});"
_CALL = "nnet::gw_elements<{input_t}, {output_t}, {config}>({input}, {output}, {constants});"
_ARG_MAX_CALL = "nnet::gw_arg_max<{input_t}, {output_t}, {config}>({input}, {output});"
_INCLUDE = ["nnet_utils/gw_elements.h"]


class GwElements(Layer):
    """One function of each element and a row of constants, its channel's or everyone's.

    Attributes ``function`` names what gw_elements.h has, ``rows`` and ``steps`` shape the constants, ``bias``
    and ``step`` are the function's own.
    """

    _expected_attributes = [  # noqa: RUF012 (hls4ml reads it from the class)
        *(Attribute(name) for name in ("n_in", "n_chan", "rows", "steps")),
        *(Attribute(name, default=value) for name, value in (("bias", 0), ("step", 1))),
        Attribute("function", value_type=str),
        WeightAttribute("constant"),
        TypeAttribute("constant"),
    ]

    def initialize(self):
        """What hls4ml asks of a layer: its result and its constants."""
        self.add_output_variable(self.get_input_variable().shape)
        self.add_weights_variable(name="constant", var_name="c{index}")


class GwGather(Layer):
    """Each element made of those that a table names: moved, added up, or the largest of them."""

    _expected_attributes = [  # noqa: RUF012 (hls4ml reads it from the class)
        *(Attribute(name) for name in ("n_in", "n_out", "taps")),
        Attribute("fill", default=0),
        Attribute("largest", value_type=bool, default=False),
        WeightAttribute("constant"),
        TypeAttribute("constant"),
    ]

    def initialize(self):
        """What hls4ml asks of a layer: its result and its table."""
        self.add_output_variable(self.get_attr("result_shape"))
        self.add_weights_variable(name="constant", var_name="g{index}")


class GwArgMax(Layer):
    """The index of the largest element of each row of ``n_chan``."""

    _expected_attributes = [  # noqa: RUF012 (hls4ml reads it from the class)
        Attribute("n_in"),
        Attribute("n_chan"),
    ]

    def initialize(self):
        """What hls4ml asks of a layer: its result."""
        self.add_output_variable(self.get_attr("result_shape"))


class GwElementsConfig(LayerConfigTemplate):
    """Configuration of ``GwElements``."""

    def __init__(self):
        super().__init__(GwElements)

    def format(self, node):
        """The struct's text."""
        return _CONFIG.format(**self._default_config_params(node))


class GwElementsCall(FunctionCallTemplate):
    """Call of ``GwElements``."""

    def __init__(self):
        super().__init__(GwElements, include_header=_INCLUDE)

    def format(self, node):
        """The call's text."""
        name = node.get_weights("constant").name
        return _CALL.format(**self._default_function_params(node) | {"constants": name})


class GwGatherConfig(LayerConfigTemplate):
    """Configuration of ``GwGather``."""

    def __init__(self):
        super().__init__(GwGather)

    def format(self, node):
        """The struct's text."""
        return _GATHER_CONFIG.format(**self._default_config_params(node))


class GwGatherCall(FunctionCallTemplate):
    """Call of ``GwGather``."""

    def __init__(self):
        super().__init__(GwGather, include_header=["nnet_utils/gw_gather.h"])

    def format(self, node):
        """The call's text."""
        name = node.get_weights("constant").name
        return _GATHER_CALL.format(**self._default_function_params(node) | {"constants": name})


class GwArgMaxConfig(LayerConfigTemplate):
    """Configuration of ``GwArgMax``."""

    def __init__(self):
        super().__init__(GwArgMax)

    def format(self, node):
        """The struct's text."""
        return _ARG_MAX_CONFIG.format(**self._default_config_params(node))


class GwArgMaxCall(FunctionCallTemplate):
    """Call of ``GwArgMax``."""

    def __init__(self):
        super().__init__(GwArgMax, include_header=_INCLUDE)

    def format(self, node):
        """The call's text."""
        return _ARG_MAX_CALL.format(**self._default_function_params(node))


_TEMPLATES = (GwElementsConfig, GwElementsCall, GwGatherConfig, GwGatherCall, GwArgMaxConfig, GwArgMaxCall)


@functools.cache
def backend():
    """hls4ml's Vitis back end, which knows our layers."""
    found = get_backend(BACKEND)
    for layer in (GwElements, GwGather, GwArgMax):
        register_layer(layer.__name__, layer)
    for template in _TEMPLATES:
        found.register_template(template)
    for header in sorted(HEADERS.glob("*.h")):
        found.register_source(header)
    return found


def with_product(node, product: str) -> None:
    """Make a dense layer or a convolution of hls4ml add up another product than its own."""
    text = node.get_attr("config_cpp")
    head, mark, tail = text.partition("using product = nnet::product::")
    _, _, rest = tail.partition("<")
    node.set_attr("config_cpp", f"{head}{mark}{product}<{rest}")
    node.set_attr("include_header", [*node.get_attr("include_header"), "nnet_utils/gw_products.h"])
