"""The library itself, without its C++ operators: they are of detection, and do not load beside a CPU build of torch."""

import importlib.util
import sys
import types

if importlib.util.find_spec("torchvision") is not None:
    for name in ("_meta_registrations", "_autograd_registrations"):  # of those operators
        sys.modules[f"torchvision.{name}"] = types.ModuleType(f"torchvision.{name}")
