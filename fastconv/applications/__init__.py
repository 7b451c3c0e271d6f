"""Well-known networks for images, as in `keras.applications`.

    vgg16, vgg19          VGG16, VGG19
    resnet, resnet50      ResNet50, ResNet101, ResNet152
    resnet_v2             ResNet50V2, ResNet101V2, ResNet152V2
    mobilenet             MobileNet
    mobilenet_v2          MobileNetV2
    mobilenet_v3          MobileNetV3Small, MobileNetV3Large
    densenet              DenseNet121, DenseNet169, DenseNet201
    inception_v3          InceptionV3
    xception              Xception
    efficientnet          EfficientNetB0 to EfficientNetB7
    efficientnet_v2       EfficientNetV2B0 to B3, EfficientNetV2S, M, L
    imagenet_utils        preprocess_input, decode_predictions

Layers, their names and order, shapes of weights and numbers of parameters are those of Keras, so
its files of weights load. Each module has `preprocess_input`, which scales pixels as its networks
expect, and `decode_predictions`, which names classes.

Every network takes:

    include_top             whether the layers that classify are present; without them the output
                            are the last feature maps
    weights                 "imagenet" (the default), None for newly drawn weights, or the path of a
                            weights file, `.weights.h5` or `.h5`
    input_tensor            what `Input` or a layer returned, to be the image; None for a new input
    input_shape             (height, width, channels)
    pooling                 without the top: None, or "avg" or "max" for the mean or maximum of each
                            feature map as output
    classes                 number of classes of the top
    classifier_activation   activation of the top; None for logits
    name                    of the model

ValueError for a shape, name or number that is not possible, also in combination with trained
weights; TypeError for arguments of another type.

**Trained weights.** Nothing is downloaded. `weights="imagenet"` searches the file that Keras
distributes for the network, under its original name (`vgg16_weights_tf_dim_ordering_tf_kernels.h5`,
for example), in the folders `$FASTCONV_DATA/models`, `~/.cache/fastconv/models` and
`~/.keras/models`; the last one is Keras's own cache. If no folder has it, FileNotFoundError names
the file and the folders. `decode_predictions` searches `imagenet_class_index.json` there as well.

A network for a task of one's own, on top of the features of another one:

>>> from fastconv import applications, layers, models
>>> base = applications.MobileNetV2((96, 96, 3), include_top=False, weights=None, pooling="avg")
>>> base.trainable = False
>>> model = models.Sequential([base, layers.Dense(2, activation="softmax")])
>>> len(model.trainable_weights)
2
"""

from fastconv.applications import imagenet_utils, resnet50
from fastconv.applications.densenet import DenseNet121, DenseNet169, DenseNet201
from fastconv.applications.efficientnet import (
    EfficientNetB0,
    EfficientNetB1,
    EfficientNetB2,
    EfficientNetB3,
    EfficientNetB4,
    EfficientNetB5,
    EfficientNetB6,
    EfficientNetB7,
)
from fastconv.applications.efficientnet_v2 import (
    EfficientNetV2B0,
    EfficientNetV2B1,
    EfficientNetV2B2,
    EfficientNetV2B3,
    EfficientNetV2L,
    EfficientNetV2M,
    EfficientNetV2S,
)
from fastconv.applications.inception_v3 import InceptionV3
from fastconv.applications.mobilenet import MobileNet
from fastconv.applications.mobilenet_v2 import MobileNetV2
from fastconv.applications.mobilenet_v3 import MobileNetV3Large, MobileNetV3Small
from fastconv.applications.resnet import ResNet50, ResNet101, ResNet152
from fastconv.applications.resnet_v2 import ResNet50V2, ResNet101V2, ResNet152V2
from fastconv.applications.vgg16 import VGG16
from fastconv.applications.vgg19 import VGG19
from fastconv.applications.xception import Xception

__all__ = [
    "VGG16",
    "VGG19",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "ResNet50",
    "ResNet50V2",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "Xception",
    "imagenet_utils",
    "resnet50",
]
