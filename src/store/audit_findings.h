#pragma once
// What a check of the audit log found.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace av::store {

struct Finding {
  std::string file;
  std::uint64_t line = 0;  // from 1; 0: the file as a whole
  std::string what;
  std::string advice;  // what to do
};

// A bounded list: a log that somebody has written over has a finding for each line.
class Findings {
 public:
  static constexpr std::size_t kMost = 1000;
  void add(Finding finding) {
    ++count_;
    if (list_.size() < kMost) {
      list_.push_back(std::move(finding));
    }
  }
  [[nodiscard]] const std::vector<Finding>& list() const { return list_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::vector<Finding> list_;
  std::uint64_t count_ = 0;
};

}  // namespace av::store
