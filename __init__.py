"""gatewright: trained networks to integer graphs, ARM NEON code and FPGA bitstreams."""

__version__ = "0.1.0"

_PUBLIC = {
    "Graph": "compiler.ir.graph",
    "Options": "driver.compile",
    "check_budget": "driver.check",
    "compile_model": "driver.compile",
    "estimate_model": "driver.estimate",
    "evaluate": "compiler.ir.evaluate",
    "from_brevitas": "compiler.frontends",
    "inspect": "driver.inspection",
    "load_board": "boards",
    "load_model": "compiler.frontends",
    "open_device": "driver.device",
    "passed": "driver.compile",
    "quantize": "driver.quantize",
    "run_folder": "driver.run",
}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str):
    # Loaded on first use (PEP 562): importing gatewright must cost nothing, and pull in no torch.
    if name not in _PUBLIC:
        raise AttributeError(f"module 'gatewright' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{_PUBLIC[name]}", __name__)
    return getattr(module, name if name != "load_board" else "load")
