# `cmake --install`: a relocatable bin/ lib/ include/ share/millrace/ and the package find_package(millrace) finds.
# Included last by the top CMakeLists.txt; installs what exists of
#   millrace_shared, millrace_torch_shared    libmillrace.so, libmillrace-torch.so
#   MILLRACE_PROGRAMS (global property)       the executable targets
#   MILLRACE_PUBLIC_HEADERS (global property) headers, relative to include/
include(CMakePackageConfigHelpers)
set(_package_dir lib/cmake/millrace)

# Its own lib/ first, then the LibTorch this build was configured with; LD_LIBRARY_PATH comes before both.
set(_install_rpath "$ORIGIN/../lib" ${MILLRACE_TORCH_LIBRARY_DIR})
function(millrace_set_install_rpath TARGET)
  set_target_properties(${TARGET} PROPERTIES INSTALL_RPATH "${_install_rpath}")
  target_link_options(${TARGET} PRIVATE LINKER:--enable-new-dtags)
endfunction()

get_property(_programs GLOBAL PROPERTY MILLRACE_PROGRAMS)
foreach(_program IN LISTS _programs)
  millrace_set_install_rpath(${_program})
  install(TARGETS ${_program} RUNTIME DESTINATION bin)
endforeach()

# The environments on MuJoCo, with MuJoCo beside them.
if(TARGET millrace_mujoco_shared)
  set_target_properties(millrace_mujoco_shared PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS millrace_mujoco_shared LIBRARY DESTINATION lib)
  install(FILES ${MILLRACE_MUJOCO_LIBRARY} DESTINATION lib)
endif()

# What a user's translation unit needs besides the library: the public headers include absl.
if(TARGET millrace_shared)
  set_target_properties(millrace_shared PROPERTIES EXPORT_NAME millrace)
  millrace_set_install_rpath(millrace_shared)
  target_compile_features(millrace_shared INTERFACE cxx_std_20)
  target_include_directories(millrace_shared INTERFACE $<INSTALL_INTERFACE:include>)
  target_link_libraries(millrace_shared INTERFACE absl::status absl::statusor absl::strings)
  install(TARGETS millrace_shared EXPORT millraceTargets LIBRARY DESTINATION lib)
  install(EXPORT millraceTargets NAMESPACE millrace:: DESTINATION ${_package_dir})
endif()
if(TARGET millrace_torch_shared)
  set_target_properties(millrace_torch_shared PROPERTIES EXPORT_NAME torch)
  millrace_set_install_rpath(millrace_torch_shared)
  target_link_libraries(millrace_torch_shared INTERFACE millrace_shared)
  install(TARGETS millrace_torch_shared EXPORT millraceTorchTargets LIBRARY DESTINATION lib)
  install(EXPORT millraceTorchTargets NAMESPACE millrace:: DESTINATION ${_package_dir})
endif()

get_property(_headers GLOBAL PROPERTY MILLRACE_PUBLIC_HEADERS)
list(REMOVE_DUPLICATES _headers)
foreach(_header IN LISTS _headers)
  get_filename_component(_folder ${_header} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/include/${_header} DESTINATION include/${_folder})
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/scripts/cmake/millraceConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/millraceConfig.cmake INSTALL_DESTINATION ${_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/millraceConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/package/millraceConfig.cmake
  ${PROJECT_BINARY_DIR}/package/millraceConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/scripts/cmake/FilteredTorch.cmake
  DESTINATION ${_package_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION share/millrace)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION share/millrace)

# Every public header compiles alone, with the installed tree's dependencies and no others. LibTorch's take half a
# minute a translation unit, so the headers that include it share one.
if(MILLRACE_TESTS)
  set(_check_dir ${PROJECT_BINARY_DIR}/header_checks)
  set(_torch_lines "")
  foreach(_header IN LISTS _headers)
    if(_header MATCHES "^millrace/(models|algorithms|backends)/|torch")
      string(APPEND _torch_lines "#include \"${_header}\"\n")
    else()
      string(MAKE_C_IDENTIFIER ${_header} _name)
      file(CONFIGURE OUTPUT ${_check_dir}/${_name}.cc CONTENT "#include \"${_header}\"\n")
      list(APPEND _checks ${_check_dir}/${_name}.cc)
    endif()
  endforeach()
  if(_checks)
    add_library(millrace_header_checks OBJECT ${_checks})
    target_include_directories(millrace_header_checks PRIVATE ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(millrace_header_checks PRIVATE millrace_flags absl::status absl::statusor absl::strings)
  endif()
  if(_torch_lines AND TARGET millrace_torch_headers)
    file(CONFIGURE OUTPUT ${_check_dir}/torch_headers.cc CONTENT "${_torch_lines}")
    add_library(millrace_torch_header_checks OBJECT ${_check_dir}/torch_headers.cc)
    target_include_directories(millrace_torch_header_checks PRIVATE ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(millrace_torch_header_checks PRIVATE millrace_flags absl::status absl::statusor
      absl::strings millrace_torch_headers)
  endif()
endif()
