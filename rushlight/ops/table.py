"""Which operations there are, and under which names: collected from the families.

Each family ends with up to four lists of names:

    BOTH     functions of ``torch`` that are methods of ``Tensor`` as well
    TORCH    functions only
    METHODS  methods only
    INPLACE  functions that have an in-place form, ``name_``, as a method
             (those of one tensor also as a function of ``torch``)
"""

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from rushlight.autograd.engine import helpers
from rushlight.ops import (
    activation,
    along,
    complex,
    counting,
    creation,
    cumulative,
    distributions,
    elementwise,
    extremes,
    factories,
    fill,
    indexing,
    joining,
    linear,
    linear_algebra,
    logical,
    mathematics,
    pointwise,
    products,
    random,
    rearrange,
    reduction,
    scatter,
    selection,
    sequences,
    shape,
    softmax,
    sorting,
    statistics,
    strided,
)
from rushlight.ops._dispatch import inplace_form
from rushlight.ops._late import late
from rushlight.ops._promote import cast

FAMILIES: tuple[ModuleType, ...] = (
    complex,
    elementwise,
    pointwise,
    shape,
    reduction,
    extremes,
    statistics,
    cumulative,
    sorting,
    counting,
    creation,
    fill,
    linear_algebra,
    products,
    linear,
    activation,
    softmax,
    joining,
    scatter,
    selection,
    indexing,
    sequences,
    random,
    along,
    logical,
    strided,
    rearrange,
    mathematics,
    factories,
    distributions,
)

FUNCTIONS: dict[str, Any] = {}  # of torch
METHODS: dict[str, Any] = {}  # of Tensor


def _names(family: ModuleType, kind: str) -> list[str]:
    return str(getattr(family, kind, "")).split()


def _collect(family: ModuleType) -> None:
    for name in _names(family, "BOTH"):
        FUNCTIONS[name] = METHODS[name] = getattr(family, name)
    for name in _names(family, "TORCH"):
        FUNCTIONS[name] = getattr(family, name)
    for name in _names(family, "METHODS"):
        METHODS[name] = getattr(family, name)
    for name in _names(family, "INPLACE"):
        function = getattr(family, name)
        form = METHODS[name + "_"] = inplace_form(function, name + "_")
        primitive = getattr(function, "primitive", None)
        if primitive is not None and len(primitive.inputs) == 1:
            FUNCTIONS[name + "_"] = form


