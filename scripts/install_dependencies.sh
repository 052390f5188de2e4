#!/usr/bin/env bash
# Installs what building Millrace on Debian 12 needs and is not there yet: apt packages, LibTorch and MuJoCo.
#
#   scripts/install_dependencies.sh [--with-clang] [--for-tests]
#
#   --with-clang   also clang 14 with its tools (presets `clang` and `tsan`)
#   --for-tests    also ffmpeg and Mesa (for the films of `millrace play`), and numpy, safetensors and tensorboard in .venv
#   MILLRACE_TORCH_DIR=DIR   use this LibTorch (with include/ and lib/); nothing is fetched then
#   MILLRACE_ALLOW_CUDA=1    permit the CUDA build of torch, several gigabytes, if no CPU build can be had
#
# Where everything is installed it touches neither apt nor the network.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/phases.sh"

torch_version=2.13.0
venv="$root/.venv"
packages=(cmake ninja-build g++ ccache mold pkg-config git python3 python3-venv libgrpc++-dev
  protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libzmq3-dev cppzmq-dev libspdlog-dev
  libcli11-dev libgtest-dev libgmock-dev libyaml-cpp-dev nlohmann-json3-dev libabsl-dev libcairo2-dev libzstd-dev)
clang_packages=(clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev llvm-14 lld-14)
# What the films of `millrace play` need when they are made: --video FILE.gif and .mp4, and --view 3d.
film_packages=(ffmpeg libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri)
# MuJoCo's library and headers, and the model files of Gymnasium's environments. Nothing of them runs in Python, so they
# lie apart and without what they need there.
simulation="$venv/simulation"
simulation_packages=(mujoco==3.17.0 gymnasium==1.4.0)
python_packages=()

for argument in "$@"; do
  case "$argument" in
    --with-clang) packages+=("${clang_packages[@]}") ;;
    --for-tests) packages+=("${film_packages[@]}"); python_packages=(numpy safetensors tensorboard) ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) say "unknown argument \"$argument\"; see --help" >&2; exit 2 ;;
  esac
done

missing_packages() {
  local installed
  installed="$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^installed //p')" || true  # dpkg-query fails for packages it has never heard of
  comm -23 <(printf '%s\n' "${packages[@]}" | sort -u) <(sort -u <<<"$installed")
}

install_packages() {
  command -v dpkg-query >/dev/null || die "not a Debian system; install by hand: ${packages[*]}"
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) && return
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "needs root or sudo to install: ${missing[*]}"
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${as_root[@]}" update >/dev/null || say "apt-get update failed; trying with the package lists at hand"
  "${as_root[@]}" install --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get could not install: ${missing[*]}"
}

is_torch() { [[ -e "$1/lib/libtorch_cpu.so" ]]; }

# The LibTorch that CMake will find (scripts/cmake/FilteredTorch.cmake looks in the same places).
torch_at_hand() {
  local candidate prefixes="${CMAKE_PREFIX_PATH:-}"
  for candidate in "$venv"/lib/python3*/site-packages/torch ${prefixes//:/ }; do
    is_torch "$candidate" && return
  done
  return 1
}

venv_pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

make_venv() {
  [[ -x "$venv/bin/python" ]] && venv_pip --version >/dev/null 2>&1 && return
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import ensurepip, venv' 2>/dev/null && "$python" -m venv "$venv" && return
  done
  die "python3 cannot make a virtual environment (no venv or ensurepip; Debian's package is python3-venv)"
}

# Prints the CUDA packages a plain "torch==VERSION" would bring along. Reads metadata only.
cuda_packages() {
  venv_pip install --quiet --upgrade 'pip>=23.2' >&2 || return 1
  venv_pip install --quiet --dry-run --ignore-installed --report - "torch==$torch_version" |
    "$venv/bin/python" -c '
import json, sys
names = [item["metadata"]["name"] for item in json.load(sys.stdin)["install"]]
print(" ".join(name for name in names if name.lower().startswith(("nvidia", "cuda", "triton"))))'
}

# Sets `requirement` to a torch without CUDA if there is one.
choose_torch() {
  requirement="torch==$torch_version+cpu"
  venv_pip install --quiet --dry-run --no-deps "$requirement" >/dev/null 2>&1 && return
  requirement="torch==$torch_version"
  local cuda
  cuda="$(cuda_packages)" ||
    die "pip found no torch $torch_version (see above); set MILLRACE_TORCH_DIR to a LibTorch you have"
  if [[ -n "$cuda" && "${MILLRACE_ALLOW_CUDA:-0}" != 1 ]]; then
    die "pip offers only the CUDA build of torch $torch_version, several gigabytes ($cuda)." \
      "Set MILLRACE_TORCH_DIR to a LibTorch you have, give pip an index with CPU builds (PIP_EXTRA_INDEX_URL)," \
      "or permit the download with MILLRACE_ALLOW_CUDA=1"
  fi
}

install_torch() {
  if [[ -n "${MILLRACE_TORCH_DIR:-}" ]]; then
    is_torch "$MILLRACE_TORCH_DIR" || die "MILLRACE_TORCH_DIR=$MILLRACE_TORCH_DIR has no lib/libtorch_cpu.so"
    return
  fi
  torch_at_hand && return
  make_venv
  choose_torch
  say "fetching LibTorch ($requirement and the Python packages it needs) into .venv"
  venv_pip install --quiet "$requirement" || die "pip could not install $requirement"
  torch_at_hand || die "pip installed $requirement, but there is no lib/libtorch_cpu.so in it"
}

install_simulation() {
  local missing=() package
  for package in "${simulation_packages[@]}"; do
    [[ -d "$simulation/${package%%==*}-${package##*==}.dist-info" ]] || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  make_venv
  say "fetching ${missing[*]} into .venv/simulation"
  venv_pip install --quiet --no-deps --upgrade --target "$simulation" "${missing[@]}" ||
    die "pip could not install: ${missing[*]}"
}

install_python_packages() {
  local missing=() package
  for package in "${python_packages[@]}"; do
    compgen -G "$venv/lib/python3*/site-packages/$package" >/dev/null || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  make_venv
  say "fetching Python packages for the tests into .venv: ${missing[*]}"
  venv_pip install --quiet "${missing[@]}" || die "pip could not install: ${missing[*]}"
}

install_packages
install_torch
install_simulation
install_python_packages
say "everything is there"
