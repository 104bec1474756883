"""Our layers, known to hls4ml through its extension API: thresholds, tables, constants, moves, arg max."""

from functools import cache, partial
from pathlib import Path

from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.attributes import Attribute, TypeAttribute, WeightAttribute
from hls4ml.model.layers import Layer, register_layer

BACKEND = "Vitis"
HEADERS = Path(__file__).parent / "nnet_utils"
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
_ELEMENTS, _GATHER = "nnet_utils/gw_elements.h", "nnet_utils/gw_gather.h"


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


class _Config(LayerConfigTemplate):
    """Configuration of one of our layers."""

    def __init__(self, layer: type[Layer], text: str):
        super().__init__(layer)
        self._text = text

    def format(self, node):
        """The struct's text."""
        return self._text.format(**self._default_config_params(node))


class _Call(FunctionCallTemplate):
    """Call of one of our layers, with its constants where it has any."""

    def __init__(self, layer: type[Layer], text: str, header: str):
        super().__init__(layer, include_header=[header])
        self._text = text

    def format(self, node):
        """The call's text."""
        constants = next((weights.name for weights in node.get_weights()), "")
        return self._text.format(**self._default_function_params(node) | {"constants": constants})


# Of each layer: its configuration, its call, and the header that has it.
_LAYERS = {
    GwElements: (_CONFIG, _CALL, _ELEMENTS),
    GwGather: (_GATHER_CONFIG, _GATHER_CALL, _GATHER),
    GwArgMax: (_ARG_MAX_CONFIG, _ARG_MAX_CALL, _ELEMENTS),
}


@cache
def backend():
    """hls4ml's Vitis back end, which knows our layers."""
    found = get_backend(BACKEND)
    for layer, (config, call, header) in _LAYERS.items():
        register_layer(layer.__name__, layer)
        found.register_template(partial(_Config, layer, config))
        found.register_template(partial(_Call, layer, call, header))
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
