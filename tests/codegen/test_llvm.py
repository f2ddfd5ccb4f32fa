import sys

import pytest

from rushlight.codegen import llvm

SQUARE = "define i64 @square(i64 %x) {\n  %y = mul i64 %x, %x\n  ret i64 %y\n}\n"


def test_object_is_made_and_linked_by_the_jit():
    import ctypes

    data = llvm.compile_object(SQUARE)
    found = llvm.link_object(data, ["square"], {})
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(found["square"])(-7) == 49


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF")
def test_object_is_elf():
    assert llvm.compile_object(SQUARE)[:4] == b"\x7fELF"


def test_bad_text_is_refused():
    with pytest.raises(RuntimeError):
        llvm.compile_object("define i64 @f( {")
    with pytest.raises(RuntimeError):
        llvm.compile_object("define i64 @f() {\n  %x = add i64 %y, 1\n  ret i64 %x\n}")


def test_foreign_target_lines_are_ignored():
    text = 'target datalayout = "E-p:16:16"\ntarget triple = "avr-none-none"\n' + SQUARE
    assert llvm.compile_object(text) == llvm.compile_object(SQUARE)


def test_passes_run_when_asked():
    text = "define i64 @f(i64 %x) {\n  %a = alloca i64\n  store i64 %x, ptr %a\n"
    text += "  %b = load i64, ptr %a\n  ret i64 %b\n}\n"
    assert "rsp" in llvm.assembly(text)
    assert "rsp" not in llvm.assembly(text, opt=True)


def test_missing_export():
    with pytest.raises(KeyError, match="cube"):
        llvm.link_object(llvm.compile_object(SQUARE), ["cube"], {})


def test_host_names_features():
    assert len(llvm.host().split()) == 2
