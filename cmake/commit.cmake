# cmake -DSOURCE=DIRECTORY -DOUTPUT=commit.cc [-DCOMMIT=NAME] -P commit.cmake
# What build_commit() returns (src/cmd/version.h). Runs in every build, and writes only what is new. COMMIT is
# for trees that came out of a repository without it: a release's, a container's.
cmake_minimum_required(VERSION 3.22)
if(NOT COMMIT)
  set(COMMIT "")
  find_program(GIT git)
  # A directory of somebody else's repository is not this tree's.
  if(GIT AND EXISTS "${SOURCE}/.git")
    execute_process(COMMAND ${GIT} -C "${SOURCE}" rev-parse --verify HEAD
                    OUTPUT_VARIABLE found RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT failed)
      set(COMMIT "${found}")
      execute_process(COMMAND ${GIT} -C "${SOURCE}" --no-optional-locks status --porcelain --untracked-files=no
                      OUTPUT_VARIABLE changes ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
      if(changes)
        string(APPEND COMMIT "-modified")
      endif()
    endif()
  endif()
endif()
if(COMMIT AND NOT COMMIT MATCHES "^[0-9a-f]+(-modified)?$")
  message(FATAL_ERROR "'${COMMIT}' is not the name of a commit")
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT "#include \"cmd/version.h\"

namespace av::cmd {

std::string_view build_commit() { return \"${COMMIT}\"; }

}  // namespace av::cmd
" @ONLY NEWLINE_STYLE UNIX)
