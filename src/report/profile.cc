#include "report/activity.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

struct TimeCounter {
  Counter counter;
  const char* role;
  const char* activity;
};

constexpr TimeCounter kTimeCounters[] = {
    {Counter::kEnvironmentNs, "actor", "environment"},
    {Counter::kWaitActionsNs, "actor", "wait_actions"},
    {Counter::kWaitCreditNs, "actor", "wait_credit"},
    {Counter::kInferenceNs, "policy", "inference"},
    {Counter::kIdleNs, "policy", "idle"},
    {Counter::kIdleNs, "trainer", "idle"},
    {Counter::kAssemblyNs, "trainer", "assembly"},
    {Counter::kTrainNs, "trainer", "train"},
    {Counter::kPublishNs, "trainer", "publish"},
    {Counter::kCheckpointNs, "trainer", "checkpoint"},
};

double ShareOf(const Shares& shares, const std::string& role, const std::string& activity) {
  const auto found = shares.find(role);
  if (found == shares.end()) return 0;
  const auto share = found->second.find(activity);
  return share == found->second.end() ? 0 : share->second;
}

std::string Percent(double share) { return absl::StrCat(std::lround(100 * share), " %"); }

}  // namespace

Activity ActivityOf(const std::vector<const LedgerSet::Entry*>& ledgers) {
  Activity activity;
  std::map<std::string, std::set<uint32_t>> indices;
  for (const LedgerSet::Entry* entry : ledgers) {
    const LedgerSnapshot& ledger = entry->snapshot;
    const std::string& role = ledger.identity.role;
    indices[role].insert(ledger.identity.index);
    for (const TimeCounter& time : kTimeCounters) {
      if (role != time.role) continue;
      activity[role].seconds[time.activity] +=
          static_cast<double>(ledger.counter(time.counter)) * 1e-9;
    }
  }
  for (const auto& [role, seen] : indices) activity[role].processes = static_cast<int>(seen.size());
  return activity;
}

Shares SharesBetween(const Activity& before, const Activity& after, double seconds) {
  Shares shares;
  for (const auto& [role, now] : after) {
    const auto then = before.find(role);
    for (const auto& [name, total] : now.seconds) {
      double spent = total;
      if (then != before.end()) {
        const auto earlier = then->second.seconds.find(name);
        if (earlier != then->second.seconds.end()) spent -= earlier->second;
      }
      const double available = seconds * now.processes;
      shares[role][name] = available > 0 ? std::clamp(spent / available, 0.0, 1.0) : 0;
    }
  }
  return shares;
}

std::string Bottleneck(const Shares& shares) {
  const double environment = ShareOf(shares, "actor", "environment");
  const double actions = ShareOf(shares, "actor", "wait_actions");
  const double credit = ShareOf(shares, "actor", "wait_credit");
  const double trainer_idle = ShareOf(shares, "trainer", "idle");
  const double training = ShareOf(shares, "trainer", "train") +
                          ShareOf(shares, "trainer", "assembly") +
                          ShareOf(shares, "trainer", "publish");
  const double longest = std::max({environment, actions, credit});
  if (longest <= 0) return "unknown: no environment steps were made";
  if (credit == longest) {
    return absl::StrCat("trainer: ", Percent(std::min(training, 1.0)),
                        " of the time it trained while actors waited for credit ", Percent(credit));
  }
  const std::string idle =
      absl::StrCat(" while trainers waited for samples ", Percent(trainer_idle));
  if (environment == longest) {
    return absl::StrCat("actor: ", Percent(environment), " of the time it stepped environments",
                        idle);
  }
  const double inference = ShareOf(shares, "policy", "inference");
  return absl::StrCat("policy: ", Percent(inference),
                      " of the time it computed while actors waited for actions ",
                      Percent(actions));
}

}  // namespace millrace
