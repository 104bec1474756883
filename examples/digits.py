"""Train a 4-bit convolutional network on scikit-learn's digits with Brevitas and export it as QONNX.

    python examples/digits.py OUT [--scales po2|float] [--epochs N] [--seed N]

``po2`` (the default) uses power-of-two scales and no batch norm, so every value of the network is exact
in float32 and the integer graph equals Brevitas bit for bit, floats included. ``float`` uses learned float
scales and batch norm. Both write ``OUT/digits.onnx`` and ``OUT/digits_test.npz``: ``inputs`` (the model's
own float32 input, pixels / 16), ``labels``, and ``expected``, Brevitas' own float logits.

The network (1x8x8 -> conv 16 -> pool -> conv 16 -> pool -> dense 10) folds into an iCE40UP5K.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx
from brevitas.quant.fixed_point import Int8WeightPerTensorFixedPoint, Uint8ActPerTensorFixedPoint
from brevitas.quant.scaled_int import (
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    Int32Bias,
    Uint8ActPerTensorFloat,
)
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_digits
from torch import nn

TRAINING_IMAGES = 1437
TEST_IMAGES = 360
BITS = 4
BATCH = 48
EPOCHS = 100
LEARNING_RATE = 4e-3


@dataclass(frozen=True)
class Digits:
    """A fixed split of the data: images float32 (N, 1, 8, 8) in [0, 1], labels int64 (N,)."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor


def load_split() -> Digits:
    """The same 1437 training and 360 test images every time, drawn from all writers."""
    data = load_digits()
    images = torch.from_numpy((data.images / 16).astype(np.float32))[:, None]
    labels = torch.from_numpy(data.target.astype(np.int64))
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
    train, test = order[:TRAINING_IMAGES], order[TRAINING_IMAGES : TRAINING_IMAGES + TEST_IMAGES]
    return Digits(images[train], labels[train], images[test], labels[test])


def build(scales: str) -> nn.Sequential:
    """The network with quantizers of the wanted kind; its input is float images (N, 1, 8, 8)."""
    po2 = scales == "po2"
    weight = Int8WeightPerTensorFixedPoint if po2 else Int8WeightPerChannelFloat
    activation = Uint8ActPerTensorFixedPoint if po2 else Uint8ActPerTensorFloat
    # Int32Bias takes its scale from its layer, s_x * s_w, so the bias is an integer to add to the sums.
    quantizers = {"weight_bit_width": BITS, "bias_quant": Int32Bias}
    # One scale for all logits, or their integers could not be compared with each other.
    last = weight if po2 else Int8WeightPerTensorFloat

    def block(channels_in: int, channels_out: int) -> list[nn.Module]:
        conv = qnn.QuantConv2d(
            channels_in, channels_out, 3, padding=1, bias=po2, weight_quant=weight, **quantizers
        )
        norm = [] if po2 else [nn.BatchNorm2d(channels_out)]
        act = qnn.QuantReLU(act_quant=activation, bit_width=BITS, return_quant_tensor=True)
        return [conv, *norm, act, nn.MaxPool2d(2)]

    return nn.Sequential(
        qnn.QuantIdentity(act_quant=activation, bit_width=BITS, return_quant_tensor=True),
        *block(1, 16),
        *block(16, 16),
        nn.Flatten(),
        qnn.QuantLinear(64, 10, bias=po2, weight_quant=last, **quantizers),
    )


def shifted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image moved by -1, 0 or 1 pixel along both axes; what comes in is empty."""
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    moves = torch.randint(0, 3, (len(images), 2), generator=generator)
    return torch.stack([p[:, y : y + 8, x : x + 8] for p, (y, x) in zip(padded, moves.tolist(), strict=True)])


def train(model: nn.Module, data: Digits, epochs: int, seed: int, console: Console) -> None:
    """Adam with one cosine cycle; the same seed gives the same weights on the same machine."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    batches = -(-TRAINING_IMAGES // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * batches)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=epochs, note="")
        for _ in range(epochs):
            model.train()
            total = 0.0
            for index in torch.randperm(TRAINING_IMAGES, generator=generator).split(BATCH):
                logits = model(shifted(data.train_images[index], generator))
                loss = nn.functional.cross_entropy(logits, data.train_labels[index], label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(index)
            progress.update(task, advance=1, note=f"loss {total / TRAINING_IMAGES:.4f}")


def logits_of(model: nn.Module, images: torch.Tensor) -> np.ndarray:
    """Brevitas' own float logits, float32 (N, 10)."""
    model.eval()
    with torch.no_grad():
        logits = model(images)
    return logits.numpy()


def export(model: nn.Module, data: Digits, out: Path) -> None:
    """Write ``digits.onnx`` and ``digits_test.npz``."""
    out.mkdir(parents=True, exist_ok=True)
    # ONNX Runtime refuses the IR version that this onnx writes by itself.
    onnx.IR_VERSION = 10
    expected = logits_of(model, data.test_images)
    export_qonnx(
        model, data.test_images[:1], export_path=str(out / "digits.onnx"), opset_version=13, dynamo=False
    )
    np.savez_compressed(
        out / "digits_test.npz",
        inputs=data.test_images.numpy(),
        labels=data.test_labels.numpy(),
        expected=expected,
    )


def main(arguments: list[str]) -> int:
    """Train, report the test accuracy, export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for digits.onnx and digits_test.npz")
    parser.add_argument("--scales", choices=("po2", "float"), default="po2")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args(arguments)
    console = Console()
    # The tensors are tiny: a second thread gains nothing, waits at every operator on a busy machine, and
    # would sum in another order.
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    data, model = load_split(), build(options.scales)
    train(model, data, options.epochs, options.seed, console)
    hits = (logits_of(model, data.test_images).argmax(1) == data.test_labels.numpy()).mean()
    export(model, data, options.out)
    console.print(f"test accuracy {hits:.2%} of {TEST_IMAGES} images; written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
