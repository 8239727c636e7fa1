"""Networks from PyTorch modules: values and derivatives are the module's, and what cannot be taken is named."""

import importlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import autodiff as ad
from autodiff.testing import relative_error

torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install torch")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def doubles():
    """PyTorch at double precision, with weights that are always the same."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


class Of(nn.Module):
    """A function of x and of modules as a module."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def normed(kind, channels):
    """Batch normalisation with statistics and parameters as if it had been trained."""
    made = kind(channels)
    for one, low, high in ((made.running_mean, -1, 1), (made.running_var, 0.5, 2), (made.weight, 0.5, 2)):
        one.data.uniform_(low, high)
    return made


def lenet():
    first = [nn.Conv2d(1, 4, 3, padding=1), normed(nn.BatchNorm2d, 4), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    second = [nn.Conv2d(4, 3, 3, padding="same"), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*first, *second, nn.Dropout(), nn.Linear(12, 5), nn.SiLU(), nn.Linear(5, 3))


def residual():
    body = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), normed(nn.BatchNorm2d, 2), nn.ReLU(), nn.Conv2d(2, 2, 1))
    block = Of(lambda m, x: torch.relu(x + m.body(x)), body=body)
    return nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))


def pools():
    first = [nn.Conv2d(2, 4, 2, padding="same", groups=2), nn.MaxPool2d(3, 2, 1, ceil_mode=True)]
    second = [
        nn.AvgPool2d(2, 1, 1, count_include_pad=False),
        nn.AvgPool2d(2, ceil_mode=True),
        nn.AdaptiveAvgPool2d((2, 3)),
    ]
    return nn.Sequential(*first, *second, nn.Flatten(2), nn.Conv1d(4, 2, 2), nn.MaxPool1d(2), nn.AvgPool1d(2))


def many(m, x):
    """What the functions of PyTorch make of x (3, 4)."""
    f, (a, b) = nn.functional, x.split(2, -1)
    columns = torch.logsumexp(x, -1) + torch.norm(x, dim=-1) + x.max(-1).values + x.var(-1) + x.cumsum(-1)[:, 0]
    masked = x.masked_fill(torch.ones(4, 4).triu()[:1] > 0, -1.0)
    parts = [torch.einsum("bi,bj->bij", a, b).sum(-1), f.interpolate(x[None], scale_factor=2.0)[0], columns[:, None]]
    parts += [masked, x[:, [0, 2]], f.pad(x, (1, 1)), f.normalize(x), torch.where(x > 0, x, -x), x.flip(0).roll(1, 1)]
    return torch.cat([*parts, torch.stack([x[:, 0], x[:, 1] ** 3], 1), x.clamp(-0.5, 0.5), x.amin(0).expand(3, 4)], -1)


def scalar(m, x):
    """More elementwise functions of x (2, 3), above 0."""
    x = torch.sigmoid(x) + 0.5
    found = torch.tan(x) + torch.log2(x) * torch.log10(x) - torch.exp2(x) / torch.rsqrt(x) + torch.erf(x) * x**-1.5
    found = found + torch.where((x != 1.0) & ~(x < 0.2), x.detach() * x, 0.0) + torch.atan(x).prod(-1, keepdim=True)
    return found + torch.maximum(x, x.mean()) * torch.minimum(x, x.std()) + torch.softmax(x, 0).sum() + 2.0**x


def lstm():
    return Of(
        lambda m, x: m.cell(x + m.places(torch.arange(5)))[0][:, -1],
        cell=nn.LSTM(3, 4, batch_first=True),
        places=nn.Embedding(5, 3),
    )


MODULES = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)), (3, 4)),
    "lenet": (lenet, (2, 1, 8, 8)),
    "residual": (residual, (1, 1, 9, 9)),
    "pools": (pools, (1, 2, 12, 12)),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True), (1, 5, 8)),
    "encoder first": (lambda: nn.TransformerEncoderLayer(8, 2, 16, norm_first=True), (4, 2, 8)),
    "attention": (lambda: Of(lambda m, x: m.a(x, x, x)[0], a=nn.MultiheadAttention(8, 2, batch_first=True)), (1, 5, 8)),
    "causal": (lambda: Of(lambda m, x: nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)), (2, 4, 3)),
    "lstm": (lstm, (1, 5, 3)),
    "gru": (lambda: Of(lambda m, x: m.cell(x)[0], cell=nn.GRU(3, 2)), (4, 1, 3)),
    "scalar": (lambda: Of(scalar), (2, 3)),
    "many": (lambda: Of(many), (3, 4)),
}

