// The observation fields that the options of a model name.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/config/options.h"
#include "millrace/data/spaces.h"

namespace millrace {

// "TEXT" in quotes, for messages.
std::string Quoted(const std::string& text);

// Looks fields up for the options that name them; errors are those of BadOption. Refers to options
// and observation for its lifetime.
class FieldNames {
 public:
  // `claimers`: the options whose fields must differ, for messages.
  FieldNames(const Options& options, const ObservationSpec& observation, std::string claimers);

  // Any field but the action mask, by its name in option `key`.
  absl::StatusOr<const Field*> Find(const std::string& key, const std::string& name) const;
  // A field that was not claimed before and can give its name to weights.
  absl::StatusOr<const Field*> Claim(const std::string& key, const std::string& name);
  bool IsClaimed(const std::string& name) const { return claimed_.contains(name); }

  absl::Status BadShape(const std::string& key, const Field& field,
                        const std::string& expected) const;

 private:
  const Options& options_;
  const ObservationSpec& observation_;
  const std::string claimers_;
  std::vector<std::string> names_;
  std::set<std::string> claimed_;
};

}  // namespace millrace
