# SPDX-License-Identifier: GPL-3.0-or-later
"""Apple's GPU as far as it can be had without one: tensors that claim to be on "mps" and keep torch's rules for it.

Their values are computed on the CPU. Refused as torch refuses them on a Mac: float64, an operator without a kernel for
MPS, tensors of several devices in one operation, a generator of another device. Not imitated: rounding, speed, memory.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torchgen
import yaml
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

MPS = torch.device("mps", 0)
REFUSED_TYPES = (torch.float64, torch.complex128)
MIXED = {"aten::_to_copy", "aten::copy_", "aten::index.Tensor", "aten::index_put_", "aten::index_put",
         "aten::_index_put_impl_"}
"""Operators that take tensors of several devices: copies, and indices that lie on the CPU."""
KERNELS = Path(torchgen.__file__).parent / "packaged" / "ATen" / "native" / "native_functions.yaml"


class NotOnMps(RuntimeError):
    """What torch on a Mac would raise here."""


class Claimed(torch.Tensor):
    """A tensor that says it is on "mps"; `inner` holds its values on the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Claimed":
        made: Claimed = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            layout=inner.layout, device="cpu", requires_grad=False)
        return made

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Said to Python only: torch's own code would look for a driver."""
        return MPS

    @property
    def is_cpu(self) -> bool:  # type: ignore[override]
        """See `device`."""
        return False

    @property
    def is_mps(self) -> bool:  # type: ignore[override]
        """See `device`."""
        return True

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Claimed({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        return _run(func, args, kwargs or {}, None)


class Recorder(TorchDispatchMode):
    """Remembers which operators ran on "mps", and the most attention scores that one of them held."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: set[str] = set()
        self.most_scores = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        return _run(func, args, kwargs or {}, self)

    def attention(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *others: Any,
                  **options: Any) -> torch.Tensor:
        """On MPS all scores are in memory at a time."""
        tensors = [tensor for tensor in (query, key, value, *others, *options.values())
                   if isinstance(tensor, torch.Tensor)]
        _check_devices("scaled_dot_product_attention", tensors)
        self.most_scores = max(self.most_scores, query.shape[:-1].numel() * key.shape[-2])
        plain, plain_options = tree_map(_inner, (query, key, value, *others)), tree_map(_inner, options)
        return Claimed(torch.nn.functional.scaled_dot_product_attention(*plain, **plain_options))


class _Calls(TorchFunctionMode):
    """Where torch would ask the driver before it dispatches: the device's number, its attention, indexing."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        given, options = tree_map(_indexed, tuple(args)), tree_map(_indexed, kwargs or {})
        if func is torch.nn.functional.scaled_dot_product_attention and isinstance(given[0], Claimed):
            return self._recorder.attention(*given, **options)
        if func is torch.Tensor.to and len(given) > 1 and isinstance(given[1], torch.Tensor):
            given = (given[0], given[1].device, given[1].dtype, *given[2:])
        if func in (torch.tensor, torch.as_tensor) and options.get("device") == MPS:
            return _claimed(_inner(func(*tree_map(_inner, given), **{**options, "device": "cpu"})))
        if given and isinstance(given[0], Claimed):
            if func is torch.Tensor.to and _named_device((*given[1:], *options.values())) == "mps":
                return _converted(given[0], given[1:], options)
            if func in (torch.Tensor.numpy, torch.Tensor.__array__):
                raise NotOnMps("can't convert mps:0 device type tensor to numpy. Use Tensor.cpu() first")
            if func is torch.Tensor.new_tensor:
                return _claimed(given[0].inner.new_tensor(*tree_map(_inner, given[1:]), **options))
            if func is torch.Tensor.tolist:
                return given[0].inner.tolist()
            if func is torch.Tensor.cpu or (
                    func is torch.Tensor.to and _named_device((*given[1:], *options.values())) == "cpu"):
                plain, plain_options = tree_map(_inner, given), dict(options)
                return func(*plain, **plain_options).clone()
        return func(*given, **options)


@contextmanager
def pretend_mps() -> Iterator[Recorder]:
    """A computer with an Apple GPU, for the code in this block; without inference mode, which hides the operators that
    others are made of."""
    recorder = Recorder()
    with mock.patch("torch.backends.mps.is_available", return_value=True), \
            mock.patch("torch._C._nn._parse_to", _parsed(torch._C._nn._parse_to)), \
            mock.patch("torch.mps.synchronize"), mock.patch("torch.Event"), mock.patch("torch.mps.empty_cache"), \
            mock.patch("torch.mps.recommended_max_memory", return_value=24 * 2**30), \
            mock.patch("torch.mps.driver_allocated_memory", return_value=2**30), \
            mock.patch("torch._C._InferenceMode", lambda mode: torch.no_grad()), \
            mock.patch("torch.__future__._overwrite_module_params_on_conversion", True), recorder, _Calls(recorder):
        yield recorder


def _parsed(parse: Callable[..., Any]) -> Callable[..., Any]:
    """What `Module.to` understands, also of a tensor whose device and type are wanted."""
    def parsed(*given: Any, **options: Any) -> Any:
        if given and isinstance(given[0], Claimed):
            return parse(given[0].device, given[0].dtype)
        return parse(*given, **options)
    return parsed


def _named_device(values: Sequence[Any]) -> str:
    """Where a call of `Tensor.to` leads: a device's name or the device itself, or where another tensor is."""
    for value in values:
        if isinstance(value, torch.Tensor):
            return value.device.type
        if isinstance(value, str | torch.device):
            return torch.device(value).type
    return ""


def _converted(tensor: torch.Tensor, given: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """`Tensor.to` where only the type may differ."""
    words = [value.dtype if isinstance(value, torch.Tensor) else value for value in given
             if not isinstance(value, str | torch.device)]
    kept = {name: value for name, value in options.items() if name != "device"}
    changes = any(isinstance(value, torch.dtype) for value in (*words, *kept.values())) or kept.get("copy")
    return tensor.to(*words, **kept) if changes else tensor


def _indexed(value: Any) -> Any:
    if isinstance(value, torch.device) and value.type == "mps":
        return MPS
    return MPS if isinstance(value, str) and value in ("mps", "mps:0") else value


def _run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], recorder: Recorder | None) -> Any:
    name = func._schema.name + (f".{func._schema.overload_name}" if func._schema.overload_name else "")
    flat, _ = tree_flatten((args, kwargs))
    tensors = [value for value in flat if isinstance(value, torch.Tensor)]
    target = kwargs.get("device")
    to_mps = isinstance(target, torch.device) and target.type == "mps"
    if not to_mps and not any(isinstance(tensor, Claimed) for tensor in tensors):
        return func(*args, **kwargs)
    _check_devices(name, tensors)
    if not (target is not None and not to_mps):  # what leaves is a copy
        _check_kernel(func, name)
        if recorder is not None:
            recorder.operators.add(name)
    for generator in flat:
        if isinstance(generator, torch.Generator) and generator.device.type != "mps":
            raise NotOnMps(f"{name}: expected a 'mps' device type for generator but found 'cpu'")
    plain = tree_map(_inner, (tuple(args), dict(kwargs)))
    if to_mps:
        plain[1]["device"] = torch.device("cpu")
        plain[1].pop("pin_memory", None)
    result = func(*plain[0], **plain[1])
    if target is not None and not to_mps:
        return result
    if func._schema.is_mutable and func._schema.name.endswith("_"):
        return args[0]
    return tree_map(_claimed, result)


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Claimed) else value


