"""The page of ``adder_mnist.py``: how to train an adder network, and what LeNet-5 gave."""

from adder_table import METHODS, TUNED, TWIN, paragraph, table

_HEAD = """\
# Training and quantizing adder networks

Written by `python benchmarks/adder_mnist.py --data DIR --work DIR --write docs/addernet-training.md`; do
not edit it by hand.

An adder layer (AdderNet, arXiv 1912.13200) gives `-sum |x - w|` where a convolution gives `sum x * w`.
`AdderConv2d` and `AdderLinear` (`quant/adder.py`) are used like torch's own layers, each with a batch norm
behind it; `scale_adder_gradients(model)` between `backward` and the optimizer's step gives every adder
layer the paper's layer-wise step. `train` (`quant/adder_training.py`) does all of it: SGD with momentum,
one cosine, a seed, a checkpoint after each epoch from which a stopped run goes on bit for bit.

```python
import torch
from gatewright import from_brevitas
from gatewright.quant.adder import AdderConv2d, AdderLinear
from gatewright.quant.adder_ptq import input_ranges, unsigned
from gatewright.quant.adder_training import Recipe, train
from gatewright.quant.frozen_norm import freeze_norms

model = torch.nn.Sequential(
    AdderConv2d(1, 6, 5, padding=2), torch.nn.BatchNorm2d(6), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
    torch.nn.Flatten(), AdderLinear(1176, 10), torch.nn.BatchNorm1d(10),
)
train(model, images, labels, Recipe(epochs=14))              # uint8 images (N, 1, 28, 28)
ranges = input_ranges(model, [images[:500].float() / 255])   # the range A of each layer's input
network = unsigned(model, ranges, bits=8)                    # quantized; learned=True to train it on
graph = from_brevitas(freeze_norms(network), images[:1].float() / 255)
```

`freeze_norms` writes each batch norm as a product and a sum, which every executor rounds alike: without it
the graph equals the module but for values that lie on the edge between two codes, as torch's batch norm
rounds once where ONNX rounds twice.

## Methods

| | Inputs | Weights | Outside the range |
|---|---|---|---|
| shared scale of the input, of the weights | b bits signed | b bits signed, same step | clipped, lost |
| AdderQuant (NeurIPS 2022) | b bits unsigned | b bits signed, twice the step | constant in the bias |
| unsigned form | b bits unsigned | b bits unsigned, same step | constant in the bias |

The shared scale is that of arXiv 2101.10015 as far as it is published: which range it takes is not, so both
are measured. AdderQuant gives each of 4 groups of filters the scale of `min(A, max |w|)`. In the unsigned
form inputs lie in `[0, A]`, as behind a ReLU, and weights are clamped to that range. That changes `|x - w|`
by a constant, so that nothing is lost; a difference of two b-bit codes has b bits, and no bit is spent on a
sign. `A` is the 99.97th percentile of the layer's input, at most over the calibration batches.
"""

_END = """\
## What is not here

- Post-training rows calibrate on 2,000 training images; no other statistic of the training set is used.
- Logits take 8 bits of one scale at every width. With fewer bits than 8 the image is quantized to them too.
- CIFAR-10 is in [addernet-cifar.md](addernet-cifar.md).
- The order of float sums, and with it a trained network, varies between processors: a run elsewhere gives
  other weights, and figures that differ in the last digits.
"""


def page(values: dict, epochs: int, tuning_epochs: int) -> str:
    """The page's Markdown from the results of the work folder."""
    return "\n".join([_HEAD, *_accuracy(values, epochs, tuning_epochs), "", *_reading(values), "", _END])


def _accuracy(values: dict, epochs: int, tuning_epochs: int) -> list[str]:
    passes = "one epoch" if tuning_epochs == 1 else f"{tuning_epochs} epochs"
    return [
        "## LeNet-5 on MNIST",
        "",
        paragraph(
            "Convolution 6@5x5 (padding 2), pool, convolution 16@5x5, pool, 120, 84, 10; batch norm behind "
            "each, ReLU, max pools. All five layers are adder layers, the first and the last too, so that no "
            f"layer multiplies. Both networks train for {epochs} epochs of 60,000 images, moved by up to 2 "
            "pixels, in batches of 128. Percent of the 10,000 test images:"
        ),
        "",
        "| | float |",
        "|---|---:|",
        f"| adder | {values['adder float']:.2f} |",
        f"| {TWIN} | {values['cnn float']:.2f} |",
        "",
        *table(values, (*METHODS, TUNED, TWIN)),
        "",
        paragraph(
            f"The tuned form was trained on, quantized, for {passes} from the float weights, its scales too; "
            "all other rows are after training. The multiplying twin has unsigned inputs, and "
            "signed weights with a scale for each filter."
        ),
    ]


def _reading(values: dict) -> list[str]:
    shares = ", ".join(f"{share:.0f} %" for share in values["outside"].values())
    adder, cnn = values["adder export"], values["cnn export"]
    few, filters = values["within"]
    return [
        paragraph(
            f"Trained weights reach far beyond the activations: {shares} of the five layers' weights lie "
            "outside `[0, A]`. A scale that covers them leaves the activations few codes; one that clips "
            "them without the constant loses the network; clamped to the range with the constant they cost "
            f"nothing. {few} of the {filters} filters keep all their weights in `[-A, A]`; only among such "
            "can groups of filters with scales of their own gain anything."
        ),
        "",
        paragraph(
            f"Exported at 8 bits, the adder network's integer graph has {adder['accuracy']:.2f} %, and "
            f"{adder['differ']} of its 100,000 logits differ from the module's own codes. The multiplying "
            f"twin's graph has {cnn['accuracy']:.2f} % and {cnn['differ']} such logits: its convolutions sum "
            "floats, which torch rounds, where an adder layer of `quant/` sums whole numbers."
        ),
    ]
