"""The signature language of builtins: what is checked, allocated and passed to a kernel.

    x: f32[...r, n], weight: f32[n]? -> out: f32[...r, n]; call out, x, weight, r, n

Note: the grammar
    signature  = parameters "->" results { ";" clause }
    parameter  = name ":" type [ "?" ]          "?": may be None or left out at the end
    type       = array | "@" array | "int" | "float" | "bool"
    array      = dtype "[" dims "]" { mark }    dtype: f16 f32 f64 i8 i16 i32 i64 u8 bool c64 c128
    dims       = [ "..." name ] { name | number }, separated by commas
    mark       = "~" any strides (else C-contiguous)  |  "!" the kernel writes into it
    results    = "None" | result { "," result }
    result     = name ":" [ "@" ] dtype "[" shape "]"   a new array; dims here are expressions
               | name                                   the parameter of that name itself
    clause     = "call" argument { "," argument }       what the kernel gets, in this order
               | "if" expression compare expression { "," ... }    else the fallback
               | "work" expression     elements of work; from GIL_WORK on the lock is released
               | "status"              the kernel returns an i32; not 0: the fallback is called
    argument   = array name (its data: ptr; null for None) | float name (double)
               | "f32" "(" float name ")" (float) | expression (i64)
               | array name "." ("shape" | "strides") (ptr to i64) | array name "." "ndim" (i64)
    expression = + - * // over numbers, dims, int and bool parameters and parentheses

A dim's name means the same number wherever it stands; `...r` means the same list of dims, and
`r` in an expression their product. "@" marks a tensor that wraps such an array. Arrays must have
exactly the type numpy.ndarray and the named dtype, be aligned, and hold at least one element;
whatever is not as described goes to the fallback.
"""

DTYPES = ("f16", "f32", "f64", "i8", "i16", "i32", "i64", "u8", "bool", "c64", "c128")
COMPARISONS = {"==": "eq", "!=": "ne", "<=": "sle", ">=": "sge", "<": "slt", ">": "sgt"}
_SYMBOLS = ("...", "->", "//", "==", "!=", "<=", ">=", *"[](),;:?@~!.+-*<>")

# An expression: a number, a name, or (operator, left, right).
Expression = int | str | tuple[str, "Expression", "Expression"]


class SignatureError(ValueError):
    """The text is not a signature."""


class Array:
    """The type of an array: dtype, leading group of dims or "", further dims, marks."""

    __slots__ = ("dims", "dtype", "group", "strided", "tensor", "written")

    def __init__(self, dtype: str, group: str, dims: list[Expression]) -> None:
        self.dtype = dtype
        self.group = group
        self.dims = dims
        self.tensor = False
        self.strided = False
        self.written = False


class Parameter:
    """A parameter: `kind` is "array", "int", "float" or "bool"."""

    __slots__ = ("array", "kind", "name", "optional")

    def __init__(self, name: str, kind: str, array: Array | None) -> None:
        self.name = name
        self.kind = kind
        self.array = array
        self.optional = False


class Signature:
    """A parsed signature."""

    __slots__ = ("arguments", "conditions", "parameters", "results", "status", "text", "work")

    def __init__(self, text: str) -> None:
        self.text = text
        self.parameters: list[Parameter] = []
        # (name, array) for a new array, (name, None) for a parameter handed back
        self.results: list[tuple[str, Array | None]] = []
        self.arguments: list[tuple[str, Expression]] = []  # (kind, name or expression)
        self.conditions: list[tuple[str, Expression, Expression]] = []
        self.work: Expression | None = None
        self.status = False

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of this name."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        return None


