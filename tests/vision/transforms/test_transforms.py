"""Transforms: printed forms, errors, random draws, and Pillow images against tensors."""

import numpy as np
import pytest
from PIL import Image

import rushlight as torch
from rushlight.vision import transforms as T
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms import v2

ARRAY = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
IMAGE = Image.fromarray(ARRAY)
BYTES = torch.from_numpy(ARRAY.transpose(2, 0, 1).copy())
FLOATS = BYTES.float() / 255

# transform; how far tensors may be from Pillow images, in bytes on average
SAME = [
    (T.Resize(10), 0.5),
    (T.Resize((12, 9)), 0.5),
    (T.Resize(8, max_size=10), 0.5),
    (T.Resize(10, T.InterpolationMode.BICUBIC), 0.5),
    (T.CenterCrop(12), 0),
    (T.CenterCrop((40, 41)), 0),
    (T.RandomCrop(10), 0),
    (T.RandomCrop(16, padding=2), 0),
    (T.RandomCrop((30, 40), pad_if_needed=True, padding_mode="reflect"), 0),
    (T.RandomHorizontalFlip(1.0), 0),
    (T.RandomVerticalFlip(1.0), 0),
    (T.RandomRotation(30), 3),
    (T.RandomRotation((10, 20), T.InterpolationMode.BILINEAR, expand=True), 4),
    (T.RandomAffine(10, (0.1, 0.1), (0.8, 1.2), 5), 3),
    (T.RandomAffine(0, (0.2, 0.2)), 0),
    (T.RandomPerspective(p=1.0, interpolation=T.InterpolationMode.NEAREST), 3),
    (T.RandomResizedCrop(8), 0.5),
    (T.ColorJitter(0.3, 0.3, 0.3), 2),  # Pillow rounds after each step
    (T.ColorJitter(hue=0.2), 2),
    (T.Grayscale(), 0.6),
    (T.Grayscale(3), 0.6),
    (T.RandomGrayscale(1.0), 0.6),
    (T.Pad((1, 2)), 0),
    (T.Pad((1, 2, 3, 4), padding_mode="edge"), 0),
    (T.Pad(2, padding_mode="symmetric"), 0),
    (T.Pad((3, -2), padding_mode="reflect"), 0),
    (T.GaussianBlur(3), 0.6),
    (T.RandomInvert(1.0), 0),
    (T.RandomPosterize(3, 1.0), 0),
    (T.RandomSolarize(100, 1.0), 0),
    (T.RandomAdjustSharpness(2, 1.0), 0.5),
    (T.RandomAutocontrast(1.0), 0.5),
    (T.RandomEqualize(1.0), 0),
    (T.RandomApply([T.CenterCrop(3)], 1.0), 0),
]
BYTES_ONLY = (T.RandomPosterize, T.RandomSolarize, T.RandomEqualize)


def array_of(picture):
    array = picture.permute(1, 2, 0).numpy() if isinstance(picture, torch.Tensor) else picture
    array = np.asarray(array).astype(np.float64)
    return array if array.ndim == 3 else array[:, :, None]


@pytest.mark.parametrize(("transform", "distance"), SAME, ids=lambda x: type(x).__name__)
def test_tensors_come_out_as_pillow_images_do(transform, distance):
    results = []
    for picture in (IMAGE, BYTES, FLOATS):
        if picture is FLOATS and isinstance(transform, BYTES_ONLY):
            continue
        torch.manual_seed(1)
        results.append((array_of(transform(picture)), torch.rand(1).item()))
    expected, following = results[0]
    for i, (found, drawn) in enumerate(results[1:]):
        scaled = found * 255 if i == 1 else found
        assert found.shape == expected.shape
        assert drawn == following
        assert np.abs(scaled - expected).mean() <= distance + 1e-4


def test_five_and_ten_crops():
    crops = T.TenCrop((5, 6), vertical_flip=True)(BYTES)
    assert len(crops) == 10
    assert torch.equal(crops[3], BYTES[:, -5:, -6:])
    assert torch.equal(crops[5], BYTES.flip(-2)[:, :5, :6])
    assert np.array_equal(array_of(T.FiveCrop(5)(IMAGE)[1]), ARRAY[:5, -5:])
    with pytest.raises(ValueError, match="is bigger than input size"):
        T.FiveCrop(25)(IMAGE)


