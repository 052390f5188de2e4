#include "report/profile.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace millrace {
namespace {

using nlohmann::ordered_json;

constexpr double kWorthSaying = 0.01;
// The cores are used up if they were this busy (a scheduler leaves a few per cent idle), or if
// there was this much to do for them: cores may be shared with others.
constexpr double kBusyCores = 0.9;
constexpr double kWorkForCores = 1.25;
// Actors and trainers that both wait this long for each other would gain by overlapping.
constexpr double kTakeTurns = 0.25;
// Policy workers that do nothing for this share of their time are not what actors wait for.
constexpr double kIdleEnough = 0.4;
// A wait for the trainer that is worth a verdict.
constexpr double kNoticeable = 0.1;

template <typename Function>
void ForEachActivity(const RoleProfile& role, Function function) {
  for (int i = 0; i < kNumActivities; ++i) {
    const auto activity = static_cast<Activity>(i);
    if (role[activity] > 0) function(activity, Describe(activity), role[activity]);
  }
}

ProfileNode& PartOf(ProfileNode& parent, std::string_view name) {
  for (ProfileNode& part : parent.parts) {
    if (part.name == name) return part;
  }
  return parent.parts.emplace_back(
      ProfileNode{.name = std::string(name), .seconds = 0, .parts = {}});
}

void SortByTime(ProfileNode& node) {
  std::ranges::stable_sort(node.parts, std::ranges::greater(), &ProfileNode::seconds);
  std::ranges::for_each(node.parts, SortByTime);
}

ordered_json ToJson(const ProfileNode& node) {
  ordered_json json = {{"seconds", node.seconds}};
  for (const ProfileNode& part : node.parts) json["parts"][part.name] = ToJson(part);
  return json;
}

std::string Percent(double share) { return absl::StrFormat("%.0f %%", 100 * share); }

std::string_view LargestRole(const CpuUse& cpu) {
  const auto largest = std::ranges::max_element(cpu.seconds_by_role, {},
                                                [](const auto& role) { return role.second; });
  return largest == cpu.seconds_by_role.end() ? std::string_view("?") : largest->first;
}

}  // namespace

double RoleProfile::Share(Activity activity) const {
  if (activity == Activity::kStartUp) return 0;
  const std::string_view thread = Describe(activity).thread;
  double total = 0;
  ForEachActivity(*this, [&](Activity each, const ActivityInfo& info, double spent) {
    if (info.thread == thread && each != Activity::kStartUp) total += spent;
  });
  return total > 0 ? (*this)[activity] / total : 0;
}

Profile ProfileOf(const std::vector<const LedgerSet::Entry*>& ledgers) {
  Profile profile;
  std::map<std::string, std::set<uint32_t>> indices;
  for (const LedgerSet::Entry* entry : ledgers) {
    const LedgerSnapshot& ledger = entry->snapshot;
    RoleProfile& role = profile[ledger.identity.role];
    indices[ledger.identity.role].insert(ledger.identity.index);
    for (int i = 0; i < kNumActivities; ++i) {
      role[static_cast<Activity>(i)] += ledger.seconds(static_cast<Activity>(i));
    }
  }
  for (const auto& [role, seen] : indices) profile[role].processes = static_cast<int>(seen.size());
  return profile;
}

Profile Difference(const Profile& after, const Profile& before) {
  Profile difference = after;
  for (auto& [name, role] : difference) {
    const auto earlier = before.find(name);
    if (earlier == before.end()) continue;
    for (size_t i = 0; i < role.seconds.size(); ++i) {
      role.seconds[i] = std::max(0.0, role.seconds[i] - earlier->second.seconds[i]);
    }
  }
  return difference;
}

ProfileNode ProfileTree(const RoleProfile& role, std::string_view thread) {
  ProfileNode root{.name = std::string(thread), .seconds = 0, .parts = {}};
  ForEachActivity(role, [&](Activity, const ActivityInfo& info, double spent) {
    if (info.thread != thread) return;
    ProfileNode* node = &root;
    node->seconds += spent;
    for (std::string_view rest = info.path; !rest.empty();) {
      const size_t slash = std::min(rest.find('/'), rest.size());
      node = &PartOf(*node, rest.substr(0, slash));
      node->seconds += spent;
      rest.remove_prefix(std::min(slash + 1, rest.size()));
    }
  });
  SortByTime(root);
  return root;
}

