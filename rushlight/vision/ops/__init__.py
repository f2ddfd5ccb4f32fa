"""Boxes in pictures, and the building blocks of models."""

from rushlight.vision.ops.boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    generalized_box_iou,
    nms,
    remove_small_boxes,
)
from rushlight.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation

__all__ = [
    "Conv2dNormActivation", "SqueezeExcitation", "batched_nms", "box_area", "box_convert",
    "box_iou", "clip_boxes_to_image", "generalized_box_iou", "nms", "remove_small_boxes",
]  # fmt: skip