@pytest.mark.parametrize(
    ("transform", "text"),
    [
        (T.ToTensor(), "ToTensor()"),
        (T.ToPILImage("RGB"), "ToPILImage(mode=RGB)"),
        (T.Normalize((0.5,), (0.5,)), "Normalize(mean=(0.5,), std=(0.5,))"),
        (T.Lambda(abs), "Lambda()"),
        (T.Compose([T.ToTensor(), T.CenterCrop(3)]),
         "Compose(\n    ToTensor()\n    CenterCrop(size=(3, 3))\n)"),
        (T.Resize(5), "Resize(size=5, interpolation=bilinear, max_size=None, antialias=True)"),
        (T.RandomCrop(3, padding=1), "RandomCrop(size=(3, 3), padding=1)"),
        (T.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
        (T.RandomRotation(3), "RandomRotation(degrees=[-3.0, 3.0], interpolation=nearest, "
                              "expand=False, fill=0)"),
        (T.RandomAffine(3, scale=(1, 2)), "RandomAffine(degrees=[-3.0, 3.0], scale=(1, 2))"),
        (T.RandomResizedCrop(4), "RandomResizedCrop(size=(4, 4), scale=(0.08, 1.0), ratio=(0.75, "
                                 "1.3333), interpolation=bilinear, antialias=True)"),
        (T.ColorJitter(0.1), "ColorJitter(brightness=(0.9, 1.1), contrast=None, saturation=None, "
                             "hue=None)"),
        (T.RandomErasing(), "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, "
                            "inplace=False)"),
        (T.RandomPosterize(2), "RandomPosterize(bits=2,p=0.5)"),
        (T.RandomApply([T.ToTensor()]), "RandomApply(\n    p=0.5\n    ToTensor()\n)"),
        (T.RandomChoice([T.ToTensor()]), "RandomChoice(\n    ToTensor()\n)(p=None)"),
    ],
)  # fmt: skip
def test_printed_forms(transform, text):
    assert repr(transform) == text


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: T.Lambda(3), TypeError, "Argument lambd should be callable, got 'int'"),
        (lambda: T.Resize(None), TypeError, "Size should be int or sequence. Got <class 'NoneTyp"),
        (lambda: T.Resize((1, 2, 3)), ValueError, "If size is a sequence, it should have 1 or 2"),
        (lambda: T.CenterCrop((1, 2, 3)), ValueError, "Please provide only two dimensions"),
        (
            lambda: T.RandomCrop(40)(IMAGE),
            ValueError,
            r"Required crop size \(40, 40\) is larger th",
        ),
        (lambda: T.Pad("x"), TypeError, "Got inappropriate padding arg"),
        (lambda: T.Pad((1, 2, 3)), ValueError, "Padding must be an int or a 1, 2, or 4 element"),
        (lambda: T.Pad(1, padding_mode="x"), ValueError, "Padding mode should be either constant"),
        (lambda: T.RandomRotation(-1), ValueError, "If degrees is a single number, it must be pos"),
        (
            lambda: T.RandomAffine(1, (2, 0)),
            ValueError,
            "translation values should be between 0 an",
        ),
        (lambda: T.ColorJitter(-1), ValueError, "If brightness is a single number, it must be non"),
        (lambda: T.ColorJitter(hue=0.6), ValueError, r"hue values should be between \(-0.5, 0.5\)"),
        (lambda: T.GaussianBlur(2), ValueError, "Kernel size value should be an odd and positive"),
        (lambda: T.RandomErasing(2), ValueError, "Random erasing probability should be between"),
        (lambda: T.ToTensor()(3), TypeError, "pic should be PIL Image or ndarray. Got <class 'int"),
        (lambda: T.ToTensor()(np.ones(3)), ValueError, "pic should be 2/3 dimensional. Got 1 dime"),
        (lambda: T.ToTensor()(BYTES), TypeError, "pic should be PIL Image or ndarray. Got <class"),
        (lambda: T.PILToTensor()(ARRAY), TypeError, "pic should be PIL Image. Got"),
        (lambda: T.ToPILImage()(3), TypeError, "pic should be Tensor or ndarray. Got"),
        (
            lambda: T.ToPILImage("L")(FLOATS),
            ValueError,
            "Only modes .* are supported for 3D inputs",
        ),
        (lambda: T.Normalize([0.5], [0.5])(IMAGE), TypeError, "img should be Tensor Image. Got"),
        (lambda: T.Normalize([0.5], [0.5])(BYTES), TypeError, "Input tensor should be a float ten"),
        (lambda: T.Normalize([0.5], [0.0])(FLOATS), ValueError, "std evaluated to zero after conv"),
        (
            lambda: T.Normalize([0.5], [0.5])(FLOATS[0]),
            ValueError,
            "Expected tensor to be a tensor",
        ),
        (
            lambda: T.ConvertImageDtype(torch.int32)(FLOATS),
            RuntimeError,
            "The cast from torch.floa",
        ),
        (lambda: F.hflip(3), TypeError, "Unexpected type <class 'int'>"),
    ],
)
def test_errors(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def test_to_tensor():
    assert torch.equal(T.ToTensor()(IMAGE), FLOATS)
    assert torch.equal(T.ToTensor()(ARRAY), FLOATS)
    assert T.ToTensor()(np.ones((2, 3))).dtype is torch.float64
    one_bit = Image.new("1", (2, 1), 1)
    assert T.ToTensor()(one_bit).tolist() == [[[1.0, 1.0]]]
    assert T.ToTensor()(Image.new("I", (2, 1), 70000)).tolist() == [[[70000, 70000]]]
    assert T.ToTensor()(Image.new("F", (1, 1), 2.5)).tolist() == [[[2.5]]]
    assert T.ToTensor()(Image.new("RGBA", (3, 2))).shape == (4, 2, 3)
    assert torch.equal(T.PILToTensor()(IMAGE), BYTES)


def test_to_pil_image():
    assert np.array_equal(np.asarray(T.ToPILImage()(FLOATS)), ARRAY)
    assert T.ToPILImage()(torch.rand(4, 5)).mode == "L"
    assert T.ToPILImage(mode="F")(torch.rand(1, 4, 5)).mode == "F"
    assert T.ToPILImage()(torch.zeros(4, 2, 2)).mode == "RGBA"
    assert T.ToPILImage(mode="HSV")(BYTES).mode == "HSV"
    assert T.ToPILImage()(ARRAY).size == (30, 20)


def test_convert_image_dtype():
    convert = F.convert_image_dtype
    assert convert(torch.tensor([0, 128, 255], dtype=torch.uint8)).tolist() == [
        0.0, pytest.approx(128 / 255), 1.0,
    ]  # fmt: skip
    assert convert(torch.tensor([0.0, 0.5, 1.0]), torch.uint8).tolist() == [0, 127, 255]
    wide = convert(torch.tensor([1, 255], dtype=torch.uint8), torch.int16)
    assert wide.tolist() == [128, 32640]
    assert convert(wide, torch.uint8).tolist() == [1, 255]


def test_normalize():
    picture = torch.ones(3, 2, 2)
    mean, std = (0.5, 0.25, 0.0), (0.5, 0.25, 2.0)
    assert T.Normalize(mean, std)(picture)[:, 0, 0].tolist() == [1.0, 3.0, 0.5]
    assert picture.max().item() == 1.0
    T.Normalize(mean, std, inplace=True)(picture)
    assert picture[1, 0, 0].item() == 3.0
    assert T.Normalize(mean, std)(torch.ones(4, 3, 2, 2)).shape == (4, 3, 2, 2)


def test_random_draws():
    torch.manual_seed(0)
    first = torch.rand(1).item()
    torch.manual_seed(0)
    flipped = T.RandomHorizontalFlip(first + 1e-6)(BYTES)
    assert torch.equal(flipped, BYTES.flip(-1))
    torch.manual_seed(0)
    i, j, _h, _w = T.RandomCrop.get_params(BYTES, (10, 10))
    torch.manual_seed(0)
    assert (i, j) == (torch.randint(0, 11, (1,)).item(), torch.randint(0, 21, (1,)).item())
    torch.manual_seed(0)
    angle = T.RandomRotation.get_params([-10.0, 10.0])
    torch.manual_seed(0)
    assert angle == torch.empty(1).uniform_(-10, 10).item()


def test_erasing():
    torch.manual_seed(0)
    erased = T.RandomErasing(1.0, value=(1.0, 2.0, 3.0))(FLOATS)
    hole = erased[2] == 3.0
    assert hole.any()
    assert (erased[0][hole] == 1.0).all()
    assert torch.equal(erased[:, ~hole], FLOATS[:, ~hole])
    assert T.RandomErasing(0.0)(FLOATS) is FLOATS
    assert not torch.equal(T.RandomErasing(1.0, value="random")(FLOATS), FLOATS)


def test_linear_transformation():
    transform = T.LinearTransformation(torch.eye(4) * 2, torch.ones(4))
    assert transform(torch.full((1, 2, 2), 3.0)).flatten().tolist() == [4.0] * 4
    with pytest.raises(ValueError, match="transformation_matrix should be square"):
        T.LinearTransformation(torch.ones(2, 3), torch.ones(2))


def test_second_version():
    to_float = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    assert torch.equal(to_float(IMAGE), FLOATS)
    assert torch.equal(v2.ToImage()(ARRAY), BYTES)
    assert v2.ToDtype(torch.float32)(BYTES).max().item() > 1
    assert v2.RGB()(torch.ones(1, 2, 2)).shape == (3, 2, 2)
    with pytest.raises(NotImplementedError, match="rushlight does not support v2.ToDtype with a"):
        v2.ToDtype({})
