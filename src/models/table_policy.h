// Models whose features of ids have embedding tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/data/spaces.h"
#include "millrace/models/policy.h"

namespace millrace {

// While such a model is trained its tables are the backend's (backends/dlrm), which looks rows up
// and steps on them. Of a model that acts, their rows are weights, too: who acts looks them up
// there. Bound to one thread.
class TablePolicy : public Policy {
 public:
  // What the backend adds to a minibatch: float32 [N, features, columns], the bags of every sample.
  static constexpr char kBags[] = "bags";

  struct Table {
    std::string name;
    int64_t rows = 0;
  };
  struct Shape {
    std::vector<IdFeature> observed;    // features of ids in the observation
    std::vector<std::string> left_out;  // names of those that have no table
    int64_t columns = 0;                // of every table
    bool mean = false;                  // bags are means of rows, not sums
  };

  TablePolicy(const Shape& shape, uint64_t seed);

  // Features of ids in the observation, and those of them that are looked up, in order.
  const std::vector<IdFeature>& observed() const { return observed_; }
  const std::vector<IdFeature>& features() const { return features_; }
  const std::vector<bool>& used() const { return used_; }  // of observed()
  const std::vector<Table>& tables() const { return tables_; }
  int table_of(size_t feature) const { return table_of_[feature]; }  // of features()
  int64_t columns() const { return columns_; }
  bool mean() const { return mean_; }
  uint64_t seed() const { return seed_; }

  // Of the weight that has the rows of a table.
  static std::string WeightName(std::string table);
  // [rows, columns], a buffer of the module; undefined if it never acts.
  torch::Tensor rows(size_t table) const { return rows_.empty() ? torch::Tensor() : rows_[table]; }

 protected:
  // Of a model that acts: makes rows() of all tables, zeros until weights are loaded.
  void AddRows();
  // [N, features, columns]: the backend's, or those of rows(). Throws if there are neither.
  torch::Tensor Bags(const TensorDict& observation) const;

 private:
  torch::Tensor LookUp(const TensorDict& observation) const;

  const std::vector<IdFeature> observed_;
  const int64_t columns_;
  const bool mean_;
  const uint64_t seed_;
  std::vector<bool> used_;
  std::vector<IdFeature> features_;
  std::vector<Table> tables_;
  std::vector<int> table_of_;
  std::vector<torch::Tensor> rows_;  // of tables_, or none
};

// kInvalidArgument: nothing is looked up, or features that share a table have other rows.
absl::Status CheckTables(const TablePolicy::Shape& shape, const std::string& model);

}  // namespace millrace
