"""Writes the subset of Fashion-MNIST that the package carries.

    python tools/make_subset.py FOLDER_WITH_FashionMNIST

Takes the first 600 training and 100 test pictures of each class, in the order of the data set.
"""

import gzip
import os
import struct
import sys

import numpy as np

from rushlight.vision.datasets import FashionMNIST
from rushlight.vision.datasets.subset import FOLDER

LICENSE = """\
Fashion-MNIST

Source: https://github.com/zalandoresearch/fashion-mnist
Han Xiao, Kashif Rasul, Roland Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking
Machine Learning Algorithms. arXiv:1708.07747

These files are a subset: the first 600 training and 100 test pictures of each of the ten classes,
in the order of the data set.

The MIT License (MIT)

Copyright (c) 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def write_idx(name: str, array: np.ndarray) -> None:
    """Writes bytes as a packed IDX file, the same for the same numbers."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    packed = gzip.compress(header + array.tobytes(), 9, mtime=0)
    with open(os.path.join(FOLDER, name), "wb") as f:
        f.write(packed)


def main() -> None:
    os.makedirs(FOLDER, exist_ok=True)
    for part, train, each in (("train", True, 600), ("t10k", False, 100)):
        full = FashionMNIST(sys.argv[1], train=train)
        labels = full.targets.numpy()
        chosen = np.sort(np.concatenate([np.flatnonzero(labels == c)[:each] for c in range(10)]))
        write_idx(f"{part}-images-idx3-ubyte.gz", full.data.numpy()[chosen])
        write_idx(f"{part}-labels-idx1-ubyte.gz", labels[chosen].astype(np.uint8))
    with open(os.path.join(FOLDER, "LICENSE"), "w", encoding="utf-8") as f:
        f.write(LICENSE)


if __name__ == "__main__":
    main()
