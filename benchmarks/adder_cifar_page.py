"""The page of ``adder_cifar.py``."""

from adder_table import METHODS, paragraph, table


def page(values: dict, shape: dict[str, int], images: int, test_images: int) -> str:
    """The page's Markdown from the results of the work folder."""
    depth, width, epochs = shape["depth"], shape["width"], shape["epochs"]
    command = f"--depth {depth} --width {width} --epochs {epochs}"
    lines = [
        "# An adder ResNet on a slice of CIFAR-10",
        "",
        paragraph(
            f"Written by `python benchmarks/adder_cifar.py --data DIR --work DIR {command} --write "
            "docs/addernet-cifar.md`; do not edit it by hand. Methods and recipe as in "
            "[addernet-training.md](addernet-training.md)."
        ),
        "",
        paragraph(
            f"ResNet-{depth} with {width}, {2 * width} and {4 * width} channels, {epochs} epochs of the "
            f"first {images:,} training images, tested on the first {test_images:,} test images. All "
            "convolutions are adder layers but the first; that and the classifier multiply, in float, as in "
            "the papers."
        ),
        "",
        paragraph(
            "**This is no reproduction of the papers' accuracy**: they train width 16 for 400 epochs of "
            "50,000 images on GPUs (92.02 % in float; AdderQuant 91.36, 91.21, 90.86 and 90.27 % at 8, 6, 5 "
            "and 4 bits). It shows what each method costs a network with shortcuts, after training."
        ),
        "",
        f"Float: {values['float']:.2f} % (one image is {100 / test_images:.2f}).",
        "",
        *table(values, tuple(METHODS)),
        "",
    ]
    return "\n".join(lines)
