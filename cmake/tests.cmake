# Unit tests: one Catch2 executable per directory of src/. The list of a directory's files is in
# cmake/tests-<dir>.cmake, beside nobody else's, as AV_TESTS_<DIR>.
# Fuzz targets: built with Clang and -DAV_FUZZ=ON they are libFuzzer binaries; otherwise they replay
# tests/fuzz/corpus/<target>/ as ordinary tests.
# End-to-end cases: tests/e2e/*.sh against the real binary, label "e2e".

option(AV_TESTS "Build the tests" ON)
if(NOT AV_TESTS)
  return()
endif()

find_package(Catch2 2.13 QUIET)
if(NOT Catch2_FOUND)
  find_package(Catch2 3 REQUIRED)
  # Where the distribution has moved on to version 3, the tests see it under version 2's name.
  file(WRITE ${PROJECT_BINARY_DIR}/catch2-compat/catch2/catch.hpp
       "#pragma once\n#include <catch2/catch_all.hpp>\nusing Catch::Approx;\n")
endif()

add_library(av_test_main OBJECT tests/main.cc tests/pch.cc)
target_link_libraries(av_test_main PUBLIC av_flags Catch2::Catch2)
if(Catch2_VERSION VERSION_GREATER_EQUAL 3)
  target_include_directories(av_test_main BEFORE PUBLIC ${PROJECT_BINARY_DIR}/catch2-compat)
endif()
# Catch2's assertions take minutes to optimise, and GCC 12 then warns about code that it made itself.
target_compile_options(av_test_main PUBLIC -O0 -U_FORTIFY_SOURCE)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(av_test_main PUBLIC -fpch-preprocess)  # or ccache cannot see into the header
endif()
target_precompile_headers(av_test_main PUBLIC <catch2/catch.hpp>)

# main.cc includes the same header in its other role.
set_source_files_properties(tests/main.cc PROPERTIES SKIP_PRECOMPILE_HEADERS ON)

set(AV_TEST_TARGETS)
foreach(dir IN ITEMS core vault store kek isolation oauth source proxy api cmd)
  include(cmake/tests-${dir}.cmake OPTIONAL)
  string(TOUPPER ${dir} DIR)
  if(NOT AV_TESTS_${DIR})
    continue()
  endif()
  set(target ${dir}_test)
  add_executable(${target} ${AV_TESTS_${DIR}})
  target_include_directories(${target} PRIVATE tests)
  target_link_libraries(${target} PRIVATE av_${dir} av_test_main ${AV_TEST_LIBRARIES_${DIR}})
  target_precompile_headers(${target} REUSE_FROM av_test_main)
  add_test(NAME unit.${dir} COMMAND ${target})
  set_tests_properties(unit.${dir} PROPERTIES LABELS unit TIMEOUT 300)
  list(APPEND AV_TEST_TARGETS ${target})
endforeach()

# Found by name: adding a target takes one file and its corpus directory.
file(GLOB AV_FUZZ_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.cc)
foreach(source IN LISTS AV_FUZZ_SOURCES)
  get_filename_component(target ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" corpus_name ${target})
  set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${corpus_name})
  add_executable(${target} ${source})
  target_include_directories(${target} PRIVATE tests)
  target_link_libraries(${target} PRIVATE av_flags)
  foreach(library IN ITEMS av_api av_proxy av_store av_oauth av_source av_vault av_core)
    if(TARGET ${library})
      target_link_libraries(${target} PRIVATE ${library})
    endif()
  endforeach()
  if(AV_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    set(arguments -runs=0 ${corpus})
  else()
    target_sources(${target} PRIVATE tests/fuzz/main.cc)
    set(arguments ${corpus})
  endif()
  add_test(NAME fuzz.${corpus_name} COMMAND ${target} ${arguments})
  set_tests_properties(fuzz.${corpus_name} PROPERTIES LABELS fuzz TIMEOUT 120)
  list(APPEND AV_TEST_TARGETS ${target})
endforeach()

add_custom_target(tests DEPENDS ${AV_TEST_TARGETS})

# One ctest entry per script. The scripts share nothing, but two at a time is what a small machine
# carries without turning their time limits into luck.
file(GLOB AV_E2E_SCRIPTS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/e2e/*.sh)
foreach(script IN LISTS AV_E2E_SCRIPTS)
  get_filename_component(name ${script} NAME_WE)
  add_test(NAME e2e.${name}
           COMMAND ${PROJECT_SOURCE_DIR}/tests/e2e/run.py --one
                   --binary $<TARGET_FILE:agent-vault> ${name})
  set_tests_properties(e2e.${name} PROPERTIES LABELS e2e SKIP_RETURN_CODE 77 TIMEOUT 180)
endforeach()
