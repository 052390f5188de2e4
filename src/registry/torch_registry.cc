#include "millrace/registry/torch_registry.h"

#include <algorithm>
#include <array>

#include "backends/dlrm/dlrm_backend.h"
#include "env/guarded.h"
#include "millrace/core/status.h"
#include "registry/lookup.h"

namespace millrace {
namespace {

// The types that ModelSpec knows; a user's model may not take their names.
struct BuiltinModel {
  const char* name;
  const char* line;
};
constexpr std::array kBuiltinModels = {
    BuiltinModel{"lstm", "dense layers, then an LSTM: for tasks that need memory"},
    BuiltinModel{"gru", "dense layers, then gated recurrent units: the LSTM's task, fewer weights"},
    BuiltinModel{"entity_attention",
                 "self-attention over sets of entities, an LSTM, a critic that may see more"},
    BuiltinModel{"cnn", "convolutions over images beside flat features, an LSTM if wanted"},
    BuiltinModel{"mlp", "dense layers: separate actor and critic, or one trunk"},
};

bool IsBuiltinModel(const std::string& type) {
  return std::ranges::any_of(kBuiltinModels,
                             [&](const BuiltinModel& model) { return type == model.name; });
}

absl::StatusOr<std::shared_ptr<Policy>> MakeBuiltinModel(const std::string& type, Options options,
                                                         const ObservationSpec& observation,
                                                         const ActionSpec& action, uint64_t seed,
                                                         const std::string& where) {
  options.Set("type", {.items = {type}, .is_list = false, .where = where});
  MILLRACE_ASSIGN_OR_RETURN(const ModelSpec spec,
                            ModelSpec::FromOptions(options, observation, action));
  return MakePolicy(spec, seed);
}

// Calls a factory; nothing instead of an object is its author's mistake.
template <typename Call>
auto Make(const std::string& what, const std::string& type, Call&& call) -> decltype(call()) {
  const std::string factory = absl::StrCat("the factory of ", what, " ", type);
  auto made = Guarded(factory, call);
  if (made.ok() && *made == nullptr) {
    return absl::InternalError(absl::StrCat(factory, ": expected an object, got null"));
  }
  return made;
}

}  // namespace

void TorchRegistry::AddModel(std::string name, ModelFactory factory, std::string line) {
  const bool added =
      !IsBuiltinModel(name) &&
      models_.try_emplace(name, Entry<ModelFactory>{std::move(factory), std::move(line)}).second;
  if (!added) Complain("model", name);
}

void TorchRegistry::AddAlgorithm(std::string name, AlgorithmFactory factory, std::string line) {
  Entry<AlgorithmFactory> entry{std::move(factory), std::move(line)};
  if (!algorithms_.try_emplace(name, std::move(entry)).second) Complain("algorithm", name);
}

void TorchRegistry::AddBackend(std::string name, BackendFactory factory, std::string line) {
  Entry<BackendFactory> entry{std::move(factory), std::move(line)};
  if (!backends_.try_emplace(name, std::move(entry)).second) Complain("backend", name);
}

absl::StatusOr<std::shared_ptr<Policy>> TorchRegistry::MakeModel(
    const std::string& type, const Options& options, const ObservationSpec& observation,
    const ActionSpec& action, uint64_t seed, const std::string& where) const {
  MILLRACE_RETURN_IF_ERROR(status());
  if (IsBuiltinModel(type)) {
    return Make("model", type,
                [&] { return MakeBuiltinModel(type, options, observation, action, seed, where); });
  }
  const auto found = models_.find(type);
  if (found == models_.end()) {
    std::vector<std::string> known = EntryNames(models_);
    for (const BuiltinModel& model : kBuiltinModels) known.emplace_back(model.name);
    return NotRegistered("model", type, where, known);
  }
  return Make("model", type,
              [&] { return found->second.factory(options, observation, action, seed); });
}

absl::StatusOr<std::unique_ptr<Algorithm>> TorchRegistry::MakeAlgorithm(
    const std::string& type, const Options& options, const ActionSpec& action,
    const std::string& where) const {
  MILLRACE_RETURN_IF_ERROR(status());
  MILLRACE_ASSIGN_OR_RETURN(const auto* entry, FindEntry(algorithms_, "algorithm", type, where));
  return Make("algorithm", type, [&] { return entry->factory(options, action); });
}

absl::StatusOr<std::unique_ptr<Backend>> TorchRegistry::MakeBackend(
    const std::string& type, const Options& options, std::shared_ptr<Policy> policy,
    const std::string& where) const {
  MILLRACE_RETURN_IF_ERROR(status());
  const bool has_tables = dynamic_cast<const TablePolicy*>(policy.get()) != nullptr;
  const std::string chosen = type != "auto" ? type : has_tables ? kDlrmBackend : "native";
  MILLRACE_ASSIGN_OR_RETURN(const auto* entry, FindEntry(backends_, "backend", chosen, where));
  return Make("backend", chosen, [&] { return entry->factory(options, std::move(policy)); });
}

std::vector<Registry::Listing> TorchRegistry::models() const {
  std::vector<Listing> list = ListEntries(models_);
  for (const BuiltinModel& model : kBuiltinModels) list.push_back({model.name, model.line});
  std::ranges::sort(list, {}, &Listing::name);
  return list;
}

std::vector<Registry::Listing> TorchRegistry::algorithms() const {
  return ListEntries(algorithms_);
}

std::vector<Registry::Listing> TorchRegistry::backends() const { return ListEntries(backends_); }

}  // namespace millrace