def _claimed(value: Any) -> Any:
    if not isinstance(value, torch.Tensor) or isinstance(value, Claimed):
        return value
    if value.dtype in REFUSED_TYPES:
        raise NotOnMps("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
    return Claimed(value)


def _check_devices(name: str, tensors: Sequence[torch.Tensor]) -> None:
    strangers = [tensor for tensor in tensors if not isinstance(tensor, Claimed) and tensor.dim()]
    if strangers and any(isinstance(tensor, Claimed) for tensor in tensors) and name not in MIXED:
        raise NotOnMps(f"{name}: expected all tensors to be on the same device, but found mps:0 and cpu")


@functools.cache
def _kernels() -> dict[str, bool]:
    """By operator, whether it has a kernel for MPS, or is made of others."""
    entries = yaml.load(KERNELS.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    structured: dict[str, bool] = {}
    for entry in entries:
        name = "aten::" + entry["func"].partition("(")[0]
        keys = {key.strip() for keys in entry.get("dispatch", {"CompositeImplicitAutograd": ""})
                for key in keys.split(",")}
        structured[name] = any(key == "MPS" or key.startswith("Composite") for key in keys)
    found = dict(structured)
    for name in list(structured):  # made of its own form with `out`, which may lack a kernel
        found[name] = structured[name] and structured.get(f"{name}.out", True)
    for entry in entries:
        if delegate := entry.get("structured_delegate"):
            name = "aten::" + entry["func"].partition("(")[0]
            found[name] = structured["aten::" + delegate]
    return found


def _check_kernel(func: Any, name: str) -> None:
    if not _kernels().get(name, True):
        raise NotOnMps(f"The operator '{name}' is not currently implemented for the MPS device.")

