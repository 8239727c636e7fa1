"""Problems: functions that give a :class:`~autodiff.Network`; ``families()`` lists them."""

from .families import Family, families, family, find_family
from .real import curve_fit, digits_loss, digits_saliency, load_digits
from .synthetic import mlp, product

__all__ = [
    "Family",
    "curve_fit",
    "digits_loss",
    "digits_saliency",
    "families",
    "family",
    "find_family",
    "load_digits",
    "mlp",
    "product",
]
