"""Add XGBoost's trees up into fewer ones: the same sums in a third of the time.

The 100 trees of a class ask for the same features over and over. Of the 11,000 trees for 110 users
nearly half have the splits of another; most others can share some. ONNX Runtime's time goes into
the splits that a row passes, and into each tree; both shrink where trees of a class become one:
1,765 trees are left, and 5,400 splits to pass rather than 16,500.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import onnx
from onnx import helper

MAX_GROWTH = 2
"""Leaves that a tree may add to the one it joins, as a multiple of its own.

So the leaves at most double. For 110 users they shrink, and a row of 32 takes 49 us rather than 160
on one thread, a row alone 92 rather than 240. With 1 it is 60 and 92; with 3 it is 46 and 95, for a
third more leaves.
"""

MAX_LEAVES = 64
"""Of a merged tree: it stays shallow, so no time is lost on large trees, which share little.

For 110 users with 8 typings each the largest has 48.
"""


class Split(NamedTuple):
    """An inner node: ``below`` where the feature is less than the threshold, else ``rest``."""

    feature: int
    threshold: float
    below: 'Tree'
    rest: 'Tree'


Tree: TypeAlias = Split | float
"""A leaf is its weight: one float32 number of XGBoost, or the float64 sum of several."""


def compact(node: onnx.NodeProto) -> onnx.NodeProto:
    """Merge the trees of each class in a boosted classifier.

    Thresholds stay the same float32 numbers. Weights are added in float64 and rounded to float32
    once, so scores differ by rounding alone.

    Parameters
    ----------
    node : onnx.NodeProto
        A TreeEnsembleClassifier, as onnxmltools converts XGBoost to.

    Returns
    -------
    onnx.NodeProto
        With the same inputs and outputs, the same for the same node. The given node itself where
        merging isn't known to be exact: where a split is anything but ``feature < threshold``, a
        missing value goes anywhere but to the rest, or a tree has weights for several classes.
    """
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if (
        node.op_type != 'TreeEnsembleClassifier'
        or not set(attributes['nodes_modes']) <= {b'BRANCH_LT', b'LEAF'}
        or any(attributes.get('nodes_missing_value_tracks_true', []))
    ):
        return node
    trees_of_class = _read(attributes)
    if not trees_of_class:
        return node
    merged = [
        (class_id, tree) for class_id, trees in trees_of_class.items() for tree in merge(trees)
    ]
    columns = _columns(merged)
    compacted = onnx.NodeProto()
    compacted.CopyFrom(node)
    del compacted.attribute[:]
    compacted.attribute.extend(
        a for a in node.attribute if not a.name.startswith(('nodes_', 'class_'))
    )
    compacted.attribute.extend(helper.make_attribute(name, columns[name]) for name in columns)
    return compacted


def merge(trees: Iterable[Tree]) -> list[Tree]:
    """Add each tree to the one that it makes least larger, from the largest tree to the smallest.

    Parameters
    ----------
    trees : iterable of Split or float

    Returns
    -------
    list of Split or float
        Fewer trees, or as many, that sum to what the given ones sum to, for every row.

    Examples
    --------
    >>> merge([Split(0, 1.5, 0.25, 0.5), 2.0, Split(0, 1.5, 1.0, 0.0)])
    [Split(feature=0, threshold=1.5, below=3.25, rest=2.5)]
    """
    of_splits: dict[Any, Tree] = {}
    for tree in trees:
        splits = _splits(tree)
        of_splits[splits] = _add(of_splits[splits], tree) if splits in of_splits else tree

    merged: list[Tree] = []
    sizes: list[int] = []
    for tree in sorted(of_splits.values(), key=_leaves, reverse=True):
        joined, growth = None, MAX_GROWTH * _leaves(tree) + 1
        for i, size in enumerate(sizes):
            most = min(size + growth - 1, MAX_LEAVES)
            leaves = _leaves_of_sum(merged[i], tree, most)
            if leaves <= most:
                joined, growth = i, leaves - size
        if joined is None:
            merged.append(tree)
            sizes.append(_leaves(tree))
        else:
            merged[joined] = _add(merged[joined], tree)
            sizes[joined] += growth
    return merged


def _add(one: Tree, other: Tree) -> Tree:
    """Ask for the splits of the one, then for those of the other that are still open."""
    if isinstance(one, Split):
        feature, threshold, below, rest = one
        return Split(
            feature,
            threshold,
            _add(below, _restrict(other, feature, threshold, below=True)),
            _add(rest, _restrict(other, feature, threshold, below=False)),
        )
    if isinstance(other, Split):
        return Split(other.feature, other.threshold, _add(one, other.below), _add(one, other.rest))
    return one + other


def _restrict(tree: Tree, feature: int, threshold: float, *, below: bool) -> Tree:
    """Leave out what no row reaches on one side of a split."""
    if not isinstance(tree, Split):
        return tree
    if tree.feature == feature and (
        tree.threshold >= threshold if below else tree.threshold <= threshold
    ):
        return _restrict(tree.below if below else tree.rest, feature, threshold, below=below)
    first = _restrict(tree.below, feature, threshold, below=below)
    second = _restrict(tree.rest, feature, threshold, below=below)
    if first is tree.below and second is tree.rest:
        return tree
    return Split(tree.feature, tree.threshold, first, second)


def _leaves_of_sum(one: Tree, other: Tree, most: int) -> int:
    """Count the leaves that ``_add`` would make; stop somewhere above ``most``."""
    if not isinstance(one, Split):
        return _leaves(other)
    if not isinstance(other, Split):
        return _leaves(one)
    feature, threshold, below, rest = one
    leaves = _leaves_of_sum(below, _restrict(other, feature, threshold, below=True), most)
    if leaves > most:
        return leaves
    other_rest = _restrict(other, feature, threshold, below=False)
    return leaves + _leaves_of_sum(rest, other_rest, most - leaves)


def _leaves(tree: Tree) -> int:
    return _leaves(tree.below) + _leaves(tree.rest) if isinstance(tree, Split) else 1


def _splits(tree: Tree) -> Any:
    """Return a tree without its weights."""
    if not isinstance(tree, Split):
        return None
    return tree.feature, tree.threshold, _splits(tree.below), _splits(tree.rest)


def _read(attributes: dict[str, Any]) -> dict[int, list[Tree]]:
    """Return the trees of each class; none at all where a leaf or a tree has no single class."""
    # The first node of each tree is its root.
    roots: dict[int, int] = {}
    row_of: dict[tuple[int, int], int] = {}
    for row, key in enumerate(
        zip(attributes['nodes_treeids'], attributes['nodes_nodeids'], strict=True)
    ):
        roots.setdefault(*key)
        row_of[key] = row
    modes = attributes['nodes_modes']
    weighted = list(zip(attributes['class_treeids'], attributes['class_nodeids'], strict=True))
    class_of = dict(zip(attributes['class_treeids'], attributes['class_ids'], strict=True))
    if sorted(weighted) != sorted(key for key, row in row_of.items() if modes[row] == b'LEAF') or [
        class_of[tree_id] for tree_id, _ in weighted
    ] != list(attributes['class_ids']):
        return {}
    weight_of: dict[tuple[int, int], float] = dict(
        zip(weighted, attributes['class_weights'], strict=True)
    )

    def read(tree_id: int, node_id: int) -> Tree:
        if (tree_id, node_id) in weight_of:
            return weight_of[tree_id, node_id]
        row = row_of[tree_id, node_id]
        return Split(
            attributes['nodes_featureids'][row],
            attributes['nodes_values'][row],
            read(tree_id, attributes['nodes_truenodeids'][row]),
            read(tree_id, attributes['nodes_falsenodeids'][row]),
        )

    trees_of_class: dict[int, list[Tree]] = {}
    for tree_id, root in roots.items():
        trees_of_class.setdefault(class_of[tree_id], []).append(read(tree_id, root))
    return trees_of_class


def _columns(trees: list[tuple[int, Tree]]) -> dict[str, list[Any]]:
    """Write trees, each with its class, as the attributes of a TreeEnsembleClassifier."""
    nodes = ('treeids', 'nodeids', 'featureids', 'values', 'modes', 'truenodeids', 'falsenodeids')
    weights = ('treeids', 'nodeids', 'ids', 'weights')
    node_rows: list[list[Any]] = []
    weight_rows: list[tuple[int, int, int, float]] = []

    def write(tree: Tree, tree_id: int, node_id: int, class_id: int) -> int:
        """Append the tree's nodes, the first under the given id, and return the next id."""
        if not isinstance(tree, Split):
            node_rows.append([tree_id, node_id, 0, 0.0, 'LEAF', 0, 0])
            weight_rows.append((tree_id, node_id, class_id, tree))
            return node_id + 1
        row = [tree_id, node_id, tree.feature, tree.threshold, 'BRANCH_LT', node_id + 1]
        node_rows.append(row)
        rest = write(tree.below, tree_id, node_id + 1, class_id)
        row.append(rest)
        return write(tree.rest, tree_id, rest, class_id)

    for tree_id, (class_id, tree) in enumerate(trees):
        write(tree, tree_id, 0, class_id)
    return {
        **{f'nodes_{k}': list(v) for k, v in zip(nodes, zip(*node_rows, strict=True), strict=True)},
        **{
            f'class_{k}': list(v)
            for k, v in zip(weights, zip(*weight_rows, strict=True), strict=True)
        },
    }
