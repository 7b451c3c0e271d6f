"""Networks that made history, and two small ones to begin with.

    mnist_cnn, cifar_cnn    small networks for 28x28 digits and 32x32 pictures
    lenet5                  LeCun et al. 1998: the first that read cheques
    alexnet                 Krizhevsky et al. 2012: ReLU, dropout, a million pictures
    zfnet                   Zeiler and Fergus 2013: AlexNet with smaller, denser first filters
    vgg16, vgg19            Simonyan and Zisserman 2014: nothing but 3x3, and deep
    resnet18, resnet50      He et al. 2015: sums that lead around layers, so that 50 of them train
    mobilenet               Howard et al. 2017: every channel by itself, then a mixture of channels

Each is a function that returns a model that is not compiled, with random weights; no weights are
downloaded. Common arguments:

    input_shape     (height, width, channels) of one picture
    include_top     whether to include the classifying layers; without them the output is the last
                    feature maps
    classes         number of classes (only with `include_top`)

Further arguments are the options of an architecture. If `keras.applications` has the network,
layers have its names and weights its order.

To inspect a large network without memory for its weights, create and inspect it within
`fastconv.parameters.undrawn_weights()`: the weights remain zero, in memory that is not touched.

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