ACTIVATIONS = [nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.ELU(), nn.ELU(0.5), nn.LeakyReLU(), nn.LeakyReLU(0.2)]
ACTIVATIONS += [nn.SELU(), nn.Mish(), nn.Hardtanh(), nn.Hardtanh(-0.5, 2.0), nn.Softplus(), nn.Softplus(2.0, 1.0)]
ACTIVATIONS += [nn.Softmax(-1), nn.LogSoftmax(-1), nn.Softmax(1), nn.Hardswish(), nn.Softsign(), nn.LogSigmoid()]
ACTIVATIONS += [nn.ReLU6(), nn.Sigmoid(), nn.Tanhshrink(), nn.Softshrink(), nn.GLU(), nn.CELU(), nn.Threshold(0.1, 0.2)]
PARAMETRIC = [nn.PReLU(4), nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.RMSNorm(4), nn.BatchNorm1d(4), nn.InstanceNorm1d(4)]
PARAMETRIC += [nn.LayerNorm(4, elementwise_affine=False), nn.BatchNorm1d(4, affine=False), nn.RMSNorm(4, 1e-3)]


def check(module, x):
    """Values and Jacobians, with respect to the input and to every parameter, against torch.func."""
    net = ad.Network.from_torch(module, x)
    module.eval()
    point, y = x.numpy().reshape(-1), module(x).detach().numpy().reshape(-1)
    assert relative_error(net(point), y) < 1e-12
    J = torch.func.jacrev(module)(x).detach().numpy().reshape(y.size, -1)
    for engine in ("reverse", "compiled-forward"):
        assert relative_error(ad.jacobian(net, point, engine), J) < 1e-10
    if not net.params.size:
        return net
    arrays = dict(module.named_parameters())
    Js = torch.func.jacrev(lambda p: torch.func.functional_call(module, p, (x,)))(arrays)
    J = ad.jacobian(net, point, "reverse", wrt="params")
    scale = max(float(one.detach().abs().max()) for one in Js.values())
    for layer, starts in zip(net.layers, net.starts, strict=True):
        for start, source in zip(starts, layer.sources, strict=True):
            theirs = Js[source].detach().numpy().reshape(y.size, -1)
            assert np.abs(J[:, start : start + theirs.shape[1]] - theirs).max() < 1e-10 * max(scale, 1.0)
    return net


@pytest.mark.parametrize("name", MODULES)
def test_values_and_jacobians_are_the_modules(name):
    make, shape = MODULES[name]
    check(make().double(), torch.randn(shape))


@pytest.mark.parametrize("module", [*ACTIVATIONS, *PARAMETRIC], ids=str)
def test_activations_and_normalisations(module):
    check(module.double(), 2 * torch.randn(2, 4, 6)[..., :4])


def test_layers_of_ours_carry_the_modules_names():
    net = ad.Network.from_torch(lenet().train(), torch.randn(1, 1, 8, 8))
    kinds = ["Conv2d 0", "BatchNorm 1", "Elementwise 2", "MaxPool 3", "Conv2d 4", "AvgPool 6", "Dense 9", "Dense 11"]
    assert [layer.title for layer in net.layers] == kinds
    assert net.layers[4].activation == "tanh"
    assert net.layers[-1].sources == ("11.weight", "11.bias")
    assert "Conv2d 0" in str(ad.engine("reverse").prepare(net).program.names)


def test_the_mode_of_the_module_stays_as_it_was():
    module = lenet()
    module[1].eval()
    ad.Network.from_torch(module, torch.randn(1, 1, 8, 8))
    assert module.training
    assert not module[1].training


def test_shared_parameters_stand_once():
    shared = nn.Linear(3, 3)
    net = check(nn.Sequential(shared, nn.Tanh(), shared), torch.randn(3))
    assert net.params.size == 12


def test_parameters_and_precision_are_copied():
    module = nn.Sequential(nn.Linear(3, 2), nn.Softplus()).float()
    net = ad.Network.from_torch(module, torch.randn(3, dtype=torch.float32))
    module[0].weight.data.zero_()
    assert net.dtype == net.example_input().dtype == np.float32
    assert np.abs(net.params[:6]).min() > 0
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again(net.example_input()), net(net.example_input()))
    assert ad.Network.from_torch(nn.Tanh(), np.ones(2, np.float32)).dtype == np.float32


def linear():
    return nn.Linear(3, 2)


def broken():
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    module[1].weight.data[0] = np.nan
    return module


class Sum(nn.Module):
    def forward(self, a, b):
        return a + b


