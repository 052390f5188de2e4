#include "cli/torch/dense_comparison.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>

namespace millrace {
namespace {

std::vector<double> Scaled(std::vector<double> values, double scale) {
  for (double& value : values) value *= scale;
  return values;
}

}  // namespace

void DenseComparison::AddScaled(const char* unit, double scale, const std::vector<BenchArm>& arms) {
  AddAgainstFirst(unit, scale, arms, Interleave(arms, rounds_, one_thread_).seconds);
}

void DenseComparison::AddExtra(const char* unit, double scale, const std::vector<BenchArm>& arms) {
  auto seconds = Interleave(arms, rounds_, one_thread_).seconds;
  for (size_t i = 1; i < arms.size(); ++i) {
    std::ranges::transform(seconds[i], seconds[0], seconds[i].begin(), std::minus());
  }
  AddAgainstFirst(unit, scale, arms, seconds);
}

void DenseComparison::AddAgainstFirst(const char* unit, double scale,
                                      const std::vector<BenchArm>& arms,
                                      const std::vector<std::vector<double>>& seconds) {
  for (size_t i = 1; i < arms.size(); ++i) {
    table_.push_back({arms[i].name, unit, scale * Median(seconds[i]), arms[0].name,
                      scale * Median(seconds[0]), Scaled(seconds[i], scale),
                      /*lower_is_better=*/true});
  }
}

void DenseComparison::Add(const char* what, const char* unit, double work, int64_t width,
                          size_t dense, const std::vector<BenchArm>& arms) {
  const MeasuredArms measured = Interleave(arms, rounds_, one_thread_);
  for (size_t i = 1; i < arms.size(); ++i) {
    Compare(i < dense ? fmt::format("nm_sparse/{}/dense/{}/D{}", what, arms[i].name, width)
                      : arms[i].name,
            unit, work, i, arms, measured.seconds);
  }
  const auto& bfloat16 = measured.joules[2];
  // Counters move once a millisecond: arms that are shorter have too few of them.
  const auto known = [&](const std::vector<double>& joules) {
    return std::ssize(joules) == rounds_;
  };
  for (size_t i = dense; i < arms.size() && work == 0 && known(bfloat16); ++i) {
    if (!known(measured.joules[i])) continue;
    table_.push_back({arms[i].name + "/energy", "J", Median(measured.joules[i]),
                      "dense " + arms[2].name, Median(bfloat16), measured.joules[i],
                      /*lower_is_better=*/true});
  }
}

void DenseComparison::Compare(const std::string& name, const char* unit, double work, size_t i,
                              const std::vector<BenchArm>& arms,
                              const std::vector<std::vector<double>>& seconds) {
  const size_t best = Median(seconds[0]) <= Median(seconds[1]) ? 0 : 1;
  const auto value_of = [work](double s) { return work > 0 ? work / s : 1e3 * s; };
  std::vector<size_t> rivals = {0};
  if (i > 1 && best != 0) rivals.push_back(best);
  if (i > 2) rivals.push_back(2);
  for (const size_t rival : rivals) {
    std::vector<double> samples, ratios;
    for (size_t round = 0; round < seconds[i].size(); ++round) {
      samples.push_back(value_of(seconds[i][round]));
      ratios.push_back(seconds[rival][round] / seconds[i][round]);
    }
    table_.push_back({name, unit, value_of(Median(seconds[i])), "dense " + arms[rival].name,
                      value_of(Median(seconds[rival])), samples, /*lower_is_better=*/work == 0,
                      Median(ratios)});
  }
}

}  // namespace millrace
