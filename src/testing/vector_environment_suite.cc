#include <algorithm>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"
#include "millrace/testing/environment_suite.h"
#include "testing/episode_driver.h"

namespace millrace {
namespace {

constexpr uint64_t kSeed = 5;
constexpr int kSteps = 300;
constexpr int kCount = 4;

template <typename... Parts>
absl::Status Violation(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(parts...));
}

absl::StatusOr<std::unique_ptr<GroupDriver>> Drive(const VectorEnvironmentFactory& factory,
                                                   const Options& options, int count,
                                                   uint64_t first_slot) {
  MILLRACE_ASSIGN_OR_RETURN(auto group, factory(options, count));
  if (group == nullptr || group->size() != count) {
    return Violation("factory: expected a group of ", count);
  }
  return std::make_unique<GroupDriver>(std::move(group), kSeed, first_slot);
}

absl::Status SameRows(const GroupDriver& one, int index, const GroupDriver& other, int other_index,
                      int step) {
  if (one.RowsOf(index) == other.RowsOf(other_index)) return absl::OkStatus();
  return Violation("environment ", index, ": rows differ after step ", step);
}

absl::Status EpisodesDoNotDependOnTheGroup(const VectorEnvironmentFactory& factory,
                                           const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto all, Drive(factory, options, kCount, 0));
  MILLRACE_RETURN_IF_ERROR(all->Reset());
  std::vector<std::unique_ptr<GroupDriver>> halves;
  for (int first : {0, kCount / 2}) {
    MILLRACE_ASSIGN_OR_RETURN(auto half,
                              Drive(factory, options, kCount / 2, static_cast<uint64_t>(first)));
    MILLRACE_RETURN_IF_ERROR(half->Reset());
    halves.push_back(std::move(half));
  }
  for (int step = 0; step <= kSteps; ++step) {
    for (int e = 0; e < kCount; ++e) {
      MILLRACE_RETURN_IF_ERROR(
          SameRows(*all, e, *halves[static_cast<size_t>(2 * e / kCount)], e % (kCount / 2), step));
    }
    MILLRACE_RETURN_IF_ERROR(all->Run(1));
    for (auto& half : halves) MILLRACE_RETURN_IF_ERROR(half->Run(1));
  }
  return absl::OkStatus();
}

absl::Status SavedGroupGoesOnBitEqually(const VectorEnvironmentFactory& factory,
                                        const Options& options) {
  for (int before : {0, 3, 40}) {
    MILLRACE_ASSIGN_OR_RETURN(auto whole, Drive(factory, options, kCount, 8));
    MILLRACE_RETURN_IF_ERROR(whole->Reset());
    MILLRACE_RETURN_IF_ERROR(whole->Run(before));
    const absl::StatusOr<std::string> saved = whole->group().SaveState();
    if (absl::IsUnimplemented(saved.status())) return absl::OkStatus();
    MILLRACE_RETURN_IF_ERROR(saved.status());
    MILLRACE_ASSIGN_OR_RETURN(auto resumed, Drive(factory, options, kCount, 8));
    MILLRACE_RETURN_IF_ERROR(resumed->Continue(*whole, *saved));
    for (int step = 0; step < kSteps; ++step) {
      MILLRACE_RETURN_IF_ERROR(whole->Run(1));
      MILLRACE_RETURN_IF_ERROR(resumed->Run(1));
      for (int e = 0; e < kCount; ++e) {
        MILLRACE_RETURN_IF_ERROR(SameRows(*whole, e, *resumed, e, step));
      }
    }
    auto truncated = resumed->Continue(*whole, std::string_view(*saved).substr(1));
    if (!absl::IsDataLoss(truncated)) {
      return Violation("RestoreState of damaged bytes: expected kDataLoss, got ",
                       truncated.ToString());
    }
  }
  return absl::OkStatus();
}

// A row whose agent is absent: zeros, the mask ones.
absl::Status CheckBlank(const AgentSpec& agent, const PolicyRows& rows, size_t row) {
  for (size_t f = 0; f < rows.observation.size(); ++f) {
    const TensorView view = rows.observation[f][static_cast<int64_t>(row)];
    const std::byte blank{agent.observation.fields[f].name == kActionMask ? uint8_t{1}
                                                                          : uint8_t{0}};
    const std::span<const std::byte> bytes(view.data, view.bytes());
    if (std::ranges::all_of(bytes, [&](std::byte b) { return b == blank; })) continue;
    return Violation("field ", agent.observation.fields[f].name, " of an absent agent: expected ",
                     static_cast<int>(blank), " everywhere");
  }
  return absl::OkStatus();
}

