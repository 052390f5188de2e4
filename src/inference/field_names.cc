#include "inference/field_names.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "inference/model_options.h"
#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"

namespace millrace {

std::string Quoted(const std::string& text) { return absl::StrCat("\"", text, "\""); }

FieldNames::FieldNames(const Options& options, const ObservationSpec& observation,
                       std::string claimers)
    : options_(options), observation_(observation), claimers_(std::move(claimers)) {
  for (const Field& field : observation.fields) {
    if (field.name != kActionMask) names_.push_back(field.name);
  }
}

absl::StatusOr<const Field*> FieldNames::Find(const std::string& key,
                                              const std::string& name) const {
  if (std::ranges::count(names_, name) == 0) {
    return BadOption(options_, key,
                     absl::StrCat("fields of the observation (", absl::StrJoin(names_, ", "), ")"),
                     absl::StrCat(Quoted(name), DidYouMean(name, names_)));
  }
  return &*std::ranges::find(observation_.fields, name, &Field::name);
}

absl::StatusOr<const Field*> FieldNames::Claim(const std::string& key, const std::string& name) {
  MILLRACE_ASSIGN_OR_RETURN(const Field* field, Find(key, name));
  if (name.find('.') != std::string::npos) {
    return BadOption(options_, key, "fields without a dot in their names", Quoted(name));
  }
  if (!claimed_.insert(name).second) {
    return BadOption(options_, key, absl::StrCat("each field at most once in ", claimers_),
                     Quoted(name));
  }
  return field;
}

absl::Status FieldNames::BadShape(const std::string& key, const Field& field,
                                  const std::string& expected) const {
  return BadOption(
      options_, key, expected,
      absl::StrCat(Quoted(field.name), " of shape [", absl::StrJoin(field.shape, ", "), "]"));
}

}  // namespace millrace
