#include "workers/trainer/rank_reports.h"

#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>

#include "millrace/core/status.h"

namespace millrace {
namespace {

using nlohmann::json;

json Parse(const std::string& value) {
  return json::parse(value, nullptr, /*allow_exceptions=*/false);
}

// [[batch, place, count], ...].
json ToJson(const RankReports::Counts& counts) {
  json list = json::array();
  for (const auto& [place, count] : counts) list.push_back({place.first, place.second, count});
  return list;
}
void AddCounts(const json& list, RankReports::Counts& counts) {
  for (const json& entry : list) {
    counts[{entry[0].get<uint64_t>(), entry[1].get<uint32_t>()}] += entry[2].get<int>();
  }
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
  return names_->Put(LostKey(rank_, lane), json{{"received", ToJson(received)}}.dump());
}

absl::Status RankReports::TellReturned(uint64_t epoch, const Counts& returned) {
  return names_->Put(ReturnedPrefix() + std::to_string(rank_),
                     json{{"epoch", epoch}, {"credits", ToJson(returned)}}.dump());
}

std::optional<RankReports::Counts> RankReports::Received(LaneKey lane) const {
  Counts counts;
  for (int rank = 1; rank < ranks_; ++rank) {
    const std::string name = LostKey(rank, lane);
    const auto entries = names_->List(name);
    if (entries.empty() || entries.front().key != name) return std::nullopt;
    const json record = Parse(entries.front().value);
    if (!record.is_object()) continue;
    AddCounts(record.value("received", json::array()), counts);
  }
  return counts;
}

RankReports::Counts RankReports::Returned(uint64_t epoch) const {
  Counts counts;
  for (const NameEntry& entry : names_->List(ReturnedPrefix())) {
    const json record = Parse(entry.value);
    if (!record.is_object() || record.value("epoch", uint64_t{0}) != epoch) continue;
    AddCounts(record.value("credits", json::array()), counts);
  }
  return counts;
}

}  // namespace millrace
