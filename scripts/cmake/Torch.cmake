# Defines millrace_torch_headers: LibTorch's libraries and headers.
#
# The PyPI wheel bundles old google/, fmt/ and pybind11/ headers that clash with the system's, so the compiler is
# given a directory of links without them; and it lacks gloo's headers, of which c10d needs five declarations
# (src/backends/gloo_stubs).
if(MILLRACE_TORCH_DIR)
  set(_torch_root ${MILLRACE_TORCH_DIR})
else()
  file(GLOB _torch_candidates ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  list(APPEND _torch_candidates ${CMAKE_PREFIX_PATH})
  foreach(_candidate IN LISTS _torch_candidates)
    if(EXISTS ${_candidate}/lib/libtorch_cpu.so)
      set(_torch_root ${_candidate})
      break()
    endif()
  endforeach()
endif()
if(NOT _torch_root OR NOT EXISTS ${_torch_root}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch not found (looked in MILLRACE_TORCH_DIR=\"${MILLRACE_TORCH_DIR}\", .venv and "
    "CMAKE_PREFIX_PATH). Run scripts/install_dependencies.sh, or configure with -DMILLRACE_TORCH_DIR=DIR "
    "or -DMILLRACE_TORCH=OFF.")
endif()
set(MILLRACE_TORCH_LIBRARY_DIR ${_torch_root}/lib)

set(_filtered ${PROJECT_BINARY_DIR}/torch_include)
file(REMOVE_RECURSE ${_filtered})
file(MAKE_DIRECTORY ${_filtered})
file(GLOB _entries ${_torch_root}/include/*)
foreach(_entry IN LISTS _entries)
  get_filename_component(_name ${_entry} NAME)
  if(NOT _name MATCHES "^(google|fmt|pybind11|gtest|gmock)$")
    file(CREATE_LINK ${_entry} ${_filtered}/${_name} SYMBOLIC)
  endif()
endforeach()

add_library(millrace_torch_headers INTERFACE)
target_include_directories(millrace_torch_headers SYSTEM INTERFACE
  $<BUILD_INTERFACE:${_filtered}>
  $<BUILD_INTERFACE:${_filtered}/torch/csrc/api/include>)
target_link_directories(millrace_torch_headers INTERFACE $<BUILD_INTERFACE:${MILLRACE_TORCH_LIBRARY_DIR}>)
# torch_cpu holds the code; --no-as-needed keeps it although our symbols come through c10 headers as well.
target_link_libraries(millrace_torch_headers INTERFACE torch_cpu c10)
if(EXISTS ${_torch_root}/lib/libtorch_cuda.so)
  target_link_libraries(millrace_torch_headers INTERFACE -Wl,--no-as-needed torch_cuda c10_cuda -Wl,--as-needed)
endif()
target_compile_definitions(millrace_torch_headers INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
