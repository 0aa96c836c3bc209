# Make the environment beside the checkout (.venv), or bring it up to date. Sourced by demo and
# tests/run: they set $root, call `prepare` with '' or 'dev', and find the interpreter in $python.
#
# Installing is left out while pyproject.toml, the interpreter and the checkout's place are the same.

venv=$root/.venv
python=$venv/bin/python

# Nothing of the caller's own Python may leak in.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() {
    printf 'dolisync: %s\n' "$*" >&2
}

find_python() {
    for candidate in python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer is needed; python3 here is: $(python3 --version 2>&1 || true)"
    return 1
}

make_venv() {
    base=$(find_python) || exit 2
    if ! "$base" -c 'import ensurepip, venv' 2>/dev/null; then
        say "Python's module venv is missing: apt install python3-venv"
        exit 2
    fi
    say "making $venv"
    "$base" -m venv --clear "$venv"
}

is_usable() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
        "$python" -m pip --version >/dev/null 2>&1
}

# What an installation depends on: where the checkout is, what it asks for, and the interpreter.
fingerprint() {
    printf '%s|%s|%s\n' "$root" "$(cksum <"$root/pyproject.toml")" "$("$python" --version)"
}

is_installed() {
    [ -x "$python" ] && [ -f "$venv/installed-$1" ] &&
        [ "$(cat "$venv/installed-$1")" = "$(fingerprint)" ]
}

prepare() {
    kind=${1:-plain}
    if is_installed "$kind" || is_installed dev; then
        return
    fi
    if ! is_usable || was_moved; then
        make_venv
    fi
    say "installing into $venv (the first time takes a minute)"
    extras=''
    [ "$kind" = dev ] && extras='[dev]'
    (cd "$root" && "$python" -m pip install --quiet --editable ".$extras")
    fingerprint >"$venv/installed-$kind"
}

# The scripts in an environment name its place: after a move it is made anew.
was_moved() {
    for stamp in "$venv"/installed-*; do
        [ -f "$stamp" ] || continue
        case $(cat "$stamp") in
        "$root|"*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}
