#include "source/coverer.h"

#include <fcntl.h>
#include <unistd.h>

#include "source/child_process.h"
#include "source/process_runner.h"
#include "unit/source/op_fixture.h"

namespace av::source {
namespace {

using namespace av::test::programs;

// In the place of the one that makes namespaces: a shell, which is told what to do.
class Shell final : public Coverer {
 public:
  explicit Shell(std::string script) : script_(std::move(script)) {}
  Result<Cover> cover(const Covered& program) const override {
    seen_arguments = program.arguments;
    seen_environment = std::string(program.environment);
    Cover out;
    out.program = UniqueFd(::open("/bin/bash", O_PATH | O_CLOEXEC));
    out.arguments = {"bash", "-c", script_, "bash", std::to_string(program.verdict)};
    out.told.append("told");
    return out;
  }
  mutable std::vector<std::string> seen_arguments;
  mutable std::string seen_environment;

 private:
  std::string script_;
};

struct Covering {
  explicit Covering(const std::string& script) : shell(new Shell(script)), runner(take()) {}
  std::unique_ptr<Coverer> take() { return std::unique_ptr<Coverer>(shell); }
  Shell* shell;
  ProcessRunner runner;
};

Command command_of(std::string program) {
  Command out;
  out.program = std::move(program);
  out.arguments = {"one"};
  out.input.append("input of the program");
  out.environment.emplace_back("TOKEN", *Secret::copy_of("secret of the program"));
  return out;
}

TEST_CASE("cover: what goes in front has its frame first, and then the program's own input") {
  // 8 bytes of length, 4 of content.
  Covering covering("head -c 12 >/dev/null; cat; env >&2; printf 'exit 3' >&$1; exit 9");
  const auto outcome = covering.runner.run(command_of("/usr/bin/true"));
  INFO((outcome ? std::string() : outcome.error().message));
  REQUIRE(outcome);
  CHECK(outcome->exit_code == 3);  // what it said, not how it ended
  CHECK(text_of(outcome->output) == "input of the program");
  CHECK(covering.shell->seen_arguments == std::vector<std::string>{"/usr/bin/true", "one"});
  // Its secret is for the program: what goes in front has nothing of it in its own environment.
  CHECK(covering.shell->seen_environment.find("TOKEN=secret of the program") != std::string::npos);
  CHECK(outcome->errors.find("secret") == std::string::npos);
}

TEST_CASE("cover: without covers, or without a word of how it ended, there is no answer") {
  Covering refuses("printf 'none no namespaces\\nsee there' >&$1");
  const auto refused = refuses.runner.run(command_of("/usr/bin/true"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().why == Failure::Why::kRefused);
  CHECK(refused.error().message.find("no namespaces") != std::string::npos);
  CHECK(refused.error().hint.find("see there") != std::string::npos);
  Covering silent("echo value");
  CHECK(silent.runner.run(command_of("/usr/bin/true")).error().why == Failure::Why::kUnreachable);
  Covering missing("printf 'exec 2' >&$1");
  CHECK(missing.runner.run(command_of("/usr/bin/nothing")).error().message ==
        "there is no program /usr/bin/nothing");
}

TEST_CASE("cover: a verdict is read as it was written, and anything else is none") {
  for (const Verdict& verdict :
       {Verdict{Verdict::What::kExited, 139, {}, {}}, Verdict{Verdict::What::kNotRun, 13, {}, {}},
        Verdict{Verdict::What::kRefused, 0, "why", "what to do"}}) {
    const auto again = verdict_of(to_text(verdict));
    REQUIRE(again);
    CHECK(again->what == verdict.what);
    CHECK(again->value == verdict.value);
    CHECK(again->text == verdict.text);
    CHECK(again->hint == verdict.hint);
  }
  for (const std::string_view bad :
       {"", "exit", "exit ", "exit x", "exit -1", "exec ", "yes", "exit 99999999999"}) {
    INFO(bad);
    CHECK_FALSE(verdict_of(bad));
  }
}

std::optional<std::string> framed(const std::string& bytes) {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  REQUIRE(::write(pipe->write.get(), bytes.data(), bytes.size()) ==
          static_cast<ssize_t>(bytes.size()));
  pipe->write.reset();
  const auto read = read_frame(pipe->read.get());
  return read ? std::optional(std::string(read->view())) : std::nullopt;
}

TEST_CASE("cover: a frame that ends before it should, or is too long, is none") {
  SecretBuffer whole;
  append_frame(whole, "content");
  const std::string bytes(whole.view());
  CHECK(framed(bytes) == "content");
  CHECK(framed(bytes + "more") == "content");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(framed(bytes.substr(0, size)));
  }
  CHECK_FALSE(framed(std::string(8, '\xff')));
}

}  // namespace
}  // namespace av::source
