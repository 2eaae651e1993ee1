add_library(av_isolation STATIC
  src/isolation/everything_but.cc src/isolation/file_view.cc src/isolation/init.cc src/isolation/landlock.cc src/isolation/launcher.cc src/isolation/level.cc
  src/isolation/mount_table.cc src/isolation/namespaces.cc src/isolation/network.cc
  src/isolation/obstacles.cc src/isolation/port_bridge.cc src/isolation/root_ways.cc src/isolation/run_marker.cc
  src/isolation/syscall_filter.cc src/isolation/wire.cc)
target_link_libraries(av_isolation PUBLIC av_core)
