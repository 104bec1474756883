"""What a user asks of a compile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..boards.schema import Board
from ..errors import BoardError, InputError
from ..hw.folding import MULTIPLIERS
from . import arm, hls, split_choice, xls

FPGA, ARM, HLS, XLS, SPLIT = "fpga", "arm", "hls", "xls", "split"
STAGES = ("graph", "rtl", "simulate", "synthesize", "bitstream")
STAGES_OF = {
    FPGA: STAGES, ARM: arm.STAGES, HLS: hls.STAGES, XLS: xls.STAGES, SPLIT: split_choice.STAGES
}  # fmt: skip
_OF_ARM = ("threads", "cross", "tune", "cache")
# Options of one way alone.
_OF_WAY = {"hls_config": HLS, "xls_stages": XLS}
_NOT_OF_SPLIT = ("target", "via", *_OF_WAY, "threads", "tune", "cache", "seed")
# Frames a second, and MHz: no rate outside is meant.
_SLOWEST, _FASTEST = 1e-6, 1e9


@dataclass(frozen=True)
class Options:
    """What a user asks of a compile; those of the other target must be left as they are.

    Attributes:
        target: "fpga" or "arm"; None takes the FPGA where the board has one.
        via: FPGA: "hls" goes through hls4ml to the vendor's HLS, "xls" through Google's XLS to RTL; None
            writes RTL of our own units.
        split: part of the graph on the FPGA, the rest on the processor: "auto", or FROM,TO, nodes by name or
            number; None takes one target for all.
        until: the last stage to do, one of STAGES_OF[way]; None does them all.
        fps, interval: FPGA: wanted frames per second or clocks per frame; neither asks for the fastest that
            fits.
        clock_mhz: FPGA: None takes the board's default.
        xls_stages: XLS: stages of the pipeline; None: as many as the clock needs.
        hls_config: HLS: a configuration file of hls4ml (IOType, ReuseFactor, Strategy, ...).
        multipliers: FPGA: where products are made, "lut" or "dsp"; None leaves it to the board's room.
        threads: ARM: how many share each inference.
        cross: ARM: cross compiler, "zig" or "gcc".
        tune: ARM: choose how each layer is computed by counted instructions, not by estimates.
        cache: ARM: folder where tuning keeps its counts; None takes the user's cache.
        data: .npz or .npy file to verify on; None draws random frames.
        frames: how many of its frames to simulate; None takes all.
        dump: write the graph after each pass.
        native: take tools from PATH.
    """

    fps: float | None = None
    interval: int | None = None
    clock_mhz: float | None = None
    until: str | None = None
    data: Path | None = None
    frames: int | None = None
    dump: bool = False
    native: bool | None = None
    seed: int = 1
    multipliers: str | None = None
    target: str | None = None
    threads: int = 1
    cross: str = "zig"
    tune: bool = False
    cache: Path | None = None
    via: str | None = None
    hls_config: Path | None = None
    xls_stages: int | None = None
    split: str | None = None

    @property
    def way(self) -> str:
        """Of completed options: by which stages the target is reached, a key of STAGES_OF."""
        return SPLIT if self.split else self.via or self.target

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages to do, of completed options."""
        stages = STAGES_OF[self.way]
        return stages[: stages.index(self.until) + 1]

    def completed(self, board: Board, command: str = "compile") -> Options:
        """Target and last stage chosen, and everything checked; errors name ``command``.

        Raises:
            InputError: the first option that makes no sense.
            BoardError: the board has no such target.
        """
        if self.split is not None:
            return self._completed_split(board, command)
        target = self.target or (FPGA if board.part else ARM)
        if target not in (FPGA, ARM):
            raise InputError(f"{command}: --target must be one of {FPGA}, {ARM}, not {target!r}")
        if self.via not in (None, HLS, XLS):
            raise InputError(f"{command}: --via must be {HLS} or {XLS}, not {self.via!r}")
        self._check_target(target, command)
        if target == FPGA and board.part is None:
            raise BoardError(f"{command}: {board.name} has a processor only, no FPGA. Use --target arm.")
        if target == ARM and board.processor is None:
            raise BoardError(f"{command}: {board.name} has no processor that is known. Use --target fpga.")
        done = replace(self, target=target, until=self.until or STAGES_OF[self.via or target][-1])
        done._check(command)
        return done

    def _completed_split(self, board: Board, command: str) -> Options:
        """Options of a split, which needs both of a board."""
        for option in _NOT_OF_SPLIT:
            if getattr(self, option) != getattr(Options(), option):
                flag = option.replace("_", "-")
                raise InputError(f"{command}: --{flag} does not go with --split. Leave one of them out.")
        split_choice.check_asked(self.split, command)
        split_choice.check_board(board, command)
        done = replace(self, target=FPGA, until=self.until or split_choice.STAGES[-1])
        done._check(command)
        return done

    def _check_target(self, target: str, command: str) -> None:
        """No option of the other target is given."""
        plain = Options()
        way = f"--via {self.via}" if self.via and target == FPGA else target
        foreign = _OF_ARM
        if target == ARM:
            foreign = ("fps", "interval", "clock_mhz", "seed", "multipliers", "via", *_OF_WAY)
        else:
            foreign = (*foreign, *(option for option, owner in _OF_WAY.items() if owner != self.via))
            foreign += ("fps", "interval", "multipliers") if self.via else ()
            foreign += ("seed",) if self.via == HLS else ()
        for option in foreign:
            if getattr(self, option) != getattr(plain, option):
                flag = option.removesuffix("_mhz").replace("_", "-")
                raise InputError(f"{command}: --{flag} is for {_whose(option)}, not for {way}. Leave it out.")

    def _check(self, command: str) -> None:
        stages = STAGES_OF[self.way]
        if self.until not in stages:
            raise InputError(f"{command}: --until must be one of {', '.join(stages)}, not {self.until!r}")
        if self.multipliers not in (None, *MULTIPLIERS):
            raise InputError(
                f"{command}: --multipliers must be {' or '.join(MULTIPLIERS)}, not {self.multipliers!r}"
            )
        if self.fps is not None and self.interval is not None:
            raise InputError(f"{command}: give --fps or --interval, not both")
        for label, value in (("--fps", self.fps), ("--clock", self.clock_mhz)):
            if value is not None and not _SLOWEST <= value <= _FASTEST:
                raise InputError(
                    f"{command}: {label} must be between {_SLOWEST:g} and {_FASTEST:g}, not {value}"
                )
        for label, value in (("--interval", self.interval), ("--frames", self.frames)):
            if value is not None and value < 1:
                raise InputError(f"{command}: {label} must be at least 1, not {value}")
        if self.cache is not None and not self.tune:
            raise InputError(f"{command}: --cache must come with --tune, which keeps its counts there")
        if not 1 <= self.threads <= arm.MAX_THREADS:
            raise InputError(f"{command}: --threads must be 1 to {arm.MAX_THREADS}, not {self.threads}")


def _whose(option: str) -> str:
    """Who takes an option."""
    if option in _OF_WAY:
        return f"--via {_OF_WAY[option]}"
    return f"--target {ARM if option in _OF_ARM else FPGA}"
