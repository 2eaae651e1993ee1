#include "isolation/mount_table.h"

#include <catch2/catch.hpp>

using av::isolation::is_within;
using av::isolation::parse_mountinfo;
using av::isolation::paths_to_same_place;

namespace {

constexpr std::string_view kTable =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "23 22 0:21 / /proc rw shared:2 - proc proc rw\n"
    "24 22 8:2 / /home rw shared:3 - ext4 /dev/sda2 rw\n"
    "25 22 8:2 /ann /srv/my\\040files rw - ext4 /dev/sda2 rw\n"
    "26 22 8:2 /bob /srv/bob rw - ext4 /dev/sda2 rw\n"
    "broken line\n"
    "27 22 8:2 / /mnt/all rw master:4 propagate_from:2 - ext4 /dev/sda2 rw\n";

}  // namespace

TEST_CASE("mount table: optional fields, escapes and broken lines are read",
          "[isolation][mount_table]") {
  const auto mounts = parse_mountinfo(kTable);
  REQUIRE(mounts.size() == 6);
  CHECK(mounts[1].type == "proc");
  CHECK(mounts[3].point == "/srv/my files");
  CHECK(mounts[3].root == "/ann");
  CHECK(mounts[5].point == "/mnt/all");
  CHECK(mounts[5].type == "ext4");
}

TEST_CASE("mount table: a directory is found at every mount that shows it",
          "[isolation][mount_table]") {
  const auto mounts = parse_mountinfo(kTable);
  CHECK(paths_to_same_place(mounts, "/home/ann/store") ==
        std::vector<std::string>{"/home/ann/store", "/srv/my files/store", "/mnt/all/ann/store"});
  CHECK(paths_to_same_place(mounts, "/srv/bob/x") ==
        std::vector<std::string>{"/srv/bob/x", "/home/bob/x", "/mnt/all/bob/x"});
  CHECK(paths_to_same_place(mounts, "/etc") == std::vector<std::string>{"/etc"});
  CHECK(paths_to_same_place({}, "/etc") == std::vector<std::string>{"/etc"});
}

TEST_CASE("mount table: a directory is within itself but not within its namesake",
          "[isolation][mount_table]") {
  CHECK(is_within("/a/b", "/a/b"));
  CHECK(is_within("/a/b/c", "/a/b"));
  CHECK(is_within("/a", "/"));
  CHECK_FALSE(is_within("/a/bc", "/a/b"));
  CHECK_FALSE(is_within("/a", "/a/b"));
}
