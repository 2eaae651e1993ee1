#pragma once
// OptionSet: the options and arguments of one command. A thin face of CLI11, which only one file
// includes: its header is by far the most expensive of the program to compile.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace av::cmd {

class OptionSet {
 public:
  // Settings of one option; the object belongs to its set.
  class Option {
   public:
    Option* required();
    Option* type_name(const char* name);  // shown in help in place of the value
    Option* positive();                   // a number above 0
    Option* repeatable();                 // one value each time, collected
    Option* show_default();               // the target's value now, in help
    // The option may stand alone; the target is then `value`.
    Option* value_may_be_missing(const char* value);

   private:
    friend class OptionSet;
    explicit Option(void* impl) : impl_(impl) {}
    void* impl_;
  };

  OptionSet(std::string summary, std::string program_and_path);
  ~OptionSet();
  OptionSet(const OptionSet&) = delete;
  OptionSet& operator=(const OptionSet&) = delete;

  // `names` as "-f,--file" or, for an argument, "FILE". The target must outlive the set.
  Option* add_option(const std::string& names, std::string& target, const std::string& help);
  Option* add_option(const std::string& names, std::vector<std::string>& target,
                     const std::string& help);
  Option* add_option(const std::string& names, std::uint64_t& target, const std::string& help);
  Option* add_option(const std::string& names, double& target, const std::string& help);
  Option* add_flag(const std::string& names, bool& target, const std::string& help);
  void footer(const std::string& text);
  // Everything from the first word that is no option goes to rest().
  void take_rest(const std::string& usage);
  [[nodiscard]] std::vector<std::string> rest() const;

  [[nodiscard]] bool has(const std::string& name) const;
  struct Listed {
    std::string name;  // "--file"
    std::string help;
  };
  [[nodiscard]] std::vector<Listed> list() const;
  [[nodiscard]] std::string help() const;

  enum class Parsed : std::uint8_t { kOk, kHelpAsked };
  // kUsage; never quotes a word that could be a value.
  [[nodiscard]] Expected<Parsed> parse(const std::vector<std::string>& words);

 private:
  struct Impl;
  Option* keep(void* option);
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::cmd
