"""Boxes (x1, y1, x2, y2), one in each row of a tensor."""

import numpy as np

from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._late import late
from rushlight.ops.joining import stack


def box_area(boxes: Tensor) -> Tensor:
    """The area of each box.

    Shape:
        boxes: (N, 4); output: (N,)
    """
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _intersection(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The areas of the intersections and of the unions of all pairs."""
    top = late.maximum(a[:, None, :2], b[:, :2])
    bottom = late.minimum(a[:, None, 2:], b[:, 2:])
    sides = (bottom - top).clamp(min=0)
    inside = sides[:, :, 0] * sides[:, :, 1]
    return inside, box_area(a)[:, None] + box_area(b) - inside


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of all pairs.

    Shape:
        boxes1: (N, 4); boxes2: (M, 4); output: (N, M)

    Examples::

        >>> from rushlight.vision import ops
        >>> ops.box_iou(torch.tensor([[0., 0., 2., 2.]]), torch.tensor([[1., 1., 3., 3.]]))
        tensor([[0.1429]])
    """
    inside, union = _intersection(boxes1, boxes2)
    return inside / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union, less the share of the common hull that neither box covers."""
    inside, union = _intersection(boxes1, boxes2)
    top = late.minimum(boxes1[:, None, :2], boxes2[:, :2])
    bottom = late.maximum(boxes1[:, None, 2:], boxes2[:, 2:])
    sides = (bottom - top).clamp(min=0)
    hull = sides[:, :, 0] * sides[:, :, 1]
    return inside / union - (hull - union) / hull


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: the boxes left when those that overlap better ones are dropped.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_threshold: a box goes if its IoU with a better one is larger.

    Returns their numbers, best first.

    Examples::

        >>> from rushlight.vision import ops
        >>> boxes = torch.tensor([[0., 0., 10., 10.], [1., 1., 10., 10.], [20., 20., 30., 30.]])
        >>> ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
        tensor([0, 2])
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise RuntimeError(f"boxes should be a 2d tensor of (N, 4), got {list(boxes.shape)}")
    b, s = boxes.detach().numpy(), scores.detach().numpy()
    order = np.argsort(-s, kind="stable")
    area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        sides = np.minimum(b[best, 2:], b[rest, 2:]) - np.maximum(b[best, :2], b[rest, :2])
        inside = np.prod(np.maximum(sides, 0), axis=1)
        order = rest[inside <= iou_threshold * (area[best] + area[rest] - inside)]
    return wrap(np.array(kept, np.int64))


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """``nms`` for each class (``idxs``) by itself."""
    if not boxes.numel():
        return wrap(np.zeros(0, np.int64))
    offsets = idxs.to(boxes.dtype) * (boxes.max() + 1)  # moves the classes apart
    return nms(boxes + offsets[:, None], scores, iou_threshold)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The boxes cut at the edges of a picture of size (height, width)."""
    height, width = size
    x = boxes[..., 0::2].clamp(0, width)
    y = boxes[..., 1::2].clamp(0, height)
    return stack((x, y), dim=-1).reshape(boxes.shape)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """The numbers of the boxes with both sides at least ``min_size``."""
    b = boxes.detach().numpy()
    large = (b[:, 2] - b[:, 0] >= min_size) & (b[:, 3] - b[:, 1] >= min_size)
    return wrap(np.flatnonzero(large))


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes in another form: "xyxy", "xywh" (corner and size) or "cxcywh" (middle and size)."""
    allowed = ("xyxy", "xywh", "cxcywh")
    if in_fmt not in allowed or out_fmt not in allowed:
        raise ValueError("Unsupported Bounding Box Conversions for given in_fmt and out_fmt")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = late.unbind(boxes, dim=-1)
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return stack((a, b, c, d), dim=-1)