def _tokens(text: str) -> list[str]:
    found = []
    i = 0
    while i < len(text):
        if text[i].isspace():
            i += 1
            continue
        if text[i].isalnum() or text[i] == "_":
            end = i
            while end < len(text) and (text[end].isalnum() or text[end] == "_"):
                end += 1
            found.append(text[i:end])
            i = end
            continue
        for symbol in _SYMBOLS:
            if text.startswith(symbol, i):
                found.append(symbol)
                i += len(symbol)
                break
        else:
            raise SignatureError(f"{text!r}: unexpected {text[i]!r} at {i}")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [*_tokens(text), ""]
        self.at = 0
        self.signature = Signature(text)

    def fail(self, wanted: str) -> SignatureError:
        return SignatureError(f"{self.text!r}: {wanted} expected, found {self.tokens[self.at]!r}")

    def peek(self) -> str:
        return self.tokens[self.at]

    def take(self, token: str) -> bool:
        if self.tokens[self.at] != token:
            return False
        self.at += 1
        return True

    def need(self, token: str) -> None:
        if not self.take(token):
            raise self.fail(repr(token))

    def name(self) -> str:
        token = self.peek()
        if not token.isidentifier():
            raise self.fail("a name")
        self.at += 1
        return token

    # expressions

    def expression(self) -> Expression:
        left = self.product()
        while self.peek() in ("+", "-"):
            operator = self.tokens[self.at]
            self.at += 1
            left = (operator, left, self.product())
        return left

    def product(self) -> Expression:
        left = self.atom()
        while self.peek() in ("*", "//"):
            operator = self.tokens[self.at]
            self.at += 1
            left = (operator, left, self.atom())
        return left

    def atom(self) -> Expression:
        if self.take("("):
            inside = self.expression()
            self.need(")")
            return inside
        if self.take("-"):
            return ("-", 0, self.atom())
        if self.peek().isdigit():
            self.at += 1
            return int(self.tokens[self.at - 1])
        return self.name()

    # types

    def array(self, result: bool) -> Array:
        tensor = self.take("@")
        dtype = self.name()
        if dtype not in DTYPES:
            raise SignatureError(f"{self.text!r}: unknown dtype {dtype!r}")
        self.need("[")
        group = ""
        dims: list[Expression] = []
        if self.take("..."):
            group = self.name()
            if self.peek() != "]":
                self.need(",")
        while self.peek() != "]":
            dim = self.expression()
            if not result and not isinstance(dim, int | str):
                raise SignatureError(f"{self.text!r}: a dim of a parameter is a name or a number")
            dims.append(dim)
            if not self.take(","):
                break
        self.need("]")
        array = Array(dtype, group, dims)
        array.tensor = tensor
        if not result:
            array.strided = self.take("~")
            array.written = self.take("!")
        return array

    def parameter(self) -> Parameter:
        name = self.name()
        if self.signature.parameter(name):
            raise SignatureError(f"{self.text!r}: two parameters {name!r}")
        self.need(":")
        if self.peek() in ("int", "float", "bool") and self.tokens[self.at + 1] != "[":
            return Parameter(name, self.name(), None)
        parameter = Parameter(name, "array", self.array(False))
        parameter.optional = self.take("?")
        return parameter

    def result(self) -> tuple[str, Array | None]:
        name = self.name()
        if self.take(":"):
            return name, self.array(True)
        parameter = self.signature.parameter(name)
        if parameter is None or parameter.kind != "array" or parameter.optional:
            raise SignatureError(f"{self.text!r}: {name!r} is not an array that can be returned")
        return name, None

    def argument(self) -> tuple[str, Expression]:
        token = self.peek()
        if token == "f32" and self.tokens[self.at + 1] == "(":
            self.at += 2
            name = self.name()
            self.need(")")
            return "f32", name
        following = self.tokens[self.at + 1]
        if following == ".":
            self.at += 2
            field = self.name()
            if field not in ("shape", "strides", "ndim"):
                raise self.fail("shape, strides or ndim")
            return field, token
        parameter = self.signature.parameter(token)
        made = any(name == token for name, _ in self.signature.results)
        if made or (parameter is not None and parameter.kind in ("array", "float")):
            self.at += 1
            return ("float" if parameter and parameter.kind == "float" else "data"), token
        return "i64", self.expression()

    def condition(self) -> tuple[str, Expression, Expression]:
        left = self.expression()
        operator = self.peek()
        if operator not in COMPARISONS:
            raise self.fail("a comparison")
        self.at += 1
        return COMPARISONS[operator], left, self.expression()

    def clause(self) -> None:
        word = self.name()
        signature = self.signature
        if word == "call":
            signature.arguments.append(self.argument())
            while self.take(","):
                signature.arguments.append(self.argument())
        elif word == "if":
            signature.conditions.append(self.condition())
            while self.take(","):
                signature.conditions.append(self.condition())
        elif word == "work":
            signature.work = self.expression()
        elif word == "status":
            signature.status = True
        else:
            raise SignatureError(f"{self.text!r}: unknown clause {word!r}")

    def parse(self) -> Signature:
        signature = self.signature
        while self.peek() != "->":
            signature.parameters.append(self.parameter())
            if not self.take(","):
                break
        self.need("->")
        if not self.take("None"):
            signature.results.append(self.result())
            while self.take(","):
                signature.results.append(self.result())
        while self.take(";"):
            if self.peek():
                self.clause()
        if self.peek():
            raise self.fail("the end")
        if not signature.arguments:
            raise SignatureError(f"{self.text!r}: no call clause")
        return signature


def parse(text: str) -> Signature:
    """Parse a signature.

    Raises:
        SignatureError: saying what is wrong with the text.
    """
    return _Parser(text).parse()
