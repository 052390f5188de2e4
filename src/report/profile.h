// What the processes of each role spend their time on, and what that says of the run.
#pragma once

#include <array>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/activity.h"
#include "report/ledger_set.h"

namespace millrace {

// Over all processes of a role, dead ones included. Value type.
struct RoleProfile {
  int processes = 0;  // distinct indices
  std::array<double, kNumActivities> seconds{};

  double operator[](Activity activity) const { return seconds[static_cast<size_t>(activity)]; }
  double& operator[](Activity activity) { return seconds[static_cast<size_t>(activity)]; }
  // Of the activity's thread, from the end of its start-up; in [0, 1].
  double Share(Activity activity) const;
};
using Profile = std::map<std::string, RoleProfile>;  // by role

Profile ProfileOf(const std::vector<const LedgerSet::Entry*>& ledgers);
// What was added between two moments.
Profile Difference(const Profile& after, const Profile& before);

// One thread's activities as a tree, the dearest first. Activities that took no time are left out.
struct ProfileNode {
  std::string name;
  double seconds = 0;  // of its parts, too
  std::vector<ProfileNode> parts;
};
// The root has the thread's name and its whole time.
ProfileNode ProfileTree(const RoleProfile& role, std::string_view thread);
std::vector<std::string> ProfileThreads(const RoleProfile& role);  // "main" first

// {"actor": {"processes": 2, "threads": {"main": {"seconds": 9.1, "parts": {...}}}}, ...}
nlohmann::ordered_json ToJson(const Profile& profile);
// "train 71% (backward 30%, forward 18%)  wait_samples 22%": of the main thread, what took 1 % or
// more of its time at work.
std::string DescribeShares(const RoleProfile& role);

// The processors that the run's processes used over a span.
struct CpuUse {
  double seconds = 0;    // user + system, all processes
  double waited = 0;     // of threads that were ready to run, but no core was free
  double available = 0;  // cores x span
  std::map<std::string, double> seconds_by_role;
};

// One line, beginning with what bounds the run: a role, "cpu" (the cores are used up), "queue"
// (actors and trainers take turns) or "latency" (actors wait for policy workers that are idle).
std::string Bottleneck(const Profile& profile, const CpuUse& cpu);

}  // namespace millrace