BAD = {  #: what is given, and what is said of it
    "no module": (lambda: 3, (3,), ad.InputError, "takes a torch.nn.Module, not int"),
    "two inputs": (Sum, (3,), ad.InputError, r"Sum takes 2 inputs \(a, b\); a network has one: wrap it"),
    "two outputs": (lambda: Of(lambda m, x: (x, x)), (3,), ad.InputError, r"gives 2 results; .*module\(x\)\[0\]"),
    "lstm": (lambda: nn.LSTM(3, 2), (4, 3), ad.InputError, r"LSTM gives 2 results; .* wrap it in a module"),
    "branch": (
        lambda: Of(lambda m, x: x if x.sum() > 0 else -x),
        (3,),
        ad.UnsupportedError,
        "control flow cannot depend",
    ),
    "places": (lambda: Of(lambda m, x: x.argmax(-1)), (3,), ad.DTypeError, r"gives torch\.int64 .* need floats"),
    "indices": (lambda: Of(lambda m, x: x.max(-1).indices * 1.0), (3,), ad.UnsupportedError, "only the first value"),
    "unknown": (
        lambda: nn.Sequential(nn.Linear(3, 3), Of(lambda m, x: x.sort(-1).values)),
        (3,),
        ad.UnsupportedError,
        r"1 \(Of\): aten\.sort has no counterpart; write it with .*table.operation\('sort'\)",
    ),
    "transposed": (lambda: nn.ConvTranspose2d(1, 1, 2), (1, 1, 3, 3), ad.UnsupportedError, "aten.convolution has no"),
    "constant": (lambda: Of(lambda m, x: torch.ones(3)), (3,), ad.InputError, "does not depend on its input"),
    "random": (lambda: Of(lambda m, x: x + torch.rand(3)), (3,), ad.UnsupportedError, "aten.rand draws random numbers"),
    "dropout": (
        lambda: Of(lambda m, x: nn.functional.dropout(x, 0.5, training=True)),
        (3,),
        ad.UnsupportedError,
        "dropout draws random numbers",
    ),
    "nan": (broken, (3,), ad.InputError, r"1 \(Linear\): W holds 3 NaN"),
    "half": (
        lambda: nn.Linear(3, 2).half(),
        (3,),
        ad.DTypeError,
        r"computes with torch\.float16; take module\.double\(\)",
    ),
    "shape": (linear, (4,), ad.InputError, r"Linear does not take the example of shape \(4,\): RuntimeError: mat1"),
    "empty": (linear, (0, 3), ad.InputError, r"shape \(0, 3\) is empty"),
    "none": (linear, None, ad.InputError, "needs an example input of Linear"),
    "tuple": (linear, (torch.ones(3),), ad.InputError, "pass the tensor itself"),
    "text": (linear, "x", ad.InputError, "the example is str; expected a tensor"),
    "tokens": (linear, torch.tensor([1, 2, 3]), ad.DTypeError, "the example is torch.int64; derivatives need floats"),
    "single": (linear, torch.ones(3, dtype=torch.float32), ad.DTypeError, r"pass example\.to\(torch\.float64\)"),
    "infinite": (linear, torch.tensor([1.0, np.inf, 0.0], dtype=torch.float64), ad.InputError, "NaN or infinite"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_taken_is_named(name):
    make, given, error, message = BAD[name]
    sizes = isinstance(given, tuple) and all(isinstance(one, int) for one in given)
    with pytest.raises(error, match=message):
        ad.Network.from_torch(make(), torch.randn(given) if sizes else given)


def test_training_is_refused():
    with pytest.raises(ad.InputError, match="dropout and batch norm are taken as in inference"):
        ad.Network.from_torch(linear(), torch.ones(3), training=True)


def test_torch_is_loaded_only_where_it_is_needed():
    line = "import sys, autodiff as ad; ad.losses; ad.problems.find_family('mlp'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", line], check=True, timeout=60)


SOURCE = """
import torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
bare = torch.nn.Linear(3, 2)
{}
def make(width: int = 2):
    made = torch.nn.Linear(3, width).double()
    made.example_input = lambda: torch.ones(3, dtype=torch.float64)
    return made
"""


@pytest.mark.parametrize(
    "line", ["net.example_input = torch.ones(1, 3).double()", "example = torch.ones(1, 3).double()"]
)
def test_the_command_line_takes_a_module(called, tmp_path, monkeypatch, line):
    name = f"own_module_{len(line)}"
    (tmp_path / f"{name}.py").write_text(SOURCE.format(line))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    status, text = called("show", f"{name}:net")
    assert status == 0
    assert "Dense 0" in text
    assert called("plan", f"{name}:make(width=5)")[0] == 0
    if line.startswith("net"):
        status, text = called("show", f"{name}:bare")
        assert status == 2
        assert f"{name}:bare is a PyTorch module and has no example input; set bare.example_input" in " ".join(
            text.split()
        )
