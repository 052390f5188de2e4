// Where every sample went: produced = trained + sum(dropped[reason]) + in_flight, per stream.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/ledger.h"
#include "report/ledger_set.h"

namespace millrace {

struct StreamAccounting {
  SegmentCount produced;  // by every incarnation of every actor
  SegmentCount trained;   // part of the current parameter lineage
  std::array<SegmentCount, kNumDropReasons> dropped;
  SegmentCount in_flight;  // committed by a producer and not yet disposed of
  SegmentCount duplicates;
  SegmentCount redelivered;

  SegmentCount TotalDropped() const;
  // The identity, in segments and in environment steps, and no duplicates.
  bool Holds() const;
  // {"produced", "trained", "dropped": {reason: count}, "in_flight", "duplicates", "redelivered",
  //  "env_steps": {the same}, "holds"}; only reasons that occurred.
  nlohmann::ordered_json ToJson() const;
};

// By stream, that is, by policy.
using Accounting = std::map<std::string, StreamAccounting>;

Accounting AccountingOf(const std::vector<const LedgerSet::Entry*>& ledgers);
// kUnavailable if a ledger changes too quickly.
absl::StatusOr<Accounting> ReadAccounting(const std::filesystem::path& ledger_directory);
// "sample/POLICY" -> StreamAccounting::ToJson(), as `streams` of summary.json.
nlohmann::ordered_json ToJson(const Accounting& accounting);

}  // namespace millrace
