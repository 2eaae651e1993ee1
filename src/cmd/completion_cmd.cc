#include <algorithm>
#include <array>
#include <map>
#include "cmd/option_set.h"

#include "cmd/cli.h"
#include "cmd/output.h"

namespace av::cmd {
namespace {

struct Word {
  std::string text;
  std::string help;
};

// What may follow each path: words of the next level, or options of the command.
struct Node {
  std::vector<Word> words;
  std::vector<Word> options;
};
using Tree = std::map<std::string, Node, std::less<>>;

void add_word(Node& node, std::string_view text, std::string_view help) {
  const bool known = std::any_of(node.words.begin(), node.words.end(),
                                 [&](const Word& word) { return word.text == text; });
  if (!known) {
    node.words.push_back({std::string(text), std::string(help)});
  }
}

std::string_view group_summary(std::string_view path) {
  for (const Group& group : command_groups()) {
    if (group.path == path) {
      return group.summary;
    }
  }
  return {};
}

// Help texts go into single quotes of three shells.
std::string quotable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, text.find('\n'))) {
    out.push_back(c == '\'' || c == '"' || c == '`' || c == '\\' || c == '$' || c == ':' ? ' ' : c);
  }
  return out;
}

Tree build_tree() {
  Tree tree;
  for (const Command& command : command_table()) {
    std::string path;
    std::string_view rest = command.path;
    while (!rest.empty()) {
      const std::string_view word = rest.substr(0, rest.find(' '));
      rest = word.size() == rest.size() ? std::string_view() : rest.substr(word.size() + 1);
      const std::string next = path.empty() ? std::string(word) : path + " " + std::string(word);
      add_word(tree[path], word, rest.empty() ? command.summary : group_summary(next));
      path = next;
    }
    const Parser parser = make_parser(command);
    Node& node = tree[path];
    for (const OptionSet::Listed& option : parser.options->list()) {
      node.options.push_back({option.name, option.help});
    }
  }
  for (const Alias& alias : command_aliases()) {
    const std::size_t at = alias.path.rfind(' ');
    const std::string parent(at == alias.path.npos ? "" : alias.path.substr(0, at));
    add_word(tree[parent], alias.path.substr(at == alias.path.npos ? 0 : at + 1),
             "the same as " + std::string(alias.target));
  }
  return tree;
}

std::string texts(const std::vector<Word>& words) {
  std::string out;
  for (const Word& word : words) {
    out += (out.empty() ? "" : " ") + word.text;
  }
  return out;
}

// Shell code that turns the words before the cursor into `where`: known words go on it, aliases are
// replaced, options and arguments are passed over. The same statements work in bash and zsh (where
// `path` would be the search path).
std::string path_cases(const Tree& tree) {
  std::string out;
  for (const Alias& alias : command_aliases()) {
    out += "      '" + std::string(alias.path) + "') where='" + std::string(alias.target) + "';;\n";
  }
  for (const auto& [path, node] : tree) {
    if (!path.empty()) {
      out += "      '" + path + "') where='" + path + "';;\n";
    }
  }
  return out;
}

// Numbers of proposals, for commands that take one. In a session of its own it has no terminal: a
// locked store must not ask for its passphrase in the middle of a line.
constexpr std::string_view kNumbers =
    "setsid -w agent-vault proposal list --status STATUS 2>/dev/null </dev/null |"
    " sed -n \"s/^\\([0-9][0-9]*\\) .*/\\1/p\"";

std::string numbers_for(std::string_view path) {
  const bool any = path == "proposal show";
  if (!any && path != "proposal approve" && path != "proposal reject" &&
      path != "proposal review") {
    return {};
  }
  std::string out(kNumbers);
  return out.replace(out.find("STATUS"), 6, any ? "all" : "pending");
}

