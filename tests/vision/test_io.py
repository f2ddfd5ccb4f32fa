"""Picture files, grids, boxes."""

import io

import numpy as np
import pytest
from PIL import Image

import rushlight as torch
from rushlight.vision import ops
from rushlight.vision.io import (
    ImageReadMode,
    decode_image,
    encode_jpeg,
    encode_png,
    read_file,
    read_image,
    write_jpeg,
    write_png,
)
from rushlight.vision.utils import make_grid, save_image

ARRAY = np.random.default_rng(0).integers(0, 256, (3, 5, 7), dtype=np.uint8)


def test_png_there_and_back(tmp_path):
    write_png(torch.from_numpy(ARRAY), tmp_path / "a.png")
    found = read_image(str(tmp_path / "a.png"))
    assert found.dtype is torch.uint8
    assert np.array_equal(found.numpy(), ARRAY)
    assert read_image(tmp_path / "a.png", ImageReadMode.GRAY).shape == (1, 5, 7)
    assert read_image(tmp_path / "a.png", "RGB_ALPHA").shape == (4, 5, 7)


def test_jpeg_is_decoded_as_pillow_does(tmp_path):
    write_jpeg(torch.from_numpy(ARRAY), tmp_path / "a.jpg", quality=90)
    expected = np.asarray(Image.open(tmp_path / "a.jpg")).transpose(2, 0, 1)
    assert np.array_equal(read_image(tmp_path / "a.jpg").numpy(), expected)
    assert np.array_equal(decode_image(read_file(tmp_path / "a.jpg")).numpy(), expected)


def test_palette_and_one_bit_pictures(tmp_path):
    image = Image.fromarray(ARRAY.transpose(1, 2, 0)).convert("P")
    image.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png").shape == (3, 5, 7)
    Image.new("1", (4, 3), 1).save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png").tolist() == [[[255] * 4] * 3]


def test_errors(tmp_path):
    with pytest.raises(
        RuntimeError, match=r"\[Errno 2\] No such file or directory: '.*nothing.png'"
    ):
        read_image(tmp_path / "nothing.png")
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(RuntimeError, match="Unsupported image file"):
        read_image(tmp_path / "x.png")
    with pytest.raises(RuntimeError, match="Input tensor dtype should be uint8"):
        encode_png(torch.ones(3, 2, 2))
    with pytest.raises(RuntimeError, match="The number of channels should be 1 or 3, got: 2"):
        encode_jpeg(torch.ones(2, 2, 2, dtype=torch.uint8))


def test_grid():
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    grid = make_grid(images, nrow=2, padding=1, pad_value=9)
    assert grid.shape == (3, 7, 7)
    assert grid[0].tolist() == [
        [9, 9, 9, 9, 9, 9, 9], [9, 0, 0, 9, 1, 1, 9], [9, 0, 0, 9, 1, 1, 9],
        [9, 9, 9, 9, 9, 9, 9], [9, 2, 2, 9, 9, 9, 9], [9, 2, 2, 9, 9, 9, 9],
        [9, 9, 9, 9, 9, 9, 9],
    ]  # fmt: skip
    stretched = make_grid(images, normalize=True, padding=0)
    assert sorted(set(stretched.flatten().tolist())) == [0.0, 0.5, 1.0]
    assert images.max().item() == 2  # the pictures stay as they were
    assert make_grid(torch.ones(4, 4)).shape == (3, 4, 4)
    with pytest.raises(TypeError, match="tensor or list of tensors expected, got"):
        make_grid(3)


def test_save_image():
    stream = io.BytesIO()
    save_image(torch.full((1, 3, 2, 2), 0.5), stream, format="PNG")
    assert np.array_equal(np.asarray(Image.open(stream)), np.full((2, 2, 3), 128, np.uint8))


def test_boxes():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 25, 30], [0, 0, 10, 9]])
    scores = torch.tensor([0.5, 0.9, 0.3, 0.8])
    assert ops.nms(boxes, scores, 0.5).tolist() == [1, 2]
    assert ops.nms(boxes, scores, 0.95).tolist() == [1, 3, 0, 2]
    classes = torch.tensor([0, 1, 0, 1])
    assert ops.batched_nms(boxes, scores, classes, 0.5).tolist() == [1, 0, 2]
    assert ops.box_area(boxes).tolist() == [100, 100, 50, 90]
    assert ops.box_iou(boxes[:1], boxes)[0].tolist() == pytest.approx([1, 81 / 119, 0, 0.9])
    assert ops.box_convert(boxes[2:3], "xyxy", "cxcywh").tolist() == [[22.5, 25, 5, 10]]
    assert ops.box_convert(ops.box_convert(boxes, "xyxy", "xywh"), "xywh", "xyxy").equal(boxes)
    assert ops.clip_boxes_to_image(boxes[2:3], (24, 22)).tolist() == [[20, 20, 22, 24]]
    assert ops.remove_small_boxes(boxes, 9.5).tolist() == [0, 1]
