#include "source/fetch_race.h"

#include <utility>

namespace av::source {
namespace {

vault::FetchResult result_of(const vault::SourceQuery& query, std::size_t choice,
                             const KeptRecord& record) {
  vault::FetchedItem out;
  out.version = record.version;
  out.until_ms = record.until_ms;
  out.choice = choice;
  for (const std::string& field : query.choices[choice].fields) {
    const auto found = find_field(record.fields, field);
    if (found == record.fields.end() || found->second->empty()) {
      return no_such_field(record.fields, field);
    }
    out.values.push_back(found->second);
  }
  return out;
}

}  // namespace

FetchRace::Decision FetchRace::decide(std::int64_t now_ms) const {
  bool waits = false;
  std::optional<Failure> telling;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const std::optional<Outcome>& outcome = outcomes[i];
    if (!outcome) {
      waits = true;
      continue;
    }
    vault::FetchResult result =
        *outcome ? result_of(query, i, ***outcome) : vault::FetchResult(outcome->error());
    if (result) {
      if (waits && (decide_ms == 0 || now_ms < decide_ms)) {
        return {std::nullopt, /*in_grace=*/true};
      }
      return {std::move(result)};
    }
    // That a store does not have it says less than that one could not be asked.
    if (!telling || telling->why == Failure::Why::kNotFound) {
      telling = result.error();
    }
  }
  if (waits || !telling) {
    return {};
  }
  return {vault::FetchResult(*telling)};
}

}  // namespace av::source
