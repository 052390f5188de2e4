// What the processes of each role spend their time on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "report/ledger_set.h"

namespace millrace {

// Seconds in each activity, over all processes of a role, dead ones included.
struct RoleActivity {
  int processes = 0;                      // distinct indices
  std::map<std::string, double> seconds;  // "environment", "wait_credit", "train", ...
};
using Activity = std::map<std::string, RoleActivity>;  // by role

Activity ActivityOf(const std::vector<const LedgerSet::Entry*>& ledgers);

// Shares of one process's time, in [0, 1], between two moments `seconds` apart.
using RoleShares = std::map<std::string, double>;
using Shares = std::map<std::string, RoleShares>;
Shares SharesBetween(const Activity& before, const Activity& after, double seconds);

// One line: which role bounds the run, and why. For example "trainer: 78 % of the time it trained
// while actors waited for credit 81 %".
std::string Bottleneck(const Shares& shares);

}  // namespace millrace
