"""Linear maps of windows: every run of positions along some axes, and their overlap, which adds them up."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..program.builder import Builder
from ..program.views import Part, Shape
from .assemble import dense
from .maps import LinearMap
from .moves import picked
from .terms import Axis, Label, Term, Terms


@dataclass(slots=True, eq=False)
class Windows(LinearMap):
    """``y[..., i, ..., k] = x[..., i + k, ...]``: every run of so many positions along some axes, on new last axes.

    Along an axis with one label it becomes two, ``i + k``, and no number is touched.
    """

    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    shape: Shape

    def transposed(self) -> Overlap:
        return Overlap(self.axes, self.sizes, self.shape)

    def push(self, b: Builder, terms: Terms) -> Terms:
        tied: Terms = []
        loose: Terms = []
        for one in terms:
            labels = {label for axis in self.axes for label in one.axes[axis].labels}
            (tied if labels <= set(one.seed.labels) else loose).append(one)
        plain = all(one.axes[axis].label for one in loose for axis in self.axes)
        if loose and (len(loose) > 1 or not plain):
            loose = [dense(b, loose)]  # added up now, as every number will stand several times
        for axis, size in zip(self.axes, self.sizes, strict=True):
            tied = [part for one in tied for part in self._along(b, one, axis, size)]
            loose = [_windowed(b, one, axis, size) for one in loose]
        return tied + loose

    def _along(self, b: Builder, term: Term, axis: int, size: int) -> Terms:
        own = term.axes[axis]
        if own.label is not None:
            return [_windowed(b, term, axis, size)]
        if len(own.parts) < 2 and not own.step:
            return _shifted(b, term, axis, size)
        return [_windowed(b, dense(b, [term]), axis, size)]


def _windowed(b: Builder, term: Term, at: int, size: int) -> Term:
    """A term's axis of one label, or of one position, as the two of its windows."""
    axis = term.axes[at]
    starts, positions = Label(axis.size - size + 1), Label(size)
    if axis.label is not None:
        parts = [(label, 1) for label in (starts, positions) if label.size > 1]
        term = term.substitute(b, axis.label, 0, 1, parts)
    own = [Axis(label.size, 0, ((label, 1),) if label.size > 1 else ()) for label in (starts, positions)]
    return replace(term, axes=(*term.axes[:at], own[0], *term.axes[at + 1 :], own[1]))


def _shifted(b: Builder, term: Term, at: int, size: int) -> Terms:
    """One term a position of the window: what stands at some places, as behind a padding, keeps its structure."""
    made = []
    for position in range(size):
        places: list[Part | None] = [Part(0, 1, axis.size) for axis in term.axes]
        places[at] = Part(position, 1, term.axes[at].size - size + 1)
        found = picked(b, term, places)
        if found is not None:
            made.append(replace(found, axes=(*found.axes, Axis(size, position, ()))))
    return made


@dataclass(slots=True, eq=False)
class Overlap(LinearMap):
    """The transpose of :class:`Windows`: every window added where it was taken."""

    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    shape: Shape

    def transposed(self) -> Windows:
        return Windows(self.axes, self.sizes, self.shape)

    def push(self, b: Builder, terms: Terms) -> Terms:
        made = []
        for one in terms:
            kept = list(one.axes[: len(self.shape)])
            for axis, positions in zip(self.axes, one.axes[len(self.shape) :], strict=True):
                starts = kept[axis]
                offset, step = starts.offset + positions.offset, starts.step + positions.step
                kept[axis] = Axis(self.shape[axis], offset, starts.parts + positions.parts, step)
            found = replace(one, axes=tuple(kept))
            made.append(dense(b, [found]) if _meets(found) else found)
        return made


def _meets(term: Term) -> bool:
    """Whether different positions of its labels are the same element, which what follows would see several times."""
    strides: dict[Label, int] = {}
    step = 1
    for axis in (*term.axes[::-1], term.seed):
        for label, own in axis.parts:
            strides[label] = strides.get(label, 0) + own * step
        step *= axis.size
    reach = 0
    for stride, size in sorted((abs(stride), label.size) for label, stride in strides.items()):
        if stride <= reach:
            return True
        reach += stride * (size - 1)
    return False
