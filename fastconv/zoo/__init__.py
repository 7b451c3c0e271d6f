"""Networks that made history, and two small ones to begin with.

    mnist_cnn, cifar_cnn    small networks for 28x28 digits and 32x32 pictures
    lenet5                  LeCun et al. 1998: the first that read cheques
    alexnet                 Krizhevsky et al. 2012: ReLU, dropout, a million pictures
    zfnet                   Zeiler and Fergus 2013: AlexNet with smaller, denser first filters
    vgg16, vgg19            Simonyan and Zisserman 2014: nothing but 3x3, and deep
    resnet18, resnet50      He et al. 2015: sums that lead around layers, so that 50 of them train
    mobilenet               Howard et al. 2017: every channel by itself, then a mixture of channels

Each is a function that returns a model which is not compiled, with weights drawn anew; none is
downloaded. All take

    input_shape     (height, width, channels) of one picture
    include_top     whether the layers that classify are there; without them, the model gives the
                    last feature maps, for whatever one wants to put on top
    classes         how many classes there are (only where the top is)

and what their architecture leaves open. Layers have the names that `keras.applications` gives them
where the network is there, and the order of the weights is the same, too.

To look at a large network without paying for its weights, make it and look at it under
`fastconv.parameters.undrawn_weights()`: they stay zero, in memory that nobody touches.

>>> from fastconv import zoo
>>> zoo.mnist_cnn().count_params(), zoo.mnist_cnn(include_top=False).count_params()
(93322, 55744)
"""

from fastconv.zoo.alexnet import alexnet
from fastconv.zoo.lenet import lenet5
from fastconv.zoo.mobilenet import mobilenet
from fastconv.zoo.resnet import resnet18, resnet50
from fastconv.zoo.small import cifar_cnn, mnist_cnn
from fastconv.zoo.vgg import vgg16, vgg19
from fastconv.zoo.zfnet import zfnet

__all__ = [
    "alexnet",
    "cifar_cnn",
    "lenet5",
    "mnist_cnn",
    "mobilenet",
    "resnet18",
    "resnet50",
    "vgg16",
    "vgg19",
    "zfnet",
]