absl::Status CheckRow(const AgentSpec& agent, const PolicyRows& rows, size_t row, bool acted,
                      bool reset) {
  const bool present = rows.present[row] != 0, first = rows.first[row] != 0;
  const bool ended = rows.terminated[row] != 0 || rows.truncated[row] != 0;
  if (!present) MILLRACE_RETURN_IF_ERROR(CheckBlank(agent, rows, row));
  if (!acted && (ended || rows.reward[row] != 0)) {
    return Violation("an agent that did not act: expected no reward and no end");
  }
  if (first && !present) return Violation("`first` of an absent agent: expected 0");
  if (acted && present && first != ended) {
    return Violation("`first`: expected 1 exactly where an episode ended before");
  }
  if (acted && !present && !ended) {
    return Violation("an agent that left: expected terminated or truncated");
  }
  if (!acted && present && !first && !reset) {
    return Violation("an agent that came: expected `first`");
  }
  return absl::OkStatus();
}

absl::Status RowsKeepTheRules(const VectorEnvironmentFactory& factory, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto driver, Drive(factory, options, kCount, 0));
  std::vector<std::vector<uint8_t>> before;  // who was present, per policy and row
  for (const PolicyRows& rows : driver->rows()) before.emplace_back(rows.reward.size());
  driver->inspect = [&](bool reset) {
    for (size_t p = 0; p < before.size(); ++p) {
      const PolicyRows& rows = driver->rows()[p];
      for (size_t row = 0; row < before[p].size(); ++row) {
        const bool acted = !reset && before[p][row] != 0;
        MILLRACE_RETURN_IF_ERROR(
            WithContext(CheckRow(driver->buffer().agent(p), rows, row, acted, reset),
                        absl::StrCat("policy ", p, ", row ", row)));
      }
      std::ranges::copy(rows.present, before[p].begin());
    }
    return absl::OkStatus();
  };
  MILLRACE_RETURN_IF_ERROR(driver->Reset());
  return driver->Run(kSteps);
}

absl::Status MisfittingPoliciesAreRefused(const VectorEnvironmentFactory& factory,
                                          const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto driver, Drive(factory, options, kCount, 0));
  VectorEnvironment& group = driver->group();
  const size_t agents = group.spec().agents.size();
  for (const AgentPolicies& wrong :
       {AgentPolicies(agents + 1, 0), AgentPolicies(agents, 99), AgentPolicies(agents, -1)}) {
    if (!absl::IsInvalidArgument(group.Reset(kSeed, 0, wrong, driver->rows()))) {
      return Violation("Reset with policies that do not fit: expected kInvalidArgument");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<VectorEnvironmentCheck> VectorEnvironmentChecks() {
  return {
      {"EpisodesDoNotDependOnTheGroup", EpisodesDoNotDependOnTheGroup},
      {"SavedGroupGoesOnBitEqually", SavedGroupGoesOnBitEqually},
      {"RowsKeepTheRules", RowsKeepTheRules},
      {"MisfittingPoliciesAreRefused", MisfittingPoliciesAreRefused},
  };
}

absl::Status CheckGroupsAgree(const VectorEnvironmentFactory& one,
                              const VectorEnvironmentFactory& other, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto left, Drive(one, options, kCount, 3));
  MILLRACE_ASSIGN_OR_RETURN(auto right, Drive(other, options, kCount, 3));
  MILLRACE_RETURN_IF_ERROR(left->Reset());
  MILLRACE_RETURN_IF_ERROR(right->Reset());
  for (int step = 0; step <= 4 * kSteps; ++step) {
    for (int e = 0; e < kCount; ++e) {
      MILLRACE_RETURN_IF_ERROR(SameRows(*left, e, *right, e, step));
    }
    MILLRACE_RETURN_IF_ERROR(left->Run(1));
    MILLRACE_RETURN_IF_ERROR(right->Run(1));
  }
  return absl::OkStatus();
}

}  // namespace millrace
