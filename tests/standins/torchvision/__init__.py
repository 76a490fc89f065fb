"""Stands for torchvision, which cannot be imported beside the locked build of torch: every name is an empty class.

nnU-Net and Lightning import packages that import torchvision, and use nothing of it here. With a build of torch that
torchvision fits, nobody needs this.
"""

import importlib.abc
import importlib.machinery
import sys

__version__ = "0.0"


class _AnyMember(type):
    """Classes with any member, for enumerations."""

    def __getattr__(cls, name):
        return _any_name(name)


class _Empty(metaclass=_AnyMember):
    """Any class or value of torchvision."""

    def __init__(self, *arguments, **named):
        """Take anything."""

    def __init_subclass__(cls, **named):
        """Be anybody's parent."""


class _Anything(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module below torchvision, and fills it with empty classes."""

    def find_spec(self, fullname, path, target=None):  # noqa: ARG002 - as Python calls it
        """A module that is a package, too."""
        if fullname.startswith("torchvision."):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):  # noqa: ARG002 - as Python calls it
        """As usual."""
        return

    def exec_module(self, module):
        """Give the module any name that is asked for."""
        module.__getattr__ = _any_name


def _any_name(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return _AnyMember(name, (_Empty,), {})


sys.meta_path.insert(0, _Anything())


def __getattr__(name):
    return _any_name(name)
