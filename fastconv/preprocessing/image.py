"""Single pictures under Keras's older name; see `fastconv.utils.images`."""

from fastconv.utils.images import array_to_img, img_to_array, load_img, save_img

__all__ = ["array_to_img", "img_to_array", "load_img", "save_img"]
