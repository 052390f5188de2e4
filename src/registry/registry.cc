#include "millrace/registry/registry.h"

#include "absl/strings/str_cat.h"
#include "env/guarded.h"
#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"
#include "registry/lookup.h"

namespace millrace {

void Registry::Complain(std::string_view what, std::string_view name) {
  if (!status_.ok()) return;
  status_ =
      absl::InvalidArgumentError(absl::StrCat(std::string(what), " \"", std::string(name),
                                              "\" is registered twice: expected unique names"));
}

// A name may have a single and a vectorised version, but one of each.
void Registry::AddEnvironment(std::string name, EnvironmentFactory factory, std::string line) {
  EnvironmentEntry& entry = environments_[name];
  if (entry.one) return Complain("environment", name);
  entry.one = std::move(factory);
  if (entry.line.empty()) entry.line = std::move(line);
}

void Registry::AddVectorEnvironment(std::string name, VectorEnvironmentFactory factory,
                                    std::string line) {
  EnvironmentEntry& entry = environments_[name];
  if (entry.many) return Complain("environment", name);
  entry.many = std::move(factory);
  if (entry.line.empty()) entry.line = std::move(line);
}

void Registry::AddDataset(std::string name, DatasetFactory factory, std::string line) {
  if (!datasets_.try_emplace(name, DatasetEntry{std::move(factory), std::move(line)}).second) {
    Complain("dataset", name);
  }
}

void Registry::AddSampleField(Field field, SampleFieldFunction compute) {
  const std::string name = field.name;
  field.extent = Extent::kSteps;
  if (!sample_fields_.try_emplace(name, SampleField{std::move(field), std::move(compute)}).second) {
    Complain("sample field", name);
  }
}

absl::StatusOr<std::unique_ptr<VectorEnvironment>> Registry::MakeVectorEnvironment(
    const std::string& name, const Options& options, int count, const std::string& where) const {
  MILLRACE_RETURN_IF_ERROR(status_);
  MILLRACE_ASSIGN_OR_RETURN(const EnvironmentEntry* entry,
                            FindEntry(environments_, "environment", name, where));
  if (!entry->many) return MakeEnvironmentBatch(entry->one, options, count, name);
  auto made = Guarded(absl::StrCat("the factory of environment ", name),
                      [&] { return entry->many(options, count); });
  if (made.ok() && (*made == nullptr || (*made)->size() != count)) {
    return absl::InternalError(
        absl::StrCat("environment ", name, ": its factory: expected a group of ", count));
  }
  return made;
}

absl::StatusOr<std::unique_ptr<Environment>> Registry::MakeEnvironment(
    const std::string& name, const Options& options, const std::string& where) const {
  MILLRACE_RETURN_IF_ERROR(status_);
  MILLRACE_ASSIGN_OR_RETURN(const EnvironmentEntry* entry,
                            FindEntry(environments_, "environment", name, where));
  auto made = Guarded(absl::StrCat("the factory of environment ", name), [&] {
    return entry->one ? entry->one(options) : MakeSingleEnvironment(entry->many, options);
  });
  if (made.ok() && *made == nullptr) {
    return absl::InternalError(
        absl::StrCat("environment ", name, ": its factory: expected an environment, got null"));
  }
  return made;
}

absl::StatusOr<std::unique_ptr<Dataset>> Registry::MakeDataset(const std::string& name,
                                                               const Options& options,
                                                               DatasetSplit split,
                                                               const std::string& where) const {
  MILLRACE_RETURN_IF_ERROR(status_);
  MILLRACE_ASSIGN_OR_RETURN(const DatasetEntry* entry,
                            FindEntry(datasets_, "dataset", name, where));
  auto made = Guarded(absl::StrCat("the factory of dataset ", name),
                      [&] { return entry->factory(options, split); });
  if (made.ok() && *made == nullptr) {
    return absl::InternalError(
        absl::StrCat("dataset ", name, ": its factory: expected a dataset, got null"));
  }
  absl::Status status = made.ok() ? CheckSpec((*made)->spec()) : made.status();
  if (status.ok()) return made;
  // What is wrong with a file is the user's to mend, as what is wrong with an option.
  if (made.ok() || absl::IsDataLoss(status)) {
    status = absl::InvalidArgumentError(std::string(status.message()));
  }
  return WithContext(status, absl::StrCat(where, where.empty() ? "" : ": ", "dataset ", name));
}

const SampleField* Registry::FindSampleField(std::string_view name) const {
  const auto found = sample_fields_.find(name);
  return found == sample_fields_.end() ? nullptr : &found->second;
}

std::vector<Registry::Listing> Registry::environments() const { return ListEntries(environments_); }

std::vector<Registry::Listing> Registry::datasets() const { return ListEntries(datasets_); }

}  // namespace millrace
