#include "cmd/option_set.h"

#include <CLI/CLI.hpp>

#include "cmd/cli.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

CLI::Option* cli(void* option) {
  return static_cast<CLI::Option*>(option);
}

// CLI11 quotes the words it did not like; a word may hold a value.
Error from_parse_error(const CLI::App& app, const OptionSet& options, const CLI::ParseError& e) {
  const std::string hint = "see: " + app.get_name() + " --help";
  if (dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr) {
    const auto extras = app.remaining();
    std::string word = extras.empty() ? "" : extras.front();
    if (!word.starts_with("-")) {
      return usage_error("too many arguments", hint);
    }
    word = word.substr(0, word.find('='));
    std::vector<std::string> names;
    for (const OptionSet::Listed& option : options.list()) {
      names.push_back(option.name);
    }
    const std::string near = vault::did_you_mean(word, names);
    return usage_error("unknown option '" + word.substr(0, 40) + "'",
                       near.empty() ? hint : "did you mean " + near + "?");
  }
  if (dynamic_cast<const CLI::ConversionError*>(&e) != nullptr ||
      dynamic_cast<const CLI::ArgumentMismatch*>(&e) != nullptr ||
      dynamic_cast<const CLI::ValidationError*>(&e) != nullptr) {
    return usage_error("an option has a value that it cannot take", hint);
  }
  std::string message = e.what();
  if (!message.empty() && message[0] >= 'A' && message[0] <= 'Z' &&
      (message.size() < 2 || message[1] < 'A' || message[1] > 'Z')) {
    message[0] = static_cast<char>(message[0] - 'A' + 'a');
  }
  while (!message.empty() && (message.back() == '.' || message.back() == '\n')) {
    message.pop_back();
  }
  return usage_error(message, hint);
}

}  // namespace

struct OptionSet::Impl {
  Impl(std::string summary, std::string name) : app(std::move(summary), std::move(name)) {}
  CLI::App app;
  std::vector<std::unique_ptr<Option>> options;
};

OptionSet::Option* OptionSet::Option::required() {
  cli(impl_)->required();
  return this;
}

OptionSet::Option* OptionSet::Option::type_name(const char* name) {
  cli(impl_)->type_name(name);
  return this;
}

OptionSet::Option* OptionSet::Option::positive() {
  cli(impl_)->check(CLI::PositiveNumber);
  return this;
}

OptionSet::Option* OptionSet::Option::repeatable() {
  cli(impl_)->allow_extra_args(false)->take_all();
  return this;
}

OptionSet::Option* OptionSet::Option::show_default() {
  cli(impl_)->capture_default_str();
  return this;
}

OptionSet::Option* OptionSet::Option::value_may_be_missing(const char* value) {
  cli(impl_)->expected(0, 1)->default_str(value);
  return this;
}

OptionSet::OptionSet(std::string summary, std::string program_and_path)
    : impl_(std::make_unique<Impl>(std::move(summary), std::move(program_and_path))) {
  impl_->app.set_help_flag("-h,--help", "show this help");
}

OptionSet::~OptionSet() = default;

OptionSet::Option* OptionSet::keep(void* option) {
  impl_->options.push_back(std::unique_ptr<Option>(new Option(option)));
  return impl_->options.back().get();
}

OptionSet::Option* OptionSet::add_option(const std::string& names, std::string& target,
                                         const std::string& help) {
  return keep(impl_->app.add_option(names, target, help));
}

OptionSet::Option* OptionSet::add_option(const std::string& names, std::vector<std::string>& target,
                                         const std::string& help) {
  return keep(impl_->app.add_option(names, target, help));
}

OptionSet::Option* OptionSet::add_option(const std::string& names, std::uint64_t& target,
                                         const std::string& help) {
  return keep(impl_->app.add_option(names, target, help));
}

OptionSet::Option* OptionSet::add_option(const std::string& names, double& target,
                                         const std::string& help) {
  return keep(impl_->app.add_option(names, target, help));
}

OptionSet::Option* OptionSet::add_flag(const std::string& names, bool& target,
                                       const std::string& help) {
  return keep(impl_->app.add_flag(names, target, help));
}

void OptionSet::footer(const std::string& text) {
  impl_->app.footer(text);
}

void OptionSet::take_rest(const std::string& usage) {
  impl_->app.prefix_command();
  footer(usage);
}

std::vector<std::string> OptionSet::rest() const {
  return impl_->app.remaining();
}

bool OptionSet::has(const std::string& name) const {
  return impl_->app.get_option_no_throw(name) != nullptr;
}

std::vector<OptionSet::Listed> OptionSet::list() const {
  std::vector<Listed> all;
  for (const CLI::Option* option : std::as_const(impl_->app).get_options()) {
    for (const std::string& name : option->get_lnames()) {
      all.push_back({"--" + name, option->get_description()});
    }
  }
  return all;
}

std::string OptionSet::help() const {
  return impl_->app.help();
}

Expected<OptionSet::Parsed> OptionSet::parse(const std::vector<std::string>& words) {
  // CLI11 takes them from the back.
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    impl_->app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return Parsed::kHelpAsked;
  } catch (const CLI::ParseError& e) {
    return from_parse_error(impl_->app, *this, e);
  }
  return Parsed::kOk;
}

}  // namespace av::cmd
