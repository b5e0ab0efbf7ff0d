# SPDX-License-Identifier: Apache-2.0
# A room is a folder of orchestrator/, a static library `rig_<room>` and a namespace `rig::<room>`.
# Includes are spelled from the repository's root of sources: "vm/qmp.h", "guest/protocol.h".

set(RIG_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual
    -Wimplicit-fallthrough -Werror)

# With RIG_UNITY files of one folder are compiled up to eight at a time: a build from nothing takes half
# as long. So what a file keeps to itself has a name that no other file of its folder has.
function(rig_batches target)
  if(NOT RIG_UNITY)
    return()
  endif()
  foreach(source ${ARGN})
    get_filename_component(folder ${source} DIRECTORY)
    string(MAKE_C_IDENTIFIER "of_${folder}" folder)
    math(EXPR batch "${count_${folder}}0 / 80")  # empty is 0
    math(EXPR count_${folder} "${count_${folder}}0 / 10 + 1")
    set_property(SOURCE ${source} PROPERTY UNITY_GROUP ${folder}_${batch})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # It spares a file's own types, and cannot tell in a batch that they are that.
  target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
endfunction()

# rig_room(NAME vm SOURCES a.cc b.cc USES base image LIBRARIES Boost::json)
#   USES       rooms that this one may include (public: their types appear in its headers)
#   LIBRARIES  third-party libraries that only its own .cc files see
function(rig_room)
  cmake_parse_arguments(ROOM "" "NAME" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_library(rig_${ROOM_NAME} STATIC ${ROOM_SOURCES})
  target_include_directories(rig_${ROOM_NAME} PUBLIC ${CMAKE_SOURCE_DIR}/orchestrator ${CMAKE_SOURCE_DIR})
  target_compile_options(rig_${ROOM_NAME} PRIVATE ${RIG_WARNINGS})
  list(TRANSFORM ROOM_USES PREPEND rig_)
  target_link_libraries(rig_${ROOM_NAME} PUBLIC ${ROOM_USES} PRIVATE ${ROOM_LIBRARIES})
  rig_batches(rig_${ROOM_NAME} ${ROOM_SOURCES})
endfunction()

# Tests are compiled without optimisation, and what all of them include is parsed once: what they call is
# optimised, and a build from nothing is a fifth quicker. Nothing leans on the precompiled headers:
# CMAKE_DISABLE_PRECOMPILE_HEADERS turns them off.
function(rig_quick_to_compile target)
  target_compile_options(${target} PRIVATE -O0)
  if(NOT TARGET rig_precompiled_tests)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/precompiled_tests.cc CONTENT "")
    add_library(rig_precompiled_tests OBJECT ${CMAKE_BINARY_DIR}/precompiled_tests.cc)
    target_compile_options(rig_precompiled_tests PRIVATE ${RIG_WARNINGS} -O0)
    target_link_libraries(rig_precompiled_tests PRIVATE rig_base GTest::gmock)
    target_precompile_headers(rig_precompiled_tests PRIVATE <gmock/gmock.h> <gtest/gtest.h> <algorithm>
                              <map> <optional> <string> <vector> <fmt/format.h> <fmt/ranges.h>
                              <tl/expected.hpp>)
  endif()
  target_precompile_headers(${target} REUSE_FROM rig_precompiled_tests)
endfunction()

# rig_room_test(vm SOURCES qmp_test.cc ... LIBRARIES ...): the files of tests/unit/vm in one program,
# each TEST a ctest.
function(rig_room_test room)
  cmake_parse_arguments(T "" "" "SOURCES;LIBRARIES" ${ARGN})
  list(TRANSFORM T_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/tests/unit/${room}/)
  add_executable(test_${room} ${T_SOURCES})
  target_compile_options(test_${room} PRIVATE ${RIG_WARNINGS})
  target_compile_definitions(test_${room} PRIVATE RIG_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  target_include_directories(test_${room} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(test_${room} PRIVATE ${T_LIBRARIES} GTest::gmock GTest::gtest_main)
  rig_quick_to_compile(test_${room})
  rig_batches(test_${room} ${T_SOURCES})
  gtest_discover_tests(test_${room} TEST_PREFIX "${room}." PROPERTIES LABELS unit TIMEOUT 120
                       DISCOVERY_TIMEOUT 60)
endfunction()
