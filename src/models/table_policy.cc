#include "models/table_policy.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "embedding/jagged_rows.h"
#include "millrace/core/check.h"
#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

template <typename T>
std::span<const T> Numbers(const torch::Tensor& tensor) {
  return {tensor.const_data_ptr<T>(), static_cast<size_t>(tensor.numel())};
}

// Throws if a sample has ids that there are not.
void CheckIds(const std::vector<IdFeature>& features, const embedding::JaggedIds& batch) {
  const int64_t* id = batch.ids.data();
  for (size_t f = 0; f < features.size(); ++f) {
    const auto lengths = batch.LengthsOf(static_cast<int64_t>(f));
    const int64_t* const end = id + std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
    for (; id < end; ++id) {
      if (*id >= 0 && *id < features[f].rows) continue;
      throw std::invalid_argument(absl::StrCat("feature \"", features[f].name,
                                               "\": expected ids from 0 to ", features[f].rows - 1,
                                               ", got ", *id));
    }
  }
}

}  // namespace

std::string TablePolicy::WeightName(std::string table) {
  std::ranges::replace(table, '.', ':');  // modules have no dots in the names of their own tensors
  return "table_" + table;
}

TablePolicy::TablePolicy(const Shape& shape, uint64_t seed)
    : observed_(shape.observed), columns_(shape.columns), mean_(shape.mean), seed_(seed) {
  for (const IdFeature& feature : observed_) {
    used_.push_back(std::ranges::find(shape.left_out, feature.name) == shape.left_out.end());
    if (!used_.back()) continue;
    features_.push_back(feature);
    const auto found = std::ranges::find(tables_, feature.table_name(), &Table::name);
    table_of_.push_back(static_cast<int>(found - tables_.begin()));
    if (found == tables_.end()) tables_.push_back({feature.table_name(), feature.rows});
  }
}

void TablePolicy::AddRows() {
  for (const Table& table : tables_) {
    rows_.push_back(register_buffer(WeightName(table.name), torch::zeros({table.rows, columns_})));
  }
}

torch::Tensor TablePolicy::Bags(const TensorDict& observation) const {
  const auto bags = observation.find(kBags);
  if (bags != observation.end()) return bags->second;
  if (rows_.empty()) {
    throw std::invalid_argument("a model with tables: they are backend dlrm's, which computes it");
  }
  return LookUp(observation);
}

torch::Tensor TablePolicy::LookUp(const TensorDict& observation) const {
  const torch::Tensor ids = observation.at(ObservationField(kIds)).contiguous();
  const torch::Tensor counts = observation.at(ObservationField(kIdCounts)).contiguous();
  const int64_t samples = ids.size(0);
  embedding::JaggedRows jagged;
  const absl::Status status =
      jagged.Set(Numbers<int64_t>(ids), Numbers<int32_t>(counts), samples, used_);
  if (!status.ok()) throw std::invalid_argument(std::string(status.message()));
  const embedding::JaggedIds batch = jagged.batch();
  CheckIds(features_, batch);
  // Neighbouring features of one table are looked up at once.
  std::vector<torch::Tensor> parts;
  const int64_t* id = batch.ids.data();
  for (size_t begin = 0, end = 0; begin < features_.size(); begin = end) {
    while (end < features_.size() && table_of_[end] == table_of_[begin]) ++end;
    const int64_t bags = static_cast<int64_t>(end - begin) * samples;
    const auto lengths =
        batch.lengths.subspan(begin * static_cast<size_t>(samples), static_cast<size_t>(bags));
    torch::Tensor offsets = torch::empty({bags}, torch::kInt64);
    int64_t total = 0;
    for (int64_t b = 0; b < bags; ++b) {
      offsets.data_ptr<int64_t>()[b] = total;
      total += lengths[static_cast<size_t>(b)];
    }
    const torch::Tensor of_table =
        torch::from_blob(const_cast<int64_t*>(id), {total}, torch::kInt64);
    const auto table = static_cast<size_t>(table_of_[begin]);
    parts.push_back(std::get<0>(at::embedding_bag(rows_[table], of_table, offsets,
                                                  /*scale_grad_by_freq=*/false,
                                                  /*mode=*/mean_ ? 1 : 0))
                        .view({static_cast<int64_t>(end - begin), samples, columns_}));
    id += total;
  }
  return torch::cat(parts, 0).transpose(0, 1);
}

absl::Status CheckTables(const TablePolicy::Shape& shape, const std::string& model) {
  std::vector<std::string> names;
  std::map<std::string, int64_t> rows;
  for (const IdFeature& feature : shape.observed) {
    names.push_back(feature.name);
    const auto [table, is_new] = rows.emplace(feature.table_name(), feature.rows);
    if (is_new || table->second == feature.rows) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("model ", model, ": feature \"", feature.name, "\" has ", feature.rows,
                     " ids, others of its table \"", table->first, "\" have ", table->second));
  }
  for (const std::string& name : shape.left_out) {
    if (std::ranges::count(shape.left_out, name) > 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("model ", model, ": left_out: \"", name, "\" is there twice"));
    }
    if (std::ranges::find(names, name) != names.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat("model ", model,
                                                   ": left_out: expected features of ids, got \"",
                                                   name, "\"", DidYouMean(name, names)));
  }
  if (names.size() > shape.left_out.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("model ", model,
                   ": expected an environment or dataset with features of ids, got one without"));
}

}  // namespace millrace
