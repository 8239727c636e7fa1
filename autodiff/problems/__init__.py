"""Problems: functions that give a :class:`~autodiff.Network`; ``families()`` lists them."""

from .dynamics import heat, neural_ode, robot_arm
from .estimation import bundle, gmm, physics_informed
from .families import Family, families, family, find_family
from .images import cnn, resnet, unet
from .losses import classifier_loss, regression_loss
from .real import curve_fit, digits_loss, digits_saliency, load_digits
from .sequences import lora, lstm, rnn, transformer
from .single import single
from .synthetic import autoencoder, mlp, product

__all__ = [
    "Family",
    "autoencoder",
    "bundle",
    "classifier_loss",
    "cnn",
    "curve_fit",
    "digits_loss",
    "digits_saliency",
    "families",
    "family",
    "find_family",
    "gmm",
    "heat",
    "load_digits",
    "lora",
    "lstm",
    "mlp",
    "neural_ode",
    "physics_informed",
    "product",
    "regression_loss",
    "resnet",
    "rnn",
    "robot_arm",
    "single",
    "transformer",
    "unet",
]
