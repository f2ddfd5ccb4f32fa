"""Devices. rushlight computes on the CPU; the other names of PyTorch parse, and are refused on use."""

_TYPES = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia",
    "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip


class device:
    """Where a tensor lives: ``device("cpu")``, ``device("cuda:0")``, ``device("cuda", 0)``.

    Raises RuntimeError for a type that PyTorch does not know. Using any device but the CPU to make
    a tensor raises too.
    """

    __slots__ = ("index", "type")
    __module__ = "torch"

    type: str
    index: int | None

    def __init__(self, type: "str | int | device", index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int):
            self.type, self.index = "cuda", type
            return
        if not type:
            raise RuntimeError("Device string must not be empty")
        name, colon, number = type.partition(":")
        if name not in _TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(_TYPES)} device type at start of device string: {name}"
            )
        if colon:
            if not number.isdigit() or (len(number) > 1 and number[0] == "0"):
                raise RuntimeError(f"Invalid device string: '{type}'")
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            index = int(number)
        self.type, self.index = name, index

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type='{self.type}')"
        return f"device(type='{self.type}', index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and other.type == self.type and other.index == self.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return make_device, (self.type, self.index)

    def __enter__(self) -> "device":
        check_device(self)  # the CPU is where tensors are made anyway
        return self

    def __exit__(self, *args: object) -> None:
        pass


def make_device(type: str, index: int | None) -> device:
    """What a pickled device is made from."""
    return device(type, index)


cpu = device("cpu")


def check_device(where: object) -> device:
    """The device meant by ``where`` if rushlight can compute there (None means the CPU)."""
    if where is None or where is cpu:
        return cpu
    found = device(where)  # type: ignore[arg-type]
    if found.type == "cpu":
        return cpu
    if found.type == "cuda":
        raise AssertionError("Torch not compiled with CUDA enabled")
    raise NotImplementedError(
        f"Could not run on the '{found.type}' device: rushlight computes on the CPU only."
    )
