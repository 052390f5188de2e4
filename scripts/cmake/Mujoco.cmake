# Defines mujoco::mujoco, the library and C headers of MuJoCo's PyPI wheel, and MILLRACE_GYMNASIUM_DIR, the package whose model
# files are compiled into libmillrace-mujoco.
set(_simulation ${PROJECT_SOURCE_DIR}/.venv/simulation)

function(millrace_find_python_package NAME VARIABLE)
  foreach(_candidate ${${VARIABLE}} ${ARGN})
    if(IS_DIRECTORY ${_candidate})
      set(${VARIABLE} ${_candidate} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "${NAME} not found (looked in ${VARIABLE}=\"${${VARIABLE}}\" and .venv/simulation). Run "
    "scripts/install_dependencies.sh, or configure with -D${VARIABLE}=DIR, the directory of the Python package.")
endfunction()
millrace_find_python_package(MuJoCo MILLRACE_MUJOCO_DIR ${_simulation}/mujoco)
millrace_find_python_package(Gymnasium MILLRACE_GYMNASIUM_DIR ${_simulation}/gymnasium)

file(GLOB _mujoco_library ${MILLRACE_MUJOCO_DIR}/libmujoco.so.*)
if(NOT _mujoco_library)
  message(FATAL_ERROR "${MILLRACE_MUJOCO_DIR} has no libmujoco.so.*")
endif()
add_library(mujoco::mujoco SHARED IMPORTED GLOBAL)
set_target_properties(mujoco::mujoco PROPERTIES
  IMPORTED_LOCATION ${_mujoco_library}
  INTERFACE_INCLUDE_DIRECTORIES ${MILLRACE_MUJOCO_DIR}/include)
set(MILLRACE_MUJOCO_LIBRARY ${_mujoco_library})
string(REGEX MATCH "[0-9.]+$" MILLRACE_MUJOCO_VERSION ${_mujoco_library})
string(REGEX REPLACE "^\\." "" MILLRACE_MUJOCO_VERSION ${MILLRACE_MUJOCO_VERSION})
