#include "cli/torch/shared_embedding_arms.h"

#include <chrono>
#include <memory>
#include <utility>

#include "backends/c10d_store_adapter.h"
#include "backends/gloo_collectives.h"
#include "cli/torch/embedding_batches.h"
#include "cli/torch/table_ranks.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {

absl::StatusOr<std::vector<BenchArm>> SharedStepArms(const EmbeddingBenchOptions& options,
                                                     int columns, IdDistribution distribution) {
  MILLRACE_ASSIGN_OR_RETURN(auto arms, OwnStepArm(options, columns, distribution));
  TableRanks::Options shared{.ranks = options.ranks};
  for (int t = 0; t < options.tables; ++t) {
    const std::string name = std::to_string(t);
    shared.tables.push_back({.name = name, .rows = options.rows, .columns = columns});
    shared.features.push_back({.name = name, .table = t});
  }
  shared.plan = embedding::PlanTableWise(shared.tables, options.ranks);
  const auto store = MakeProcessStore();
  const JoinGroup over_gloo = [&](int rank) {
    return MakeGlooCollectives(store, rank, options.ranks, std::chrono::seconds(30));
  };
  const auto batches = DrawBatches(options, distribution);
  for (const auto& [name, join] :
       {std::pair{"shm", OverSharedMemory(options.ranks)}, {"gloo", over_gloo}}) {
    MILLRACE_ASSIGN_OR_RETURN(auto made, TableRanks::Create(shared, batches, join));
    const std::shared_ptr<TableRanks> ranks = std::move(made);
    arms.push_back(
        {name, [ranks] { MILLRACE_CHECK(ranks->Step().ok(), "a group that stays together"); }});
  }
  return arms;
}

}  // namespace millrace
