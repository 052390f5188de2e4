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
                            .tiers = {{.bytes = int64_t{1} << 60}},
                            .exchange = embedding::kTypicalExchange});
}

absl::Status Complain(const std::string& file, const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("backend.plan_file: ", file, ": expected ", expected));
}

// A table of the file.
absl::Status AddEntry(const nlohmann::json& entry, int table, const TableOptions& options,
                      TablePlan& plan) {
  if (entry.value("replicated", false)) {
    AddReplicatedTable(table, options, plan);
    return absl::OkStatus();
  }
  const auto ranks = entry.at("ranks").get<std::vector<int>>();
  const int rows = entry.value("row_parts", 1), columns = entry.value("column_parts", 1);
  if (rows < 1 || columns < 1 || ranks.empty()) {
    return absl::InvalidArgumentError("row_parts, column_parts and ranks of one or more");
  }
  AddTable(table, options, rows, columns, ranks, plan);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TablePlan> MakeTablePlan(Sharding sharding, std::span<const TableOptions> tables,
                                        std::span<const double> lookups, int ranks) {
  if (sharding == Sharding::kPlanned) return PlanByTypicalCosts(tables, lookups, ranks);
  if (sharding == Sharding::kTableWise) return embedding::PlanTableWise(tables, ranks);
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
    entries[static_cast<size_t>(found - names.begin())] = &entry;
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
      status = absl::InvalidArgumentError("numbers for row_parts, column_parts and ranks");
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
