"""What the environment of an editor must not do to this program: shadow its modules, or leave it homeless.

A project's `random.py` may lie in PYTHONPATH or in the folder where the editor was started, and a user id
may have neither a passwd entry nor HOME. Imports next to nothing, for it runs before everything else.
"""

import os
import sys

_BOOT = (
    "import os, sys, runpy; "
    "module, *extra = sys.argv[1].split(os.pathsep); "
    "sys.path += [each for each in extra if each and each not in sys.path]; "
    "sys.argv = [module, *sys.argv[2:]]; "
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def command(module: str) -> tuple[str, ...]:
    """What starts a module of this program in a process of its own, its arguments to follow: isolated from
    the current folder, PYTHONPATH and the user's own site, of which only what this program needs comes,
    behind the standard library."""
    return (sys.executable, "-I", "-c", _BOOT, os.pathsep.join((module, *_needed())))


def _needed() -> list[str]:
    """The folders of `sys.path` that `-I` takes away and that this program, or what it stands on, is in."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    given = _given()
    user = [each for each in sys.path if _is_user_site(each)]
    return [own, *user, *(given if own in given else [])]


def standard_library_first() -> None:
    """Move what PYTHONPATH names behind the standard library and the installed packages."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    later = {each for each in ("", *_given()) if os.path.abspath(each) != own}
    sys.path.sort(key=lambda folder: folder in later)  # keeps the order of all else


def ensure_home() -> str | None:
    """Give the process a home folder where the system knows none, which many libraries take for granted.
    A sentence about it; None where there is one."""
    if os.path.expanduser("~") != "~" or sys.platform == "win32":
        return None
    folder = f"/tmp/infill-lsp-{os.getuid()}"
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        return f"there is no home folder, and none can be made: {error.strerror}"
    about = os.lstat(folder)
    if about.st_uid != os.getuid() or about.st_mode & 0o077 or os.path.islink(folder):
        return f"there is no home folder, and {folder} is not of this user alone"
    os.environ["HOME"] = folder
    return f"this user has no home folder; {folder} stands in for it"


def _given() -> list[str]:
    """The folders that PYTHONPATH names."""
    if sys.flags.ignore_environment:
        return []
    return [
        os.path.abspath(each) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each
    ]


def _is_user_site(folder: str) -> bool:
    site = sys.modules.get("site")
    found = getattr(site, "USER_SITE", None)
    return found is not None and os.path.abspath(folder) == os.path.abspath(str(found))
