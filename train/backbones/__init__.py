"""Backbones in plain torch, with torchvision's parameter names so that public weights load.

Every network takes float32 ``[N, 1, S, S]`` and returns logits ``[N, classes]``. A stage's stride is an
argument because a 48-pixel face cannot afford the five halvings that a 224-pixel photograph can.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from edge.errors import RecipeInvalid
from train.backbones.densenet import DenseNet
from train.backbones.efficientnet import EfficientNet, EfficientNetLite, EfficientNetLite2
from train.backbones.mobilenet_v2 import MobileNetV2
from train.backbones.mobilenet_v3 import MobileNetV3Small
from train.backbones.resnet_slim import ResNetSlim
from train.backbones.small_cnn import SmallCnn
from train.recipe import ModelRecipe

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "densenet": DenseNet,
    "efficientnet_b0": EfficientNet,
    "efficientnet_lite0": EfficientNetLite,
    "efficientnet_lite2": EfficientNetLite2,
    "mobilenet_v2": MobileNetV2,
    "mobilenet_v3_small": MobileNetV3Small,
    "resnet_slim": ResNetSlim,
    "small_cnn": SmallCnn,
}


def build(model: ModelRecipe, classes: int) -> nn.Module:
    """The recipe's backbone with fresh weights. Raises RecipeInvalid for an unknown name."""
    if model.backbone not in BACKBONES:
        raise RecipeInvalid(f"unknown backbone '{model.backbone}': choose {', '.join(BACKBONES)}")
    return BACKBONES[model.backbone](
        classes,
        width=model.width,
        strides=model.strides,
        dropout=model.dropout,
        activation=model.activation,
        drop_path=model.drop_path,
    )
