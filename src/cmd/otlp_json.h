#pragma once
// Audit records as OpenTelemetry log records, in OTLP's JSON encoding (opentelemetry-proto,
// docs/specification.md; JSON Protobuf Encoding): 64-bit integers as strings, enums as numbers.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vault/audit.h"

namespace av::cmd {

// A record, and the hash of its line, which no other record has.
struct ExportedRecord {
  vault::AuditRecord record;
  std::string hash;
};

// The body of one ExportLogsServiceRequest.
[[nodiscard]] std::string otlp_logs(const std::vector<ExportedRecord>& records,
                                    std::int64_t observed_ms);

// What the collector says of a request that it has accepted.
struct OtlpAnswer {
  std::uint64_t rejected = 0;
  std::string message;
};
// Nothing rejected when the body says nothing.
[[nodiscard]] OtlpAnswer parse_otlp_answer(std::string_view body);

}  // namespace av::cmd
