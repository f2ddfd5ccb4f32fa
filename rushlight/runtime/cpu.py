"""Facts about the processor, read without starting LLVM.

`signature()` names the machine that cached code was made for. It must change whenever LLVM
could choose other instructions, so it holds everything that LLVM's own host detection looks at.
"""

import os
import platform
import sys

# Fields of /proc/cpuinfo that LLVM's host detection depends on.
_FIELDS = ("vendor_id", "cpu family", "model", "stepping", "flags")
_memo: dict[str, object] = {}


def architecture() -> str:
    """The name of the instruction set: "x86_64", "aarch64" or what the system says."""
    name = _memo.get("architecture")
    if name is None:
        machine = os.uname().machine if hasattr(os, "uname") else platform.machine()
        name = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine.lower())
        if sys.maxsize < 2**32:
            name = f"{name}-32"
        _memo["architecture"] = name
    assert isinstance(name, str)
    return name


def _read_cpuinfo() -> dict[str, str]:
    """The first processor's fields of /proc/cpuinfo; empty where there is no such file."""
    try:
        # A short unbuffered read: rendering all processors of a large machine takes long.
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            text = file.read(8192).decode("utf-8", "replace")
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in text.split("\n\n", 1)[0].splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields


def info() -> dict[str, str]:
    """Vendor, family, model, stepping and flags of the processor, as the system reports them."""
    found = _memo.get("info")
    if found is None:
        found = _memo["info"] = _read_cpuinfo()
    assert isinstance(found, dict)
    return found


def features() -> frozenset[str]:
    """The processor's feature flags in the system's spelling, such as "avx2" and "fma"."""
    found = _memo.get("features")
    if found is None:
        found = _memo["features"] = frozenset(info().get("flags", "").split())
    assert isinstance(found, frozenset)
    return found


def signature() -> str:
    """What identifies this processor to the cache of machine code.

    Empty where the system does not tell (then the cache asks LLVM itself).
    """
    fields = info()
    if "flags" not in fields:
        return ""
    return "|".join([sys.platform, architecture(), *(fields.get(name, "") for name in _FIELDS)])


def vector_bytes() -> int:
    """The width in bytes of the widest vector registers: 64, 32 or 16."""
    flags = features()
    if {"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= flags:
        return 64
    return 32 if "avx2" in flags else 16


def _allowed() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _quota() -> int:
    """The processors that a container's time quota amounts to; a large number if there is none."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()[:2]
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return 1 << 20


def core_count() -> int:
    """The cores this process may use: siblings of one core count once, quotas are respected."""
    processors = _allowed()
    cores = set()
    for processor in processors:
        path = f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
        try:
            with open(path, encoding="ascii") as file:
                cores.add(file.read().strip())
        except OSError:
            cores.add(str(processor))
    return max(1, min(len(cores), _quota()))
