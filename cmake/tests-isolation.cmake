set(AV_TESTS_ISOLATION
  tests/unit/isolation/landlock_test.cc tests/unit/isolation/launcher_test.cc tests/unit/isolation/mount_table_test.cc
  tests/unit/isolation/namespaces_test.cc tests/unit/isolation/port_bridge_test.cc tests/unit/isolation/run_marker_test.cc
  tests/unit/isolation/syscall_filter_test.cc)