std::vector<std::string> ProfileThreads(const RoleProfile& role) {
  std::vector<std::string> threads;
  ForEachActivity(role, [&](Activity, const ActivityInfo& info, double) {
    if (std::ranges::find(threads, info.thread) == threads.end()) threads.emplace_back(info.thread);
  });
  return threads;
}

ordered_json ToJson(const Profile& profile) {
  ordered_json json = ordered_json::object();
  for (const auto& [name, role] : profile) {
    json[name]["processes"] = role.processes;
    for (const std::string& thread : ProfileThreads(role)) {
      json[name]["threads"][thread] = ToJson(ProfileTree(role, thread));
    }
  }
  return json;
}

std::string DescribeShares(const RoleProfile& role) {
  RoleProfile at_work = role;
  at_work[Activity::kStartUp] = 0;
  const ProfileNode root = ProfileTree(at_work, "main");
  std::string text;
  for (const ProfileNode& node : root.parts) {
    if (node.seconds < kWorthSaying * root.seconds) continue;
    absl::StrAppendFormat(&text, "%s%s %.0f%%", text.empty() ? "" : "  ", node.name,
                          100 * node.seconds / root.seconds);
    std::string parts;
    for (const ProfileNode& part : node.parts) {
      if (part.seconds < kWorthSaying * root.seconds) continue;
      absl::StrAppendFormat(&parts, "%s%s %.0f%%", parts.empty() ? "" : ", ", part.name,
                            100 * part.seconds / root.seconds);
    }
    if (!parts.empty()) absl::StrAppend(&text, " (", parts, ")");
  }
  return text;
}

std::string Bottleneck(const Profile& profile, const CpuUse& cpu) {
  const auto share = [&](const char* role, Activity activity) {
    const auto found = profile.find(role);
    return found == profile.end() ? 0.0 : found->second.Share(activity);
  };
  // Readers post a dataset's samples where actors would post what they simulate.
  const bool reads = profile.contains("reader");
  const char* const producer = reads ? "reader" : "actor";
  if (share(producer, Activity::kEnvironment) <= 0) {
    return absl::StrCat("unknown: no ",
                        reads ? "samples were read" : "environment steps were made");
  }
  if (cpu.available > 0 && (cpu.seconds >= kBusyCores * cpu.available ||
                            cpu.seconds + cpu.waited >= kWorkForCores * cpu.available)) {
    return absl::StrCat("cpu: the run used ", Percent(cpu.seconds / cpu.available),
                        " of its cores, most of it by the role ", std::string(LargestRole(cpu)),
                        "; threads with work waited for a core ",
                        Percent(cpu.waited / (cpu.seconds + cpu.waited)), " of the time");
  }
  const double actions = share("actor", Activity::kWaitActions);
  const double credit = share(producer, Activity::kWaitCredit);
  const double actor_busy = 1 - actions - credit;
  const double samples = share("trainer", Activity::kWaitSamples);
  if (credit >= kTakeTurns && samples >= kTakeTurns) {
    return absl::StrCat(
        "queue: ", producer, "s waited for credit ", Percent(credit),
        " of the time and trainers for samples ", Percent(samples), ": they take turns; a larger ",
        reads ? "reader.batches_ahead" : "trainer.max_policy_lag", " lets them overlap");
  }
  // Whoever never waits for the other holds it up, however much the other works in between.
  if (credit >= kNoticeable && credit > samples) {
    return absl::StrCat("trainer: ", Percent(1 - samples), " of the time it worked while ",
                        producer, "s waited for credit ", Percent(credit));
  }
  if (actor_busy >= actions) {
    return absl::StrCat(producer, ": ", Percent(actor_busy), " of the time it worked (",
                        reads ? "reading " : "environments ",
                        Percent(share(producer, Activity::kEnvironment)),
                        ") while trainers waited for samples ", Percent(samples));
  }
  const double policy_idle = share("policy", Activity::kIdle);
  if (policy_idle >= kIdleEnough) {
    return absl::StrCat(
        "latency: actors waited for actions ", Percent(actions),
        " of the time while policy workers were idle ", Percent(policy_idle),
        ": more groups per actor (workers.actor.groups) hide the way there and back");
  }
  return absl::StrCat("policy: ", Percent(1 - policy_idle),
                      " of the time it worked while actors waited for actions ", Percent(actions));
}

}  // namespace millrace