# Families that few programs use: their modules load when one of their names is first used.
# "svd=old_svd" gives the module's old_svd the name svd; LATE names are for other families only.
LAZY: dict[str, dict[str, str]] = {
    "view_copies": {
        "TORCH": "alias_copy as_strided_copy detach_copy diagonal_copy expand_copy narrow_copy "
        "permute_copy select_copy slice_copy split_copy split_with_sizes_copy squeeze_copy t_copy "
        "transpose_copy unbind_copy unfold_copy unsqueeze_copy view_as_complex_copy "
        "view_as_real_copy view_copy",
        "METHODS": "narrow_copy",
    },
    "convolution": {
        "TORCH": "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d "
        "convolution"
    },
    "pooling": {"TORCH": "avg_pool1d max_pool1d max_pool1d_with_indices max_pool2d max_pool3d"},
    "pooling_adaptive": {
        "TORCH": "adaptive_avg_pool1d adaptive_max_pool1d=adaptive_max_pool1d_with_indices"
    },
    "gated": {"BOTH": "prelu"},
    "batch_norm": {
        "TORCH": "batch_norm=torch_batch_norm instance_norm=torch_instance_norm native_batch_norm"
    },
    "normalization": {"TORCH": "group_norm layer_norm native_layer_norm rms_norm"},
    "dropout": {
        "TORCH": "alpha_dropout alpha_dropout_ dropout dropout_ feature_alpha_dropout "
        "feature_alpha_dropout_ feature_dropout feature_dropout_ native_dropout"
    },
    "embedding": {
        "TORCH": "embedding=torch_embedding embedding_bag=torch_embedding_bag embedding_renorm_"
    },
    "loss": {"TORCH": "binary_cross_entropy_with_logits=torch_bce_with_logits"},
    "ctc": {"TORCH": "ctc_loss"},
    "distance": {"TORCH": "cdist cosine_similarity pairwise_distance pdist"},
    "padding": {"TORCH": "constant_pad_nd", "LATE": "pad"},
    "internals": {
        "TORCH": "_chunk_cat _log_softmax_backward_data _native_batch_norm_legit _segment_reduce "
        "_softmax_backward_data _unsafe_masked_index _unsafe_masked_index_put_accumulate "
        "grid_sampler_2d grid_sampler_3d hash_tensor native_group_norm nonzero_static "
        "segment_reduce unravel_index",
        "METHODS": "hash_tensor nonzero_static",
    },
    "fold": {"TORCH": "channel_shuffle native_channel_shuffle pixel_shuffle pixel_unshuffle"},
    "grid": {"TORCH": "affine_grid_generator grid_sampler"},
    "recurrent": {
        "TORCH": "gru gru_cell lstm lstm_cell rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell"
    },
    "windows": {
        "TORCH": "bartlett_window blackman_window hamming_window hann_window kaiser_window",
        "BOTH": "istft stft",
    },
    "calculus": {
        "BOTH": "corrcoef cov diff",
        "TORCH": "cumulative_trapezoid einsum gradient pca_lowrank svd_lowrank trapezoid trapz",
    },
    "special_functions": {
        "BOTH": "digamma erf erfc erfinv i0 igamma igammac lgamma mvlgamma polygamma",
        "INPLACE": "digamma erf erfc erfinv i0 igamma igammac lgamma mvlgamma polygamma",
        "INPLACE_TORCH": "erf_ erfc_ i0_",
    },
    "linalg_factor": {
        "BOTH": "cholesky=old_cholesky lu=old_lu qr=old_qr svd=old_svd",
        "LATE": "linalg_svd=svd",
        "TORCH": "lu_unpack",
    },
    "linalg_solve": {
        "BOTH": "cholesky_inverse cholesky_solve det geqrf inverse logdet lu_solve=old_lu_solve "
        "matrix_exp ormqr pinverse=pinv slogdet=old_slogdet triangular_solve",
        "TORCH": "orgqr=householder_product",
        "METHODS": "orgqr=householder_product",
        "LATE": "linalg_solve=solve linalg_solve_triangular=solve_triangular",
    },
    "numbered": {
        "TORCH": "cosine_embedding_loss frobenius_norm hinge_embedding_loss kl_div "
        "margin_ranking_loss norm_except_dim nuclear_norm poisson_nll_loss triplet_margin_loss"
    },
    "linalg_norm": {
        "BOTH": "dist norm=old_norm renorm",
        "INPLACE": "renorm",
    },
}


def _deferred(module: str, name: str) -> Any:
    """A stand-in for ``module.name`` that loads it when it is called."""

    target: Any = None

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal target
        if target is None:
            target = getattr(importlib.import_module(f"rushlight.ops.{module}"), name)
        return target(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call


def _collect_lazy(module: str, kinds: dict[str, str]) -> None:
    def listed(kind: str) -> Iterator[tuple[str, Any]]:
        for item in kinds.get(kind, "").split():
            name, _, inner = item.partition("=")
            yield name, _deferred(module, inner or name)

    for name, function in listed("BOTH"):
        FUNCTIONS[name] = METHODS[name] = function
    FUNCTIONS.update(listed("TORCH"))
    METHODS.update(listed("METHODS"))
    late.__dict__.update(listed("LATE"))
    for name, function in listed("INPLACE"):
        METHODS[name + "_"] = inplace_form(function, name + "_")
    for name in kinds.get("INPLACE_TORCH", "").split():
        FUNCTIONS[name] = METHODS[name]


for _family in FAMILIES:
    _collect(_family)
for _module, _kinds in LAZY.items():
    _collect_lazy(_module, _kinds)
late.__dict__.update(METHODS)
late.__dict__.update(FUNCTIONS)

helpers.add = elementwise.add
helpers.accumulate = elementwise.accumulate
helpers.clone = shape.clone
helpers.copy_ = fill.copy_
helpers.zero_ = fill.zero_
helpers.ones_like = creation.ones_like
helpers.sum_to_size = shape.sum_to_size
helpers.to_dtype = cast
helpers.stack = joining.stack
