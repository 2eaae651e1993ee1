#include "cmd/cli.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include "cmd/option_set.h"

#include "cmd/output.h"
#include "cmd/remote.h"
#include "cmd/version.h"
#include "core/exit_code.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

constexpr std::string_view kProgram = "agent-vault";

std::string_view head(std::string_view path) {
  return path.substr(0, path.find(' '));
}

bool is_below(std::string_view path, std::string_view group) {
  return group.empty() || (path.size() > group.size() && path.substr(0, group.size()) == group &&
                           path[group.size()] == ' ');
}

std::string joined(std::string_view path, std::string_view word) {
  const bool both = !path.empty() && !word.empty();
  return std::string(path) + (both ? " " : "") + std::string(word);
}

std::string resolve_alias(std::string path) {
  for (const Alias& alias : command_aliases()) {
    if (path == alias.path) {
      return std::string(alias.target);
    }
  }
  return path;
}

const Command* find_command(std::string_view path) {
  const auto table = command_table();
  const auto it =
      std::find_if(table.begin(), table.end(), [&](const Command& c) { return c.path == path; });
  return it == table.end() ? nullptr : &*it;
}

bool is_group(std::string_view path) {
  const auto groups = command_groups();
  return std::any_of(groups.begin(), groups.end(), [&](const Group& g) { return g.path == path; });
}

// "auth", of "auth login".
bool begins_alias(std::string_view path) {
  const auto aliases = command_aliases();
  return std::any_of(aliases.begin(), aliases.end(),
                     [&](const Alias& alias) { return is_below(alias.path, path); });
}

struct Child {
  std::string word;
  std::string_view summary;
};

// The words that may follow `group`, in the order of the table.
std::vector<Child> children(std::string_view group) {
  std::vector<Child> result;
  const auto add = [&](std::string_view path, std::string_view summary) {
    const std::string word(head(path.substr(group.empty() ? 0 : group.size() + 1)));
    const bool known = std::any_of(result.begin(), result.end(),
                                   [&](const Child& child) { return child.word == word; });
    if (!known) {
      const std::string full = joined(group, word);
      for (const Group& g : command_groups()) {
        summary = g.path == full ? g.summary : summary;
      }
      result.push_back({word, summary});
    }
  };
  for (const Command& command : command_table()) {
    if (is_below(command.path, group)) {
      add(command.path, command.summary);
    }
  }
  return result;
}

std::string group_help(std::string_view group) {
  std::string text = "usage: " + joined(kProgram, group) + " COMMAND [OPTIONS]\n\n";
  if (group.empty()) {
    text += "Gives AI agents access to APIs without giving them the keys.\n\n";
  }
  std::size_t width = 0;
  for (const Child& child : children(group)) {
    width = std::max(width, child.word.size());
  }
  for (const Child& child : children(group)) {
    text += "  " + child.word + std::string(width - child.word.size() + 2, ' ') +
            std::string(child.summary) + "\n";
  }
  text += "\nMore about each: " + joined(kProgram, joined(group, "COMMAND")) + " --help\n";
  return text;
}

Error unknown_command(std::string_view group, std::string_view word) {
  std::vector<std::string> candidates;
  for (const Child& child : children(group)) {
    candidates.push_back(child.word);
  }
  for (const Alias& alias : command_aliases()) {
    if (is_below(alias.path, group) || (group.empty() && alias.path.find(' ') == alias.path.npos)) {
      candidates.emplace_back(head(alias.path.substr(group.empty() ? 0 : group.size() + 1)));
    }
  }
  const std::string near = vault::did_you_mean(word, candidates);
  // What stands where a command should may be anything, a pasted key too.
  const std::string shown =
      word.size() <= 32 && word.find('=') == word.npos ? " '" + std::string(word) + "'" : "";
  return usage_error(
      "unknown command" + shown + (group.empty() ? "" : " of `" + std::string(group) + "`"),
      near.empty() ? "see: " + joined(kProgram, group) + " --help"
                   : "did you mean: " + joined(kProgram, joined(group, near)));
}

