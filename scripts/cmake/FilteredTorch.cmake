# Finds LibTorch and gives the compiler its headers without the ones that clash. Used by the build and, installed
# beside millraceConfig.cmake, by every project that links millrace::torch.

# Sets OUT to the first LibTorch directory (with include/ and lib/) among MILLRACE_TORCH_DIR (CMake, then
# environment), the given candidates, and CMAKE_PREFIX_PATH (CMake, then environment); to "" if there is none.
function(millrace_find_torch OUT)
  set(_candidates ${MILLRACE_TORCH_DIR} $ENV{MILLRACE_TORCH_DIR})
  if(NOT _candidates)
    string(REPLACE ":" ";" _environment_prefixes "$ENV{CMAKE_PREFIX_PATH}")
    set(_candidates ${ARGN} ${CMAKE_PREFIX_PATH} ${_environment_prefixes})
  endif()
  set(${OUT} "" PARENT_SCOPE)
  foreach(_candidate IN LISTS _candidates)
    if(EXISTS ${_candidate}/lib/libtorch_cpu.so)
      set(${OUT} ${_candidate} PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# Makes DIRECTORY a directory of links to ROOT/include without the google/, fmt/ and pybind11/ headers (and test
# frameworks) that the PyPI wheel bundles: they are older than the system's and would be found first.
function(millrace_filter_torch_headers ROOT DIRECTORY)
  file(REMOVE_RECURSE ${DIRECTORY})
  file(MAKE_DIRECTORY ${DIRECTORY})
  file(GLOB _entries ${ROOT}/include/*)
  foreach(_entry IN LISTS _entries)
    get_filename_component(_name ${_entry} NAME)
    if(NOT _name MATCHES "^(google|fmt|pybind11|gtest|gmock)$")
      file(CREATE_LINK ${_entry} ${DIRECTORY}/${_name} SYMBOLIC)
    endif()
  endforeach()
endfunction()

# Adds LibTorch at ROOT, with its headers filtered into DIRECTORY, to the interface of TARGET.
function(millrace_link_torch TARGET ROOT DIRECTORY)
  millrace_filter_torch_headers(${ROOT} ${DIRECTORY})
  target_include_directories(${TARGET} SYSTEM INTERFACE
    $<BUILD_INTERFACE:${DIRECTORY}> $<BUILD_INTERFACE:${DIRECTORY}/torch/csrc/api/include>)
  # torch_cpu holds the code; c10 holds types its headers use.
  target_link_libraries(${TARGET} INTERFACE ${ROOT}/lib/libtorch_cpu.so ${ROOT}/lib/libc10.so)
  if(EXISTS ${ROOT}/lib/libtorch_cuda.so)
    target_link_libraries(${TARGET} INTERFACE
      -Wl,--no-as-needed ${ROOT}/lib/libtorch_cuda.so ${ROOT}/lib/libc10_cuda.so -Wl,--as-needed)
  endif()
  target_compile_definitions(${TARGET} INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
endfunction()
