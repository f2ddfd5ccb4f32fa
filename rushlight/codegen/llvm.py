"""LLVM through llvmlite: the only file that imports it, and only when something must be compiled.

Note: no optimisation passes
    The emitters write vector code that is already scheduled. LLVM's instruction selection at
    level 2 makes of it what the full O2 pipeline would, in a third of the time. `opt=True` is for
    plain scalar code with variables in memory: three passes that bring them into registers.

Note: the large code model
    An object may be placed anywhere, any distance from the interpreter and libc; with this
    model all references are 64-bit words, and the loader needs no stubs.
"""

import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from rushlight.base.config import config
from rushlight.runtime import cpu

lock = threading.RLock()  # llvmlite is called by one thread at a time
_machine: Any = None
_engines: list[Any] = []  # MCJIT engines own the code they loaded: kept for ever


def _start() -> Any:
    """llvmlite's binding module and the target machine, made on first use; hold the lock."""
    global _machine
    import llvmlite.binding as llvm  # noqa: PLC0415 - 100 ms, only to compile

    if _machine is None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_triple(llvm.get_process_triple())
        large = cpu.architecture() == "x86_64" and sys.platform.startswith("linux")
        _machine = target.create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=llvm.get_host_cpu_features().flatten(),
            opt=2,
            reloc="static" if large else "default",
            codemodel="large" if large else "jitdefault",
        )
    return llvm


def host() -> str:
    """LLVM's name of this processor with its features."""
    with lock:
        llvm = _start()
        return f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"


def _parse(llvm: Any, ir: str) -> Any:
    # A data layout other than the target machine's aborts builds of LLVM with assertions.
    lines = [line for line in ir.splitlines() if not line.startswith("target ")]
    module = llvm.parse_assembly("\n".join(lines))
    module.triple = llvm.get_process_triple()
    module.verify()
    return module


def _optimise(llvm: Any, module: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    builder = llvm.create_pass_builder(_machine, options)
    passes = llvm.create_new_function_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)


def compile_object(ir: str, opt: bool = False) -> bytes:
    """Compile textual LLVM IR (opaque pointers) to an object file for this processor.

    Args:
        ir: the module. `target` lines in it are ignored.
        opt: run a few passes for scalar code first.

    Raises:
        RuntimeError: when the text does not parse or does not verify.
    """
    with lock:
        llvm = _start()
        module = _parse(llvm, ir)
        if opt:
            _optimise(llvm, module)
        if config.debug >= 4:
            sys.stderr.write(f"{ir}\n")
        if config.debug >= 5:
            sys.stderr.write(f"{_machine.emit_assembly(module)}\n")
        data: bytes = _machine.emit_object(module)
        return data


def assembly(ir: str, opt: bool = False) -> str:
    """The assembly text of a module, for reading."""
    with lock:
        llvm = _start()
        module = _parse(llvm, ir)
        if opt:
            _optimise(llvm, module)
        text: str = _machine.emit_assembly(module)
        return text


def link_object(data: bytes, exports: Sequence[str], symbols: Mapping[str, int]) -> dict[str, int]:
    """Place an object file with LLVM's own JIT linker, where the package's loader cannot.

    Args:
        data: the object file.
        exports: names whose addresses are wanted.
        symbols: addresses of the symbols that the object needs, by name.
    """
    with lock:
        llvm = _start()
        for name, address in symbols.items():
            llvm.add_symbol(name, address)
        target = llvm.Target.from_triple(llvm.get_process_triple())
        machine = target.create_target_machine(opt=2, jit=True)
        engine = llvm.create_mcjit_compiler(_parse(llvm, ""), machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        engine.finalize_object()
        _engines.append(engine)
        found = {name: engine.get_function_address(name) for name in exports}
    for name, address in found.items():
        if not address:
            raise KeyError(f"the object defines no symbol {name}")
    return found