// The words up to the command's own arguments.
struct Resolved {
  const Command* command = nullptr;
  std::vector<std::string> rest;
  bool help = false;
  bool version = false;
  std::string group;  // the deepest group reached
};

Expected<Resolved> resolve(const std::vector<std::string>& words) {
  Resolved resolved;
  std::string path;
  std::size_t i = 0;
  for (; i < words.size() && resolved.command == nullptr; ++i) {
    const std::string& word = words[i];
    if (word == "--help" || word == "-h") {
      resolved.help = true;
    } else if (word == "--version" || word == "-V") {
      resolved.version = true;
    } else if (word == "--json" || word == "--local" || word.starts_with("--vault=")) {
      resolved.rest.push_back(word);
    } else if (word == "--vault") {
      resolved.rest.push_back(word);
      if (++i < words.size()) {
        resolved.rest.push_back(words[i]);
      }
    } else if (word.starts_with("-")) {
      return usage_error("unknown option '" + word.substr(0, word.find('=')) + "' before a command",
                         "put options behind the command: " + joined(kProgram, path) +
                             (path.empty() ? " COMMAND" : "") + " --help");
    } else {
      const std::string next = resolve_alias(joined(path, word));
      resolved.command = find_command(next);
      if (resolved.command == nullptr && !is_group(next) && !begins_alias(next)) {
        return unknown_command(path, word);
      }
      path = next;
    }
  }
  resolved.group = resolved.command == nullptr ? path : "";
  resolved.rest.insert(resolved.rest.end(), words.begin() + static_cast<std::ptrdiff_t>(i),
                       words.end());
  return resolved;
}

bool takes_vault(std::string_view path) {
  for (const std::string_view prefix :
       {"vault credential ", "vault service ", "vault settings", "vault store ", "container-env",
        "vault member ", "oauth ", "rule ", "proposal ", "run"}) {
    if (path.starts_with(prefix)) {
      return true;
    }
  }
  return path == "log" || path == "audit export" || path == "vault current";
}

// What has nothing to do with a store, and what makes or leaves a login.
bool is_always_local(const Command& command) {
  return command.path == "completion" || command.path == "login" || command.path == "logout" ||
         command.path == "whoami" || command.path == "version" ||
         command.path == "vault service catalog" || command.path == "vault store kinds";
}

Expected<int> run_command(Context& context, const Resolved& resolved) {
  Parser parser = make_parser(*resolved.command);
  AV_TRY(const OptionSet::Parsed parsed, parser.options->parse(resolved.rest));
  if (parsed == OptionSet::Parsed::kHelpAsked) {
    print(context.out, parser.options->help());
    return 0;
  }
  context.json = context.json || *parser.json;
  if (!parser.vault->empty()) {
    context.vault = *parser.vault;
  }
  context.local = *parser.local;
  // `run` looks for itself: its own failures have an exit code of their own.
  if (context.paths.data.empty() && resolved.command->path != "completion" &&
      resolved.command->path != "version" && resolved.command->path != "run") {
    AV_TRY(context.paths, fs::default_paths());
  }
  if (resolved.command->only_here && is_remote(context)) {
    return usage_error("`" + std::string(resolved.command->path) +
                           "` is about the store of this machine, and AGENT_VAULT_ADDR names a "
                           "server",
                       "do it where that server runs; or add --local");
  }
  if (resolved.command->guarded) {
    AV_CHECK(context.refuse_inside_run(resolved.command->path));
  }
  if (resolved.command->needs == Needs::kStore) {
    AV_CHECK(context.open_store());
  }
  return parser.run(context);
}

Expected<int> dispatch(Context& context, const std::vector<std::string>& words) {
  AV_TRY(Resolved resolved, resolve(words));
  if (resolved.version) {
    if (context.json) {
      print_version(context);
    } else {
      print(context.out, std::string(kProgram) + " " AV_VERSION "\n");
    }
    return 0;
  }
  if (resolved.help) {
    if (resolved.command == nullptr) {
      print(context.out, group_help(resolved.group));
      return 0;
    }
    resolved.rest.insert(resolved.rest.begin(), "--help");
  }
  if (resolved.command == nullptr) {
    print(context.err, group_help(resolved.group));
    return static_cast<int>(ExitCode::kUsage);
  }
  return run_command(context, resolved);
}

