"""Problems: functions that give a :class:`~autodiff.Network`; ``families()`` lists them."""

from .families import Family, families, family, find_family
from .losses import classifier_loss, regression_loss
from .real import curve_fit, digits_loss, digits_saliency, load_digits
from .single import single
from .synthetic import autoencoder, mlp, product

__all__ = [
    "Family",
    "autoencoder",
    "classifier_loss",
    "curve_fit",
    "digits_loss",
    "digits_saliency",
    "families",
    "family",
    "find_family",
    "load_digits",
    "mlp",
    "product",
    "regression_loss",
    "single",
]
