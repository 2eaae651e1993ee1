#pragma once
// Where exported records go: the interface, and the one that sends them to a collector in batches,
// with patience.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"
#include "cmd/otlp_client.h"
#include "cmd/otlp_json.h"
#include "vault/audit.h"

namespace av::cmd {

class ExportSink {
 public:
  virtual ~ExportSink() = default;
  virtual Status add(vault::AuditRecord record, std::string_view line) = 0;
  [[nodiscard]] virtual bool full() const = 0;
  // Returns when what was added is where it should be.
  virtual Status deliver() = 0;
};

// `retry_for`: how long a collector that is busy or away is tried again; nullopt: for good.
class OtlpSink final : public ExportSink {
 public:
  OtlpSink(const Context& context, OtlpClient client, std::optional<std::chrono::seconds> retry_for)
      : context_(context), client_(std::move(client)), retry_for_(retry_for) {}

  Status add(vault::AuditRecord record, std::string_view line) override;
  [[nodiscard]] bool full() const override;
  Status deliver() override;
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t rejected() const { return rejected_; }

 private:
  using Batch = std::vector<ExportedRecord>;
  Status send(const Batch& batch);
  Status send_halves(const Batch& batch);
  Expected<CollectorReply> post_until_answered(const std::string& body);

  const Context& context_;
  OtlpClient client_;
  std::optional<std::chrono::seconds> retry_for_;
  Batch batch_;
  std::size_t bytes_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t rejected_ = 0;
};

}  // namespace av::cmd