// Whether a word is one that `credential set` or `proposal approve` reads as KEY=VALUE. Everything
// with a "=" counts, also where the key is misspelt: what follows is a value all the same.
std::size_t value_offset(std::string_view word) {
  const std::size_t equals = word.find('=');
  return word.starts_with("-") || equals == std::string_view::npos ? 0 : equals + 1;
}

// Options whose value is the next word, of the commands that take KEY=VALUE.
bool takes_a_value(std::string_view word) {
  return word == "--vault" || word == "--from-file" || word == "--service" || word == "--host" ||
         word == "--path" || word == "--methods" || word == "--for" || word == "--uses" ||
         word == "--from" || word == "--store";
}

}  // namespace

Error usage_error(std::string message, std::string hint) {
  return make_error(ErrorCode::kUsage, std::move(message), std::move(hint));
}

Parser make_parser(const Command& command) {
  Parser parser;
  parser.options =
      std::make_unique<OptionSet>(std::string(command.summary), joined(kProgram, command.path));
  OptionSet& options = *parser.options;
  parser.vault = std::make_shared<std::string>();
  parser.json = std::make_shared<bool>(false);
  parser.local = std::make_shared<bool>(false);
  parser.run = command.setup(options);
  if (takes_vault(command.path) && !options.has("--vault")) {
    options.add_option("--vault", *parser.vault, "vault to use")->type_name("NAME");
  }
  if (command.path != "run" && command.path != "completion" && !options.has("--json")) {
    options.add_flag("--json", *parser.json, "print JSON");
  }
  if (!is_always_local(command)) {
    options.add_flag("--local", *parser.local,
                     "the store of this machine, whatever AGENT_VAULT_ADDR says");
  }
  return parser;
}

Expected<Arguments> take_arguments(int argc, char** argv) {
  Arguments arguments;
  bool credential = false;
  bool proposal = false;
  bool set = false;
  bool literal = false;       // behind "--"
  bool option_value = false;  // the word belongs to the option before it
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::size_t offset =
        set && !option_value ? (literal ? word.find('=') + 1 : value_offset(word)) : 0;
    if (offset != 0) {
      AV_TRY(Secret value, Secret::copy_of(word.substr(offset)));
      arguments.words.emplace_back(word.substr(0, offset));
      OPENSSL_cleanse(argv[i] + offset, word.size() - offset);
      arguments.values.push_back(std::move(value));
      continue;
    }
    const bool value_follows = !literal && takes_a_value(word);
    if (!option_value && !literal) {
      set = set || (credential && word == "set") || (proposal && word == "approve");
      proposal = proposal || word == "proposal";
      credential = credential || word == "credential" || word == "creds";
      literal = word == "--" && set;
      if (word == "--" && !set) {
        credential = false;
        proposal = false;
      }
      if ((word == "run" || word == "get") && !set) {
        // Another command; what follows is its own.
        for (int k = i; k < argc; ++k) {
          arguments.words.emplace_back(argv[k]);
        }
        return arguments;
      }
    }
    option_value = value_follows && !option_value;
    arguments.words.emplace_back(word);
  }
  return arguments;
}

int run_cli(Context& context, Arguments arguments) {
  context.argv_values = std::move(arguments.values);
  const auto& words = arguments.words;
  const auto end_of_options = std::find(words.begin(), words.end(), "--");
  // Also for errors that come before parsing is done.
  context.json = std::find(words.begin(), end_of_options, "--json") != end_of_options;
  Expected<int> result = dispatch(context, words);
  if (std::fflush(context.out) != 0 && result) {
    result = errno_error(errno, "cannot write the output");
  }
  if (!result) {
    print_error(context.err, result.error(), context.json);
    return static_cast<int>(exit_code_for(result.error().code));
  }
  return *result;
}

}  // namespace av::cmd