std::string bash_script(const Tree& tree) {
  std::string out =
      "# bash completion for agent-vault\n"
      "_agent_vault() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} where='' word i words=''\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=${COMP_WORDS[i]}\n"
      "    if [[ $word == -- && $where == run ]]; then\n"
      "      if ((i + 1 == COMP_CWORD)); then COMPREPLY=($(compgen -c -- \"$cur\")); fi\n"
      "      return\n"
      "    fi\n"
      "    case \"${where:+$where }$word\" in\n" +
      path_cases(tree) +
      "    esac\n"
      "  done\n"
      "  case \"$where\" in\n";
  for (const auto& [path, node] : tree) {
    const std::string numbers = numbers_for(path);
    out += "    '" + path + "') words='" + texts(node.words) + " " + texts(node.options) + "'" +
           (numbers.empty() ? "" : "\" $(" + numbers + ")\"") + ";;\n";
  }
  out +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "}\n"
      "complete -o bashdefault -o default -F _agent_vault agent-vault\n";
  return out;
}

std::string zsh_script(const Tree& tree) {
  std::string out =
      "#compdef agent-vault\n"
      "# zsh completion for agent-vault\n"
      "_agent_vault() {\n"
      "  local where='' word i\n"
      "  local -a choices\n"
      "  for ((i = 2; i < CURRENT; i++)); do\n"
      "    word=${words[i]}\n"
      "    if [[ $word == -- && $where == run ]]; then\n"
      "      shift $i words; ((CURRENT -= i)); _normal; return\n"
      "    fi\n"
      "    case \"${where:+$where }$word\" in\n" +
      path_cases(tree) +
      "    esac\n"
      "  done\n"
      "  case \"$where\" in\n";
  for (const auto& [path, node] : tree) {
    out += "    '" + path + "') choices=(";
    for (const auto* list : {&node.words, &node.options}) {
      for (const Word& word : *list) {
        out += "'" + word.text + ":" + quotable(word.help) + "' ";
      }
    }
    const std::string numbers = numbers_for(path);
    out += numbers.empty() ? "" : "$(" + numbers + ")";
    out += ");;\n";
  }
  out +=
      "  esac\n"
      "  _describe 'agent-vault' choices || _files\n"
      "}\n"
      "compdef _agent_vault agent-vault\n";
  return out;
}

std::string fish_script(const Tree& tree) {
  std::string out =
      "# fish completion for agent-vault\n"
      "function __agent_vault_at\n"
      "  set -l where ''\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    set -l next (string trim -- \"$where $word\")\n"
      "    switch $next\n";
  for (const Alias& alias : command_aliases()) {
    out += "      case '" + std::string(alias.path) + "'\n        set where '" +
           std::string(alias.target) + "'\n";
  }
  for (const auto& [path, node] : tree) {
    if (!path.empty()) {
      out += "      case '" + path + "'\n        set where '" + path + "'\n";
    }
  }
  out +=
      "    end\n"
      "  end\n"
      "  test \"$where\" = \"$argv[1]\"\n"
      "end\n";
  for (const auto& [path, node] : tree) {
    const std::string condition = "complete -c agent-vault -n \"__agent_vault_at '" + path + "'\"";
    for (const Word& word : node.words) {
      out += condition + " -f -a " + word.text + " -d '" + quotable(word.help) + "'\n";
    }
    for (const Word& option : node.options) {
      out += condition + " -l " + option.text.substr(2) + " -d '" + quotable(option.help) + "'\n";
    }
    const std::string numbers = numbers_for(path);
    if (!numbers.empty()) {
      out += condition + " -f -a '(" + numbers + ")'\n";
    }
  }
  return out;
}

Run setup_completion(OptionSet& app) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish")->required();
  app.footer("bash: source <(agent-vault completion bash)");
  return [shell](Context& context) -> Expected<int> {
    const Tree tree = build_tree();
    if (*shell == "bash") {
      print(context.out, bash_script(tree));
    } else if (*shell == "zsh") {
      print(context.out, zsh_script(tree));
    } else if (*shell == "fish") {
      print(context.out, fish_script(tree));
    } else {
      return usage_error("no completion for that shell", "one of bash, zsh, fish");
    }
    return 0;
  };
}

}  // namespace

std::span<const Command> completion_commands() {
  static constexpr std::array<Command, 1> kCommands = {{
      {"completion", "print a completion script for a shell", Needs::kNothing, setup_completion,
       false},
  }};
  return kCommands;
}

}  // namespace av::cmd
