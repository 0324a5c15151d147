"""Messages of errors without the numbers of images: an array in a message is written out by its library."""

from __future__ import annotations

import re
import traceback

from napari_ddmd.one_line import one_line

# An array or a number as numpy or torch writes it for programmers; a long row of numbers in brackets; and numbers
# in brackets that no comma parts, as numpy writes an array for readers (a shape has commas). Between them may stand
# what a traceback or a string in a string puts there.
_VALUES = re.compile(
    r"(?:array|tensor|memmap)\(\s*(?:data=\s*)?[\[\d.+-][^)]*\)?"
    r"|np\.(?:float|u?int|complex)\d+\([^)]*\)"
    r"|\[[\s\d.,eE+\-\[\]…naif|\\]{40,}"
    r"|\[[\s\[]*[-+]?\d[\d.eE+-]*(?:[\s\[\]\\n|]+[-+]?[\d.][\d.eE+-]*)+[\s\]]*"
)


def hide_values(text: str) -> str:
    r"""Put […] in the place of arrays, so that a message holds nothing of the images.

    Examples
    --------
    >>> hide_values("cannot index array([[1., 2.],\n  [3., 4.]]) of shape (2, 2)")
    'cannot index […] of shape (2, 2)'
    """
    return _VALUES.sub("[…]", text)


def reason(error: BaseException) -> str:
    r"""Word an error in one line for whoever looks at the window; its name where it says nothing.

    Examples
    --------
    >>> reason(ValueError("cannot index\narray([1., 2.])")), reason(KeyError())
    ('cannot index […]', 'KeyError')
    """
    return one_line(hide_values(str(error))) or type(error).__name__


def without_values(error: BaseException) -> BaseException:
    """Give an error that can be printed with its traceback, and with the errors that led to it.

    Parameters
    ----------
    error : BaseException
        Whatever was raised.

    Returns
    -------
    BaseException
        The error itself; where its message, or that of one that led to it, holds arrays, another one of the same name
        and traceback whose messages hold none.
    """
    text = "".join(traceback.format_exception(error))
    if hide_values(text) == text:
        return error
    chain = [error]
    while (before := _led_to(chain[-1])) is not None and before not in chain:
        chain.append(before)
    clean: BaseException | None = None
    for each in reversed(chain):
        clean = _copy(each, clean)
    assert clean is not None
    return clean


def _led_to(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


def _copy(error: BaseException, led_to_it: BaseException | None) -> BaseException:
    kind = type(error)
    copy: Exception = type(kind.__name__, (Exception,), {"__module__": kind.__module__})(hide_values(str(error)))
    for note in getattr(error, "__notes__", ()):
        copy.add_note(hide_values(str(note)))
    if error.__cause__ is not None:
        copy.__cause__ = led_to_it
    else:
        copy.__context__ = led_to_it
    return copy.with_traceback(error.__traceback__)
