"""Bottom-up rewriting of immutable graphs to a fixpoint."""

from collections.abc import Callable
from dataclasses import replace

from ..ir.graph import Graph, Input, Node, Value

Users = Callable[[Value], int]
Rule = Callable[[Node, Users], Value | None]

# A rule that still changes something after this many rounds undoes its own work.
MAX_ROUNDS = 64


def rewrite(graph: Graph, rule: Rule) -> Graph:
    """Apply ``rule`` to every node, operands first, again and again until nothing changes.

    Values are visited once a round whoever uses them, so shared nodes stay shared; nothing recurses.

    Args:
        rule: ``rule(node, users)`` gives the replacement, or None to leave the node. ``users(value)``
            is how often operands and graph outputs name the value: 1 where only this node does. It
            never says too few, so a rule that wants 1 never computes anything twice; it may say too
            many within a round, which the next one makes good.
            A new node without a name takes the replaced node's, unless a node below it has it already.
    Returns:
        The same graph object if nothing matched.
    Raises:
        RuntimeError: no fixpoint within MAX_ROUNDS.
    """
    for _ in range(MAX_ROUNDS):
        changed = _Round(graph, rule).run()
        if changed is graph:
            return graph
        graph = changed
    raise RuntimeError(
        f"rewrite: {rule.__qualname__} must reach a fixpoint, not still match after {MAX_ROUNDS} rounds"
    )


class _Round:
    """One visit of every value; keeps all values it has counted alive, so that their ids stay unique."""

    def __init__(self, graph: Graph, rule: Rule):
        self.graph, self.rule = graph, rule
        self.old = graph.values()
        self.uses = {id(v): 0 for v in self.old}
        for value in (*graph.outputs, *(o for v in self.old if isinstance(v, Node) for o in v.inputs)):
            self.uses[id(value)] += 1
        self.counted: dict[int, tuple[Value, int]] = {}

    def users(self, value: Value) -> int:
        """Users in this round; a value that the rule has only just made has one."""
        return self.counted[id(value)][1] if id(value) in self.counted else 1

    def run(self) -> Graph:
        """The graph after this round, the same object if no rule matched."""
        new: dict[int, Value] = {}
        for value in self.old:
            if isinstance(value, Node):
                new[id(value)] = self._visit(value, new)
            else:
                new[id(value)] = value
                self._count(value, self.uses[id(value)])
        if all(new[id(v)] is v for v in self.old):
            return self.graph
        return replace(self.graph, outputs=tuple(new[id(v)] for v in self.graph.outputs))

    def _visit(self, old: Node, new: dict[int, Value]) -> Value:
        inputs = tuple(new[id(v)] for v in old.inputs)
        same = all(a is b for a, b in zip(inputs, old.inputs, strict=True))
        node = old if same else Node(old.op, inputs, old.name)
        self._count(node, self.uses[id(old)])
        found = self.rule(node, self.users)
        if found is None:
            return node
        fresh = self._fresh(found)
        if found in fresh and not found.name and all(v.name != node.name for v in fresh):
            fresh.remove(found)
            found = _named(found, node.name)
            fresh.append(found)
        self._count(found, self.uses[id(old)])
        for value in fresh:
            for operand in value.inputs if isinstance(value, Node) else ():
                self._count(operand, 1)
        return found

    def _fresh(self, root: Value) -> list[Value]:
        """What the rule has made: everything below ``root`` not seen before in this round."""
        found: dict[int, Value] = {}
        stack = [root]
        while stack:
            value = stack.pop()
            if id(value) in self.counted or id(value) in found or isinstance(value, Input):
                continue
            found[id(value)] = value
            stack.extend(value.inputs if isinstance(value, Node) else ())
        return list(found.values())

    def _count(self, value: Value, more: int) -> None:
        _, users = self.counted.get(id(value), (value, 0))
        self.counted[id(value)] = (value, users + more)


def _named(value: Value, name: str) -> Value:
    return Node(value.op, value.inputs, name) if isinstance(value, Node) else value
