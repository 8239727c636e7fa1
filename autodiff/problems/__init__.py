"""Problems: functions that give a :class:`~autodiff.Network`; ``families()`` lists them."""

from .dynamics import heat, neural_ode, robot_arm
from .estimation import bundle, gmm, physics_informed
from .families import Family, families, family, find_family
from .gradbench.families import det, diagonal_lstm, hand, llsq, lse, ode, reprojections
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
    "det",
    "diagonal_lstm",
    "digits_loss",
    "digits_saliency",
    "families",
    "family",
    "find_family",
    "gmm",
    "hand",
    "heat",
    "llsq",
    "load_digits",
    "lora",
    "lse",
    "lstm",
    "mlp",
    "neural_ode",
    "ode",
    "physics_informed",
    "product",
    "regression_loss",
    "reprojections",
    "resnet",
    "rnn",
    "robot_arm",
    "single",
    "transformer",
    "unet",
]
