"""A tile of an adder layer in registers: passes over its taps, vector by vector."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from ..builder import const
from ..isa import cast, high, lanes_of, low, part
from .adder_plan import BODY, UNROLLED, spans
from .adder_sums import across


class Registers:
    """One vector for each pixel and channel; ``maker`` knows the layer, its plan and its bounds."""

    def __init__(self, maker, w, px, pw, width: int, pixels: int):
        self.maker, self.shape, self.plan = maker, maker.shape, maker.plan
        self.w, self.px, self.pw, self.width, self.pixels = w, px, pw, width, pixels
        bits, self.chain = maker.bits, maker.plan.chain
        self.dots = w.core.dot and bits == 8 and self.chain == 1
        self.wide = f"uint{bits if self.plan.narrow else 4 * bits if self.dots else 2 * bits}"
        self.lanes, self.row = 128 // int(self.wide[4:]), maker.lanes * width
        self.acc = w.array(self.wide, self.lanes * pixels * width)
        self.tail = self.shape.length % maker.lanes
        self.mask = self._mask()

    def _mask(self):
        """Lanes of a run's last vector that are its own."""
        if not self.tail:
            return None
        ones = np.where(np.arange(self.maker.lanes) < self.tail, -1, 0)
        table = self.w.table(ones, self.maker.storage.dtype)
        return self.w.named(table.at(0, self.maker.lanes))

    def sums(self, at, pb, tile):
        """Passes over the taps; behind each the lanes are added up and taken from what was there."""
        w, width, plan = self.w, self.width, self.plan
        begin = w.load(pb, tile * width, width)
        weight = w.let(tile * (self.shape.runs * self.maker.blocks * self.row))
        totals = w.array(self.maker.sums_dtype, width * self.pixels)
        for p in range(self.pixels):
            w.store(totals, p * width, begin)
        for run, times, runs in spans(self.shape.runs, plan.runs):
            for block, often, blocks in spans(self.maker.blocks, plan.blocks):
                with ExitStack() as stack:
                    u, v = (self._again(stack, n) for n in (times, often))
                    first, place = run + u * runs, block + v * blocks
                    here = at + (first * self.shape.run + place * self.maker.lanes)
                    there = weight + (first * self.maker.blocks + place) * self.row
                    ends = self.tail > 0 and block + often * blocks == self.maker.blocks
                    self._pass(w.let(here), w.let(there), runs, blocks, ends)
                    self._taken(totals)
        return [w.load(totals, p * width, width) for p in range(self.pixels)]

    def _again(self, stack: ExitStack, times: int):
        """The counter of a loop entered on ``stack``, or 0."""
        return stack.enter_context(self.w.loop(self.w.size(times))) if times > 1 else const(0, self.w.index)

    def _taken(self, totals) -> None:
        """Every pixel's lanes added up, and subtracted from its totals."""
        w, maker, width = self.w, self.maker, self.width
        for p in range(self.pixels):
            vectors = [w.load(self.acc, (p * width + c) * self.lanes, self.lanes) for c in range(width)]
            found = across(w, vectors, maker.sums_dtype, maker.bound(self.wide), maker.total)
            w.store(totals, p * width, totals.at(p * width, width) - found)

    def _pass(self, at, weight, runs: int, blocks: int, ends: bool) -> None:
        """Some runs, or blocks of one; ``ends``: the last of a run has a tail."""
        for i in range(self.pixels * self.width):
            self.w.store(self.acc, i * self.lanes, const(0, f"{self.wide}x{self.lanes}"))
        if runs * blocks <= UNROLLED[self.w.core.wide]:
            places = [
                (r * self.shape.run + b * self.maker.lanes, ends and b == blocks - 1)
                for r in range(runs)
                for b in range(blocks)
            ]
            self._chains(at, weight, places)
            return
        with ExitStack() as stack:
            run = self._again(stack, runs)
            start = self.w.let(at + run * self.w.stride(self.shape.run))
            self._run(start, self.w.let(weight + run * self.w.stride(blocks * self.row)), blocks, ends)

    def _run(self, at, weight, blocks: int, ends: bool) -> None:
        """All blocks of a run, a few at a time; one with a tail behind the loop."""
        apart = int(ends)
        unit = max(self.chain, 1)
        sizes = range(unit, max(BODY[self.w.core.wide], unit) + 1, unit)
        body = min(sizes, key=lambda n: ((blocks - apart) % n, -n))
        turns = (blocks - apart) // body
        lanes = self.maker.lanes
        if turns:
            with ExitStack() as stack:
                turn = self._again(stack, turns)
                here, there = at + turn * (body * lanes), weight + turn * (body * self.row)
                self._chains(here, there, [(b * lanes, False) for b in range(body)])
        done = turns * body
        places = [((b - done) * lanes, ends and b == blocks - 1) for b in range(done, blocks)]
        self._chains(at + done * lanes, weight + done * self.row, places)

    def _chains(self, at, weight, places: list[tuple[int, bool]]) -> None:
        """The vectors at ``places`` of every pixel and channel, chain by chain; marked ones have a tail."""
        step = max(self.chain, 1)
        for i in range(0, len(places), step):
            self._chain(at, weight + i * self.row, places[i : i + step])

    def _chain(self, at, weight, places: list[tuple[int, bool]]) -> None:
        lanes, w = self.maker.lanes, self.w
        # Of a short tail the upper half of the lanes is left out.
        short = self.chain < 0 and places[0][1] and self.tail <= lanes // 2
        count = lanes // 2 if short else lanes
        x = [
            [self._input(at + (p * self.shape.pixel + place), count, cut) for place, cut in places]
            for p in range(self.pixels)
        ]
        for c in range(self.width):
            chains = [None] * self.pixels
            for b in range(len(places)):
                taps = w.load(self.pw, weight + (b * self.row + c * lanes), count)
                for p in range(self.pixels):
                    chains[p] = self._longer(chains[p], x[p][b], taps)
            for p, far in enumerate(chains):
                self._add((p * self.width + c) * self.lanes, far)

    def _longer(self, chain, x, taps):
        """Distances, added to those of a chain; in halves where each half is widened at once."""
        if self.chain < 0 and lanes_of(x) == self.maker.lanes:
            return [self.w.isa.distance(part_(x), part_(taps)) for part_ in (low, high)]
        far = self.w.isa.distance(x, taps)
        return self.w.let(far if chain is None else chain + far)

    def _input(self, at, count: int, cut: bool):
        """A vector of a pixel."""
        x = self.w.load(self.px, at, count)
        if not cut or self.tail == count:
            return x
        return self.w.let(x & part(self.mask, 0, count))

    def _add(self, place: int, far) -> None:
        """Distances of a chain to a sum."""
        w, old = self.w, self.acc.at(place, self.lanes)
        if self.plan.narrow:
            w.store(self.acc, place, old + far)
        elif self.dots:
            w.store(self.acc, place, w.isa.dot_unsigned(old, far, const(1, "uint8x16")))
        elif self.chain > 0:
            w.store(self.acc, place, w.isa.pairs_accumulate(old, far))
        else:
            for half in far if isinstance(far, list) else [far]:
                old = w.let(old + cast(half, self.wide))
            w.store(self.acc, place, old)
