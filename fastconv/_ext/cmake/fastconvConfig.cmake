# find_package(fastconv) gives the target `fastconv::fastconv`: the C library, which is built with
# the project, and the folder of fastconv.h. A module of Python needs the folder only:
# `fastconv_INCLUDE_DIR`.
get_filename_component(fastconv_INCLUDE_DIR ${CMAKE_CURRENT_LIST_DIR}/../include ABSOLUTE)
if(NOT TARGET fastconv::fastconv)
  add_subdirectory(${CMAKE_CURRENT_LIST_DIR} ${CMAKE_BINARY_DIR}/fastconv EXCLUDE_FROM_ALL)
  if(NOT TARGET fastconv::fastconv) # an alias is local to the folder that made it
    add_library(fastconv::fastconv ALIAS fastconv)
  endif()
endif()
