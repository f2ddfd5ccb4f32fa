import os
import sys

import pytest

from rushlight.runtime import cpu

CPUINFO = """processor\t: 0
vendor_id\t: SomeMaker
cpu family\t: 6
model\t\t: 85
model name\t: A Processor @ 2.00GHz
stepping\t: 7
flags\t\t: fpu sse2 avx avx2 fma
bugs\t\t: none

processor\t: 1
vendor_id\t: SomeMaker
flags\t\t: other
"""


def fresh(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(cpu, "_memo", {})
    fields = {}
    for line in text.split("\n\n", maxsplit=1)[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    monkeypatch.setattr(cpu, "_read_cpuinfo", lambda: fields)


def test_signature_changes_with_the_processor(monkeypatch: pytest.MonkeyPatch):
    seen = set()
    for old, new in (
        ("", ""),
        ("avx2 ", ""),
        ("model\t\t: 85", "model\t\t: 86"),
        ("ing\t: 7", "ing\t: 8"),
    ):
        fresh(monkeypatch, CPUINFO.replace(old, new) if old else CPUINFO)
        seen.add(cpu.signature())
    assert len(seen) == 4


def test_unknown_system_has_no_signature(monkeypatch: pytest.MonkeyPatch):
    fresh(monkeypatch, "")
    assert cpu.signature() == ""
    assert cpu.features() == frozenset()
    assert cpu.vector_bytes() == 16


def test_vector_bytes(monkeypatch: pytest.MonkeyPatch):
    fresh(monkeypatch, CPUINFO)
    assert cpu.vector_bytes() == 32
    fresh(monkeypatch, CPUINFO.replace("fma", "fma avx512f avx512bw avx512vl avx512dq"))
    assert cpu.vector_bytes() == 64
    assert "avx512f" in cpu.features()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_this_machine():
    if cpu.architecture() == "x86_64":
        assert "sse2" in cpu.features()
        assert cpu.signature().startswith("linux|x86_64|")
    assert 1 <= cpu.core_count() <= (os.cpu_count() or 1)


def test_quota_limits_the_cores(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpu, "_allowed", lambda: [10**6 + i for i in range(12)])
    monkeypatch.setattr(cpu, "_quota", lambda: 3)
    assert cpu.core_count() == 3
    monkeypatch.setattr(cpu, "_quota", lambda: 100)
    assert cpu.core_count() == 12
