# av_bench: load generator and microbenchmarks; scripts/bench builds it. Not part of a build that
# does not name it.
add_executable(av_bench EXCLUDE_FROM_ALL
  bench/common.cc bench/connection.cc bench/decide.cc bench/load.cc bench/main.cc bench/micro.cc bench/response.cc
  bench/sse.cc)
target_include_directories(av_bench PRIVATE bench)
target_link_libraries(av_bench PRIVATE av_proxy av_vault av_core CLI11::CLI11)
