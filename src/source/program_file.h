#pragma once
// Programs that may be given a secret: how one is found when a store is paired, and how the very
// file that was found then is what runs later.
//
// Whoever may write a program, or a directory above it, may put another in its place. Where that is
// root alone, its path is enough. Where it is the user (and so the agent), the file is pinned by a
// digest: it is opened once, held against writing (a read lease, fcntl(2)), hashed through that
// descriptor and executed through it. Of a script, the interpreter is pinned as well, and run
// directly: no `env` looks for it again. What a program loads by itself is not pinned.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/fs.h"
#include "source/provider.h"

namespace av::source {

struct FoundProgram {
  std::string path;    // absolute, canonical
  std::string digest;  // SHA-256 (hex), of a script with its interpreter; empty: root alone may
                       // change it
};
// A path, or a name that is looked for in PATH (its absolute directories only). kNotFound; kRefused
// for a file that others than its owner may write; kInvalid for what is no program.
[[nodiscard]] Result<FoundProgram> find_program(std::string_view name_or_path);

// Whether root alone may change what is at this canonical path: the file and each directory above
// belong to root, and no other user or group may write to them.
[[nodiscard]] bool only_root_may_change(const std::string& path);
// The same for people who are not this process: a group that it is not in may write, too.
[[nodiscard]] bool beyond_this_user(const std::string& path);

// PATH for programs that get secrets: those directories of this process's PATH that this user
// cannot write to. Never empty.
[[nodiscard]] std::string safe_search_path();

// A file that is held still until this object dies.
struct PinnedProgram {
  UniqueFd program;  // what is executed
  UniqueFd script;   // what its last argument before the command's own names; may be invalid
  std::string name;  // argv[0]
  std::vector<std::string> leading;  // arguments of an interpreter, before the script
};
// kRefused: `digest` is not what is there, or it cannot be held still.
[[nodiscard]] Result<PinnedProgram> pin_program(const std::string& path, const std::string& digest);

// The interpreter that the head of a script names ("#!/usr/bin/env -S node --no-warnings").
struct ScriptHead {
  bool script = false;
  std::string interpreter;  // a path; or a name, when `search`
  bool search = false;      // `env` would look for it
  std::vector<std::string> arguments;
};
// `head`: the first bytes of a file. kInvalid for a head that cannot be read in one way.
[[nodiscard]] Result<ScriptHead> script_head(std::string_view head);

}  // namespace av::source
