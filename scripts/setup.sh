#!/usr/bin/env bash
# All set-up for `make`: find a Python, see to the system libraries, fill the virtual environment.
#
#   scripts/setup.sh VENV EXTRAS [--windows-optional]
#
# A second call with nothing changed returns at once. With --windows-optional missing system libraries
# are only mentioned: what follows can run without a window.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 extras=$2 windows_optional=${3:-}

say() { printf '%s\n' "$*" >&2; }

stamp=$venv/.napari-ddmd-${extras//,/-}
# An editable install points at this folder, so a copied tree must install again.
wanted="$PWD $(cksum <pyproject.toml) $(cksum <"$0")"
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3.11 ..."
    return 1
}
python=$(find_python)

# What PyQt6's xcb plugin and a software-rendered OpenGL window load, and the Debian package of each.
libraries="
libEGL.so.1:libegl1                       libGL.so.1:libgl1
libGLX_mesa.so.0:libglx-mesa0             libOpenGL.so.0:libopengl0
libX11-xcb.so.1:libx11-xcb1               libdbus-1.so.3:libdbus-1-3
libfontconfig.so.1:libfontconfig1         libfreetype.so.6:libfreetype6
libglib-2.0.so.0:libglib2.0-0             libxcb-cursor.so.0:libxcb-cursor0
libxcb-icccm.so.4:libxcb-icccm4           libxcb-image.so.0:libxcb-image0
libxcb-keysyms.so.1:libxcb-keysyms1       libxcb-randr.so.0:libxcb-randr0
libxcb-render.so.0:libxcb-render0         libxcb-render-util.so.0:libxcb-render-util0
libxcb-shape.so.0:libxcb-shape0           libxcb-shm.so.0:libxcb-shm0
libxcb-sync.so.1:libxcb-sync1             libxcb-xfixes.so.0:libxcb-xfixes0
libxcb-xkb.so.1:libxcb-xkb1               libxkbcommon.so.0:libxkbcommon0
libxkbcommon-x11.so.0:libxkbcommon-x11-0
"

missing_packages() {
    local pair
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        echo "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    for pair in $libraries; do
        "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "${pair%%:*}" 2>/dev/null || echo "${pair##*:}"
    done
    command -v Xvfb >/dev/null || echo xvfb
    command -v xauth >/dev/null || echo xauth
}

see_to_system() {
    local missing root=""
    [ "$(uname)" = Linux ] || return 0
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if command -v apt-get >/dev/null; then
        if [ "$(id -u)" != 0 ]; then
            sudo -n true 2>/dev/null && root="sudo -n" || root=no
        fi
        if [ "$root" != no ]; then
            say "Installing system packages: $missing"
            if $root apt-get update -qq >&2 &&
                DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing >&2; then
                return 0
            fi
            say "apt-get could not install them."
        fi
    fi
    say "These system packages (Debian's names) are missing: $missing"
    say "Install them and call make again:"
    say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends $missing"
    if [ -n "$windows_optional" ] && "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "Going on without a window."
        return 0
    fi
    return 1
}
see_to_system

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
say "Installing napari-ddmd[$extras] into $venv (some minutes the first time)"
quiet=--quiet
[ -t 2 ] && quiet=--progress-bar=on
"$venv/bin/python" -m pip install "$quiet" --disable-pip-version-check -e ".[$extras]"
printf '%s\n' "$wanted" >"$stamp"
