"""The one hierarchy of errors. A message says what was wrong, what was got, what was expected, and what to do."""


class KefuError(Exception):
    """Base of every error that kefu raises on purpose."""


class ConfigError(KefuError):
    """A configuration or domain pack is missing, malformed, or contradicts itself."""


class DataError(KefuError):
    """A row of a user's file cannot be used; the message names file and row."""


class LabelError(DataError):
    """A label is not one of the domain pack's labels."""


class ShapeError(KefuError):
    """An array does not have the shape that its consumer expects."""


class BundleError(KefuError):
    """A bundle is incomplete, damaged, or does not fit this version of kefu."""


class ParityError(KefuError):
    """Two engines that must agree (torch and ONNX, alone and batched) do not."""


class InputError(KefuError):
    """A request cannot be read: wrong type, broken characters, or nothing to read."""


class InputTooLongError(InputError):
    """A text is longer than the limit that the service states."""


class GateError(KefuError):
    """A candidate bundle missed a gate and is not promoted."""
