#include "workers/trainer/rank_reports.h"

#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using nlohmann::json;

json Parse(const std::string& value) {
  return json::parse(value, nullptr, /*allow_exceptions=*/false);
}

// [[batch, count], ...] of one rank.
void AddCounts(const json& list, uint32_t rank, RankReports::Counts& counts) {
  for (const json& place : list) counts[{place[0].get<uint64_t>(), rank}] += place[1].get<int>();
}

}  // namespace

std::string RankReports::LostKey(int rank, LaneKey lane) const {
  return fmt::format("lost/{}/{}/{}.{}", policy_, rank, lane.first, lane.second);
}

absl::Status RankReports::Watch(Doorbell* bell) {
  MILLRACE_RETURN_IF_ERROR(names_->Watch("lost/" + policy_ + "/", bell));
  return names_->Watch(ReturnedPrefix(), bell);
}

absl::Status RankReports::TellReceived(LaneKey lane, const Counts& received) {
  json list = json::array();
  for (const auto& [place, count] : received) list.push_back({place.first, count});
  return names_->Put(LostKey(rank_, lane), json{{"received", std::move(list)}}.dump());
}

absl::Status RankReports::TellReturned(uint64_t epoch, const std::map<uint64_t, int>& returned) {
  json list = json::array();
  for (const auto& [batch, count] : returned) list.push_back({batch, count});
  return names_->Put(ReturnedPrefix() + std::to_string(rank_),
                     json{{"epoch", epoch}, {"batches", std::move(list)}}.dump());
}

std::optional<RankReports::Counts> RankReports::Received(LaneKey lane) const {
  Counts counts;
  for (int rank = 1; rank < ranks_; ++rank) {
    const std::string name = LostKey(rank, lane);
    const auto entries = names_->List(name);
    if (entries.empty() || entries.front().key != name) return std::nullopt;
    const json record = Parse(entries.front().value);
    if (!record.is_object()) continue;
    AddCounts(record.value("received", json::array()), static_cast<uint32_t>(rank), counts);
  }
  return counts;
}

RankReports::Counts RankReports::Returned(uint64_t epoch) const {
  Counts counts;
  const std::string prefix = ReturnedPrefix();
  for (const NameEntry& entry : names_->List(prefix)) {
    const json record = Parse(entry.value);
    uint32_t rank = 0;
    if (!absl::SimpleAtoi(entry.key.substr(prefix.size()), &rank)) continue;
    if (!record.is_object() || record.value("epoch", uint64_t{0}) != epoch) continue;
    AddCounts(record.value("batches", json::array()), rank, counts);
  }
  return counts;
}

}  // namespace millrace
