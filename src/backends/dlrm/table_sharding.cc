#include "backends/dlrm/table_sharding.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "embedding/table_planner.h"
#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using embedding::PlacedShard;
using embedding::TableOptions;
using embedding::TablePlan;

absl::StatusOr<TablePlan> PlanByTypicalCosts(std::span<const TableOptions> tables,
                                             std::span<const double> lookups, int ranks) {
  std::vector<embedding::TableLoad> loads;
  for (size_t t = 0; t < tables.size(); ++t) {
    loads.push_back(embedding::TypicalLoad(tables[t], lookups[t]));
  }
  return PlanTables(loads, {.ranks = ranks,
                            .samples = embedding::kTypicalSamples,
                            .tiers = {{.bytes = INT64_MAX / ranks}},
                            .exchange = embedding::kTypicalExchange});
}

absl::Status Complain(const std::string& file, const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("backend.plan_file: ", file, ": expected ", expected));
}

constexpr uint64_t kMostParts = 1 << 20;

// A table of the file.
absl::Status AddEntry(const nlohmann::json& entry, int table, const TableOptions& options,
                      TablePlan& plan) {
  if (entry.value("replicated", false) && entry.size() == 2) {
    AddReplicatedTable(table, options, plan);
    return absl::OkStatus();
  }
  const std::vector<std::string> keys = {"name", "row_parts", "column_parts", "ranks"};
  for (const auto& [key, value] : entry.items()) {
    if (std::ranges::find(keys, key) != keys.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat("no key \"", key, "\"", DidYouMean(key, keys)));
  }
  const auto is_whole = [](const nlohmann::json& number) { return number.is_number_unsigned(); };
  const nlohmann::json one = 1u;
  const auto& rows = entry.contains("row_parts") ? entry["row_parts"] : one;
  const auto& columns = entry.contains("column_parts") ? entry["column_parts"] : one;
  const auto& ranks = entry.at("ranks");
  if (!is_whole(rows) || !is_whole(columns) || !ranks.is_array() || ranks.empty() ||
      !std::ranges::all_of(ranks, is_whole)) {
    return absl::InvalidArgumentError("whole numbers for row_parts, column_parts and ranks");
  }
  const size_t before = plan.shards.size();
  const auto parts = rows.get<uint64_t>() * columns.get<uint64_t>();
  if (parts >= 1 && parts <= kMostParts) {
    AddTable(table, options, rows.get<int>(), columns.get<int>(), ranks.get<std::vector<int>>(),
             plan);
  }
  if (plan.shards.size() - before == parts && ranks.size() <= parts) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a grid that it can be cut into, with at most as many ranks, got ", rows.dump(),
                   " x ", columns.dump(), " for ", ranks.size(), " ranks"));
}

}  // namespace

absl::StatusOr<TablePlan> MakeTablePlan(Sharding sharding, std::span<const TableOptions> tables,
                                        std::span<const double> lookups, int ranks) {
  if (sharding == Sharding::kTableWise || ranks == 1) {
    return embedding::PlanTableWise(tables, ranks);
  }
  if (sharding == Sharding::kPlanned) return PlanByTypicalCosts(tables, lookups, ranks);
  std::vector<int> all(static_cast<size_t>(ranks));
  std::iota(all.begin(), all.end(), 0);
  TablePlan plan;
  for (int t = 0; t < static_cast<int>(tables.size()); ++t) {
    const TableOptions& table = tables[static_cast<size_t>(t)];
    if (sharding == Sharding::kReplicated) {
      AddReplicatedTable(t, table, plan);
    } else {
      // The rest of a table's parts goes to whoever is next.
      std::ranges::rotate(all, all.begin() + 1 % std::ssize(all));
      const bool rows = sharding == Sharding::kRowWise;
      AddTable(t, table, rows ? ranks : 1, rows ? 1 : ranks, all, plan);
    }
  }
  return plan;
}

absl::Status WriteTablePlan(const TablePlan& plan, std::span<const TableOptions> tables, int ranks,
                            const std::string& file) {
  auto entries = nlohmann::json::array();
  for (size_t t = 0; t < tables.size(); ++t) {
    nlohmann::json entry = {{"name", tables[t].name}};
    int64_t row_parts = 0, parts = 0;
    std::vector<int> placed;
    for (const PlacedShard& shard : plan.shards) {
      if (shard.table != static_cast<int>(t)) continue;
      ++parts;
      row_parts += shard.shard.first_column == 0 ? 1 : 0;
      placed.push_back(shard.rank);
    }
    if (placed.front() == embedding::kEveryRank) {
      entry["replicated"] = true;
    } else {
      entry["row_parts"] = row_parts;
      entry["column_parts"] = parts / row_parts;
      entry["ranks"] = placed;
    }
    entries.push_back(std::move(entry));
  }
  std::ofstream stream(file);
  stream << "{\"ranks\": " << ranks << ", \"tables\": [\n";
  for (size_t t = 0; t < entries.size(); ++t) {
    stream << "  " << entries[t].dump() << (t + 1 < entries.size() ? ",\n" : "\n");
  }
  stream << "]}\n";
  stream.flush();
  return stream ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write " + file);
}

absl::StatusOr<TablePlan> ReadTablePlan(const std::string& file,
                                        std::span<const TableOptions> tables, int ranks) {
  std::ifstream stream(file);
  if (!stream) return Complain(file, "a file, got none");
  const auto root = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object() || !root.contains("ranks") || !root.contains("tables") ||
      !root["tables"].is_array()) {
    return Complain(file, "JSON with ranks and tables, as of `millrace plan --output`");
  }
  if (root["ranks"] != ranks) {
    return Complain(
        file, absl::StrCat("a plan for ", ranks, " trainers, got one for ", root["ranks"].dump()));
  }
  std::vector<std::string> names;
  for (const TableOptions& table : tables) names.push_back(table.name);
  std::vector<const nlohmann::json*> entries(tables.size());
  for (const nlohmann::json& entry : root["tables"]) {
    const std::string name =
        entry.is_object() && entry.contains("name") && entry["name"].is_string()
            ? entry["name"].get<std::string>()
            : std::string();
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      return Complain(file, absl::StrCat("the tables of the model, got \"", name, "\"",
                                         DidYouMean(name, names)));
    }
    const nlohmann::json*& place = entries[static_cast<size_t>(found - names.begin())];
    if (place != nullptr) return Complain(file, absl::StrCat("table \"", name, "\" once"));
    place = &entry;
  }
  TablePlan plan;
  for (size_t t = 0; t < tables.size(); ++t) {
    if (entries[t] == nullptr) {
      return Complain(file, absl::StrCat("a table \"", names[t], "\", got none"));
    }
    absl::Status status;
    try {
      status = AddEntry(*entries[t], static_cast<int>(t), tables[t], plan);
    } catch (const nlohmann::json::exception&) {
      status = absl::InvalidArgumentError("its ranks, or that it is replicated");
    }
    if (!status.ok()) {
      return Complain(file, absl::StrCat("of table \"", names[t], "\" ", status.message()));
    }
  }
  const absl::Status fits = CheckPlan(plan, tables, ranks);
  if (!fits.ok()) return Complain(file, absl::StrCat("a plan, got one with: ", fits.message()));
  return plan;
}

}  // namespace millrace
