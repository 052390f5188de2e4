#include "cli/torch/collectives_bench.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>

#include "backends/c10d_store_adapter.h"
#include "backends/gloo_collectives.h"
#include "backends/shm_collectives.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr auto kTimeout = std::chrono::seconds(30);
constexpr size_t kArms = 2;  // shared memory, Gloo
constexpr std::array kOperations = {"all_to_all", "all_reduce"};

// How often in one measurement.
int Repetitions(int64_t bytes) {
  return static_cast<int>(std::clamp<int64_t>((int64_t{32} << 20) / bytes, 4, 500));
}

// What one rank exchanges.
class Rank {
 public:
  Rank(int rank, const CollectivesBenchOptions& options, const std::filesystem::path& file,
       const c10::intrusive_ptr<c10d::Store>& store)
      : options_(options),
        shm_(MakeShmCollectives(
            {.file = file, .rank = rank, .size = options.ranks, .timeout = kTimeout})),
        gloo_(MakeGlooCollectives(store, rank, options.ranks, kTimeout)) {}

  absl::Status status() const { return shm_.ok() ? gloo_.status() : shm_.status(); }

  // Measures everything; every rank does so at the same time. Seconds, [operation][size][arm].
  absl::Status Measure() {
    seconds_.assign(kOperations.size() * options_.bytes.size() * kArms, {});
    for (int round = -1; round < options_.rounds; ++round) {  // the first is to warm up
      size_t next = 0;
      for (size_t operation = 0; operation < kOperations.size(); ++operation) {
        for (const int64_t bytes : options_.bytes) {
          for (Collectives* const arm : {shm_->get(), gloo_->get()}) {
            MILLRACE_ASSIGN_OR_RETURN(const double taken, Time(*arm, operation, bytes));
            if (round >= 0) seconds_[next].push_back(taken);
            ++next;
          }
        }
      }
    }
    return absl::OkStatus();
  }

  const std::vector<double>& seconds(size_t operation, size_t size, size_t arm) const {
    return seconds_[(operation * options_.bytes.size() + size) * kArms + arm];
  }

 private:
  absl::StatusOr<double> Time(Collectives& group, size_t operation, int64_t bytes) {
    const int64_t floats = std::max<int64_t>(1, bytes / static_cast<int64_t>(sizeof(float)));
    torch::Tensor numbers = torch::ones({floats});
    const int64_t part = std::max<int64_t>(1, floats / std::max(1, group.size() - 1));
    std::vector<torch::Tensor> to, from;
    for (int r = 0; r < group.size(); ++r) {
      const int64_t size = r == group.rank() ? 0 : part;
      to.push_back(torch::ones({size}));
      from.push_back(torch::ones({size}));  // all of it touched before
    }
    MILLRACE_RETURN_IF_ERROR(group.Barrier());
    const int repetitions = Repetitions(bytes);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < repetitions; ++i) {
      MILLRACE_RETURN_IF_ERROR(operation == 0 ? group.AllToAll(to, from)
                                              : group.AllReduceSum(numbers));
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    return taken.count() / repetitions;
  }

  const CollectivesBenchOptions& options_;
  absl::StatusOr<std::unique_ptr<Collectives>> shm_, gloo_;
  std::vector<std::vector<double>> seconds_;
};

std::vector<double> Scaled(std::vector<double> values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunCollectivesBench(const CollectivesBenchOptions& options) {
  const std::filesystem::path file =
      std::filesystem::path("/dev/shm") / fmt::format("millrace-bench-{}", ::getpid());
  const auto store = MakeProcessStore();
  std::vector<absl::Status> statuses(static_cast<size_t>(options.ranks));
  std::unique_ptr<Rank> first;
  {
    std::vector<std::jthread> threads;
    for (int r = 0; r < options.ranks; ++r) {
      threads.emplace_back([&, r] {
        at::set_num_threads(1);
        auto rank = std::make_unique<Rank>(r, options, file, store);
        absl::Status& status = statuses[static_cast<size_t>(r)];
        status = rank->status();
        if (status.ok()) status = rank->Measure();
        if (r == 0) first = std::move(rank);
      });
    }
  }
  for (const absl::Status& status : statuses) MILLRACE_RETURN_IF_ERROR(status);
  std::vector<BenchRow> rows;
  for (size_t operation = 0; operation < kOperations.size(); ++operation) {
    for (size_t size = 0; size < options.bytes.size(); ++size) {
      BenchRow row;
      row.name = fmt::format("collectives/{}/{}", kOperations[operation], options.bytes[size]);
      row.unit = "us";
      row.samples = Scaled(first->seconds(operation, size, 0), 1e6);
      row.value = Median(row.samples);
      row.baseline = "gloo";
      row.baseline_value = Median(Scaled(first->seconds(operation, size, 1), 1e6));
      row.lower_is_better = true;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace millrace
