# Defines millrace_torch_headers: LibTorch's libraries and headers.
#
# The wheel lacks gloo's headers, of which c10d needs five declarations (src/backends/gloo_stubs).
include(FilteredTorch)

file(GLOB _venv_torch ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
millrace_find_torch(_torch_root ${_venv_torch})
if(NOT _torch_root)
  message(FATAL_ERROR "LibTorch not found (looked in MILLRACE_TORCH_DIR=\"${MILLRACE_TORCH_DIR}\", .venv and "
    "CMAKE_PREFIX_PATH). Run scripts/install_dependencies.sh, or configure with -DMILLRACE_TORCH_DIR=DIR "
    "or -DMILLRACE_TORCH=OFF.")
endif()
set(MILLRACE_TORCH_ROOT ${_torch_root})
set(MILLRACE_TORCH_LIBRARY_DIR ${_torch_root}/lib)
set(MILLRACE_LIBTORCH_CUDA OFF)
if(EXISTS ${_torch_root}/lib/libtorch_cuda.so)
  set(MILLRACE_LIBTORCH_CUDA ON)
endif()

add_library(millrace_torch_headers INTERFACE)
millrace_link_torch(millrace_torch_headers ${_torch_root} ${PROJECT_BINARY_DIR}/torch_include)
file(STRINGS ${_torch_root}/version.py _version_line REGEX "^__version__ = ")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" MILLRACE_LIBTORCH_VERSION "${_version_line}")
# gRPC's target asks for -pthread, and a precompiled header is refused where the flags differ.
target_compile_options(millrace_torch_headers INTERFACE -pthread)
